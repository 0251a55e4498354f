"""Recipes: every packaged one is whole, and nothing misspelt gets through."""

import re
import tomllib
from pathlib import Path

import pytest

from i2i import recipe, registry
from i2i.methods.cyclegan import CycleGAN
from i2i.recipe import components


def load(*overrides: str, method: str = "cyclegan") -> recipe.Recipe:
    return recipe.load(recipe.find(method), ["somewhere"], overrides)


# Recipes that are named after something else than their method.
METHOD_OF = {
    "fastcut": "cut",
    "lsgan": "gan",
    "stylegan3": "stylegan2",
    "gigagan": "esrgan",
    **dict.fromkeys(("span", "plksr", "realplksr", "de-jpeg", "de-noise"), "rrdb-psnr"),
    **dict.fromkeys(("real-span", "real-plksr"), "real-esrgan"),
}


@pytest.mark.parametrize("name", recipe.list_recipes())
def test_packaged_recipes_are_complete_and_build(name: str) -> None:
    file = recipe.recipes_folder() / f"{name}.toml"
    assert file.read_text().startswith("# "), "its first line says what it is"
    # Without the weights of a VGG network, which not every machine has.
    checked = recipe.load(file, overrides=["method.perceptual_weight=0"] if "perceptual" in file.read_text() else [])
    folder = name.split("/")[0]
    assert checked.method["name"] == METHOD_OF.get(folder, folder)
    # The number of classes is counted in the label maps when a run is built.
    counted = {"classes": 2} if checked.method.get("classes") == 0 else {}
    components.build(registry.methods, checked.method | counted)
    components.build(registry.schedules, checked.schedule)


def test_the_published_numbers_stand_in_the_recipes() -> None:
    cyclegan = recipe.load(recipe.find("cyclegan", ["horse2zebra"]))
    assert cyclegan.optimizer.lr == 2e-4 and cyclegan.optimizer.betas == [0.5, 0.999]
    assert cyclegan.train.epochs == 200 and cyclegan.train.batch_size == 1
    assert cyclegan.method["cycle_weight"] == 10 and cyclegan.method["history"] == 50
    assert cyclegan.method["generator"]["blocks"] == 9 and cyclegan.method["adversarial"]["name"] == "lsgan"
    pix2pix = recipe.load(recipe.find("pix2pix", ["facades"]))
    assert pix2pix.method["l1_weight"] == 100 and pix2pix.method["generator"]["depth"] == 8
    assert pix2pix.data.direction == "b_to_a" and pix2pix.method["adversarial"]["name"] == "vanilla"

    esrgan = recipe.load(recipe.find("esrgan"))
    weights = [esrgan.method[f"{name}_weight"] for name in ("pixel", "perceptual", "adversarial")]
    assert weights == [1e-2, 1.0, 5e-3] and esrgan.method["perceptual"]["layers"] == {"conv5_4": 1.0}
    assert esrgan.optimizer.lr == 1e-4 and esrgan.optimizer.betas == [0.9, 0.99] and esrgan.train.ema == 0.999
    assert esrgan.train.steps == 400_000 and esrgan.train.batch_size == 16
    first = esrgan.first_stage()
    assert first is not None and first.method["name"] == "rrdb-psnr" and first.method["pixel"]["name"] == "l1"
    assert first.optimizer.lr == 2e-4 and first.train.steps == 1_000_000 and first.train.ema == 0.999

    gp, wgan = (recipe.load(recipe.find(name)) for name in ("wgan-gp", "wgan"))
    assert gp.train.steps == 200_000 * gp.method["critic_steps"] and gp.method["discriminator"]["norm"] == "layer"
    assert wgan.optimizer.name == "rmsprop" and wgan.optimizer.lr == 5e-5 and wgan.method["warm_critic_steps"] == 100


def test_a_moving_average_warms_up_in_no_recipe_of_a_paper_that_has_none() -> None:
    averaged = {name: loaded for name in recipe.list_recipes() if (loaded := recipe.load(recipe.find(name))).train.ema}
    assert {"biggan/general", "esrgan/general", "stylegan2/general"} <= set(averaged)
    warmed = [name for name, loaded in averaged.items() if loaded.train.ema_warmup is True]
    ours = "sim2real", "distil/", "span/small"
    assert all(any(part in name for part in ours) for name in warmed)


def test_a_saved_recipe_reads_back_as_it_was(tmp_path: Path) -> None:
    first = load("train.steps=7", "method.generator.blocks=3")
    (tmp_path / "recipe.toml").write_text(first.toml())
    assert recipe.load(tmp_path / "recipe.toml") == first


def test_resolved_recipes_hold_every_default() -> None:
    table = tomllib.loads(load().toml())
    assert table["method"]["generator"]["upsampling"] == "transposed"
    assert table["train"]["seed"] == 0 and table["augment"]["train"]["flip"]["p"] == 0.5


@pytest.mark.parametrize(
    ("assignment", "key", "hint"),
    [
        ("train.stesp=5", "train.stesp", "'steps'"),
        ("trian.steps=5", "trian", "'train'"),
        ("method.l1_wieght=5", "method.l1_wieght", "'l1_weight'"),
        ("method.generator.dept=5", "method.generator.dept", "'depth'"),
        ("method.generator.name=resnett", "method.generator.name", "'resnet'"),
        ("method.adversarial=lsgann", "method.adversarial", "'lsgan'"),
        ("augment.train.crop.sice=5", "augment.train.crop.sice", "'size'"),
        ("augment.train.cropp.size=5", "augment.train", "'crop'"),
        ("schedule.name=liner", "schedule.name", "'linear'"),
        ("method.generator.in_channels=1", "method.generator.in_channels", "choose from"),
    ],
)
def test_misspelt_keys_are_refused_with_the_nearest_legal_one(assignment: str, key: str, hint: str) -> None:
    with pytest.raises(ValueError, match="choose from") as error:
        load(assignment, method="pix2pix")
    assert key in str(error.value) and hint in str(error.value)


@pytest.mark.parametrize(
    "assignment",
    ["train.steps=many", "train.steps=1.5", "train.steps=-1", "train.compile=1", "train.precision=float16", "train=5",
     "optimizer.lr=0", "optimizer.lr=nan", "optimizer.betas=[0.5]", "method.l1_weight=true",
     "method.generator.norm=layer"],
)  # fmt: skip
def test_ill_typed_values_are_refused_by_key(assignment: str) -> None:
    with pytest.raises(ValueError) as error:
        load(assignment, method="pix2pix")
    assert assignment.split("=")[0] in str(error.value) or "finite" in str(error.value)
    assert "\n" not in str(error.value)


def test_whole_numbers_are_numbers() -> None:
    assert load("method.l1_weight=50", method="pix2pix").method["l1_weight"] == 50.0


def test_another_component_starts_from_its_own_defaults() -> None:
    changed = load("method.generator.depth=5", "method.generator.name=unet").method["generator"]
    assert changed["depth"] == 5 and changed["norm"] == "batch" and "blocks" not in changed
    assert load("method.generator=unet").method["generator"]["depth"] == 8


@pytest.mark.parametrize("method", ["cyclegan", "pix2pix"])
def test_a_translation_needs_a_generator_that_keeps_the_size(method: str) -> None:
    chosen = load("method.generator=srvgg", "method.generator.features=4", method=method)
    with pytest.raises(ValueError, match="SRVGGNet enlarges 4 times"):
        components.build(registry.methods, chosen.method)


def test_a_pipeline_step_can_be_left_out_and_added() -> None:
    steps = load("augment.train.flip=false", "augment.train.VerticalFlip.p=0.1").augment.train
    assert list(steps) == ["resize", "crop", "VerticalFlip"]


@pytest.mark.parametrize(
    ("settings", "order"),
    [
        (["scale_short.size=72"], "scale_short 72, crop 256, flip"),
        (["resize=false", "scale_width.width=286"], "scale_width 286, crop 256, flip"),
        (["scale_width.width=286", "resize=false"], "scale_width 286, crop 256, flip"),
        (
            ["SmallestMaxSize.max_size=72", "RandomCrop.height=64", "RandomCrop.width=64"],
            "SmallestMaxSize, RandomCrop 64, flip",
        ),
        (["center_crop.size=64", "ColorJitter.p=0.3"], "resize 286, center_crop 64, flip, ColorJitter"),
        (["crop={size=32}"], "resize 286, crop 32, flip"),
        (["flip=false", "HorizontalFlip.p=0.5"], "resize 286, crop 256, HorizontalFlip"),
    ],
)
def test_a_step_takes_the_place_of_the_one_of_its_role(settings: list[str], order: str) -> None:
    chosen = load(*(f"augment.train.{setting}" for setting in settings))
    assert chosen.augment.order() == f"train: {order}; test: resize 256"


def test_a_step_of_a_role_that_a_pipeline_lacks_comes_between_the_others() -> None:
    """Resizing after a crop would give windows of another scale, or squashed ones."""
    chosen = load("augment.train.scale_short.size=300", "augment.test.resize.size=64", method="rrdb-psnr").augment
    assert chosen.order() == "train: scale_short 300, crop 128, flip, quarter_turns; test: resize 64, limit 512"
    cropped = load("augment.train.crop.size=64", "augment.train.resize.size=72", method="dcgan").augment
    assert list(cropped.train)[:2] == ["resize", "crop"]


def test_two_steps_of_one_role_need_the_whole_pipeline() -> None:
    both = ["augment.train.scale_short.size=72", "augment.train.resize.size=64"]
    with pytest.raises(ValueError, match=r"have one role, size, and one place; for both, set the whole pipeline"):
        load(*both)
    whole = "augment.train={scale_short = {size = 72}, crop = {size = 64}, resize = {size = 32}}"
    assert list(load(whole).augment.train) == ["scale_short", "crop", "resize"]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("cyclegan", "train: resize 143, crop 128, flip; test: resize 128"),
        ("rrdb-psnr", "train: crop 128, flip, quarter_turns; test: limit 512"),
        ("real-esrnet", "train: crop 200, flip; test: limit 512"),
    ],
)
def test_one_option_sets_the_size_of_training_and_test(method: str, expected: str) -> None:
    chosen = load("train.size=128", method=method)
    assert chosen.augment.order() == expected and chosen.degradation.get("crop", 128) == 128
    assert load("train.size=128", "augment.test.resize.size=96").augment.test["resize"]["size"] == 96


def test_the_size_of_training_is_that_of_a_discriminator_of_fixed_size() -> None:
    chosen = load("train.size=64", "method.perceptual_weight=0", method="esrgan")
    assert chosen.method["discriminator"]["size"] == chosen.augment.train["crop"]["size"] == 64


@pytest.mark.parametrize("size", ["0", "big", "[1, 2]"])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match=r"train\.size = .* is refused"):
        load(f"train.size={size}")


def test_epochs_that_are_set_count_where_a_recipe_has_steps_and_the_later_one_wins() -> None:
    def length(*settings: str) -> tuple[int, int]:
        train = load(*settings, method="wgan-gp").train
        return train.epochs, train.steps

    assert length("train.epochs=2") == (2, 0)
    assert length("train.steps=9", "train.epochs=2") == (2, 0)
    assert length("train.epochs=2", "train.steps=9") == (2, 9)
    first = load("first.train.epochs=3", "method.perceptual_weight=0", method="esrgan").first_stage()
    assert first is not None and (first.train.epochs, first.train.steps) == (3, 0)


def test_a_missing_part_is_named() -> None:
    with pytest.raises(ValueError, match=r"method\.generator"):
        recipe.Recipe.parse({"method": {"name": "cyclegan"}, "schedule": {"name": "constant"}})
    with pytest.raises(ValueError, match="schedule is missing"):
        recipe.Recipe.parse({"method": {"name": "cyclegan"}})


def test_misspelt_methods_are_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'cyclegan'"):
        recipe.find("cyclgan")
    with pytest.raises(ValueError, match="did you mean 'lsgan'"):  # recipes of the method gan
        recipe.find("lgsan")
    with pytest.raises(ValueError, match="no such file"):
        recipe.find("my.toml")


def test_the_recipe_named_after_the_data_set_is_taken() -> None:
    assert recipe.find("cyclegan", ["horse2zebra"]).name == "horse2zebra.toml"
    assert recipe.find("pix2pix", ["some/where/facades/"]).name == "facades.toml"
    assert recipe.find("cyclegan", ["some/general"]).name == "general.toml"
    assert recipe.find("cyclegan", ["photos", "paintings"]).name == "general.toml"


def test_what_a_factory_makes_carries_its_spec() -> None:
    method = components.build(
        registry.methods, load("method.generator.features=4", "method.discriminator.features=4").method
    )
    assert isinstance(method, CycleGAN)
    rebuilt = components.build(registry.generators, method.a_to_b.spec)
    assert rebuilt.state_dict().keys() == method.a_to_b.state_dict().keys()


def test_broken_toml_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[method\n")
    with pytest.raises(ValueError, match=r"bad\.toml: not valid TOML"):
        recipe.load(tmp_path / "bad.toml")


def test_what_a_component_may_have_or_not_is_supplied_to_those_that_have_it() -> None:
    for judge in ("dcgan", "patchgan"):
        chosen = recipe.load(
            recipe.find("dcgan"), ["x"], ["method.size=32", "method.classes=0", f"method.discriminator={judge}"]
        )
        assert not {"size", "classes", "in_channels"} & chosen.method["discriminator"].keys()
        discriminator = components.build(registry.methods, chosen.method).discriminator
        assert discriminator.spec.get("size") == (32 if judge == "dcgan" else None)
    with pytest.raises(ValueError, match=r"unknown option 'method.discriminator.size'"):
        recipe.load(recipe.find("dcgan"), ["x"], ["method.discriminator.size=64"])
    with pytest.raises(ValueError, match="PatchGAN takes no labels"):
        chosen = recipe.load(recipe.find("dcgan"), ["x"], ["method.classes=2", "method.discriminator=patchgan"])
        components.build(registry.methods, chosen.method)


def test_the_size_of_images_may_be_set_where_training_is() -> None:
    assert recipe.load(recipe.find("stylegan2"), ["x"], ["train.size=64"]).method["size"] == 64


def test_a_player_has_the_shared_optimiser_but_for_its_own_options() -> None:
    given = ["optimizer.lr=1e-3", "optimizer.players.discriminator.lr=4e-3", "optimizer.players.critic.name=rmsprop"]
    options = recipe.load(recipe.find("dcgan"), ["x"], given).optimizer
    assert [options.of(player)["lr"] for player in ("generator", "discriminator")] == [1e-3, 4e-3]
    assert options.of("discriminator")["betas"] == options.betas == [0.5, 0.999]
    assert options.of("critic") == {"name": "rmsprop"}, "and its defaults"


def test_naming_another_optimiser_starts_from_its_defaults() -> None:
    options = recipe.load(recipe.find("stylegan2"), ["x"], ["optimizer.name=rmsprop"]).optimizer
    assert options.lr == 5e-5 and options.alpha == 0.99 and options.players == {}


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("optimizer.name=adamm", "did you mean 'adam'"),
        (
            "optimizer.momentum=0.9",
            "unknown option 'optimizer.momentum'; choose from: betas, eps, last_beta2, lr, weight_decay",
        ),
        ("optimizer.betas=[0.5, 1.5]", "allowed: below 1"),
        ("optimizer.players.generator.lrr=1", "'optimizer.players.generator.lrr'; did you mean 'lr'"),
    ],
)
def test_options_of_optimisers_are_checked(assignment: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        recipe.load(recipe.find("dcgan"), ["x"], [assignment])
