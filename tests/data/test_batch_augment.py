"""Augmentation on the batch: pairs share every draw, and values stay in their range."""

import subprocess
import sys
import tomllib
from typing import Any

import pytest
import torch
from torch import Tensor

from i2i import recipe, registry
from i2i.data.batch import HighResolution, Images, Pair, Unpaired
from i2i.data.batch_augment import BatchPipeline
from i2i.recipe.components import options_of

NEEDED: dict[str, dict[str, Any]] = {
    "CenterCrop": {"size": [16, 16]},
    "LongestMaxSize": {"max_size": 20},
    "PadTo": {"size": [40, 40]},
    "RandomAffine": {"degrees": 20},
    "RandomGaussianBlur": {"kernel_size": 3, "sigma": [0.5, 1]},
    "RandomMotionBlur": {"kernel_size": 3, "angle": 30, "direction": 0.5},
    "RandomResizedCrop": {"size": [16, 16]},
    "RandomRotation": {"degrees": 20},
    "RandomRotation90": {"times": [1, 3]},
    "RandomShear": {"shear": 10},
    "Resize": {"size": [20, 20]},
    "SmallestMaxSize": {"max_size": 20},
}
SEVERAL = {"RandomAffine": {"degrees": 20, "p": 1.0}, "RandomGaussianNoise": {"p": 1.0}, "RandomErasing": {"p": 1.0}}


def images(count: int = 2, channels: int = 3, size: tuple[int, int] = (32, 32)) -> Tensor:
    return torch.rand((count, channels, *size), generator=torch.Generator().manual_seed(1)) * 2 - 1


def run(batch: Any, steps: dict[str, Any], seed: int = 0, value_range: tuple[float, float] = (-1.0, 1.0)) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BatchPipeline(steps, value_range)(batch)


@pytest.mark.parametrize("name", list(registry.batch_augmentations))
def test_every_step_runs_and_keeps_range_and_type_and_shares_its_draw_in_a_pair(name: str) -> None:
    always = {"p": 1.0} if "p" in options_of(registry.batch_augmentations[name]) else {}  # type: ignore[arg-type]
    steps = {name: {**NEEDED.get(name, {}), **always}}
    image = images()
    source, target = run(Pair(image, image.clone()), steps)
    assert torch.equal(source, target)
    assert source.shape[:2] == image.shape[:2] and source.dtype == torch.float32 and not source.requires_grad
    assert source.min() >= -1 and source.max() <= 1
    assert torch.equal(source, run(Pair(image, image), steps).source), "equal seeds give equal results"


def test_steps_without_required_options_run_with_an_empty_table() -> None:
    for name in registry.batch_augmentations:
        defaults = [default for _, _, default in options_of(registry.batch_augmentations[name]).values()]  # type: ignore[arg-type]
        assert (... in defaults) == (name in NEEDED)
        if name not in NEEDED:
            assert run(Pair(images(), images()), {name: {}}).source.shape == (2, 3, 32, 32)


def test_unpaired_images_and_images_of_a_batch_have_draws_of_their_own() -> None:
    image = images(1).expand(2, -1, -1, -1)
    a, b = run(Unpaired(image, image), SEVERAL)
    assert not torch.equal(a, b) and not torch.equal(a[0], a[1])


def test_a_pair_stays_aligned_where_its_images_differ_in_channels() -> None:
    grey = images(channels=1)
    source, target = run(
        Pair(grey, grey.expand(-1, 3, -1, -1)),
        {"RandomGaussianNoise": {"std": 0.0, "p": 1.0}, "RandomAffine": {"degrees": 45, "p": 1.0}},
    )
    assert torch.allclose(source.expand_as(target), target, atol=1e-5) and not torch.allclose(source, grey, atol=0.1)


@pytest.mark.parametrize("kind", [HighResolution, Images])
def test_images_change_and_seeds_and_labels_do_not(kind: type[HighResolution | Images]) -> None:
    batch = kind(images(), torch.tensor([3, 4]))
    augmented = run(batch, SEVERAL)
    assert type(augmented) is kind and torch.equal(augmented[1], batch[1])
    assert not torch.equal(augmented.image, batch.image)


@pytest.mark.parametrize("value_range", [(-1.0, 1.0), (0.0, 1.0), (0.0, 255.0)])
def test_steps_run_on_images_in_0_to_1_whatever_the_range_of_the_networks(value_range: tuple[float, float]) -> None:
    low, high = value_range
    image = torch.rand(2, 3, 8, 8)
    inverted = run(Unpaired(*[image * (high - low) + low] * 2), {"RandomInvert": {"p": 1.0}}, value_range=value_range)
    assert torch.allclose(inverted.a, (1 - image) * (high - low) + low, atol=1e-5 * high)


def test_steps_run_in_their_order_and_false_leaves_one_out() -> None:
    twice = {"RandomInvert": {"p": 1.0}, "RandomBrightness": {"brightness": [1.5, 1.5]}}
    batch = Unpaired(images(), images())
    assert not torch.allclose(run(batch, twice).a, run(batch, dict(reversed(twice.items()))).a)
    assert torch.equal(run(batch, {"RandomInvert": False}).a, run(batch, {}).a)


def test_the_count_of_random_numbers_in_a_step_does_not_change_what_follows() -> None:
    def next_number(steps: dict[str, Any], channels: int) -> Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            BatchPipeline(steps, (-1.0, 1.0))(Pair(images(channels=channels), images(channels=channels)))
            return torch.rand(())

    assert next_number({"RandomGaussianNoise": {}}, 1) == next_number({"RandomHorizontalFlip": {}}, 3)


def test_a_pair_of_two_sizes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"source \(32, 32\) and target \(64, 64\).*use augment\.train"):
        run(Pair(images(), images(size=(64, 64))), SEVERAL)


@pytest.mark.parametrize(("steps", "channels", "said"), [
    ({"RandomSaturation": {}}, 1, r"^augment\.batch\.RandomSaturation: .*3, H, W"),
    ({"RandomAffine": {"degrees": -3.0}}, 3, r"^augment\.batch\.RandomAffine: .*-3"),
    ({"RandomAffine": {"degrees": 3, "resample": "cubicc"}}, 3, r"^augment\.batch\.RandomAffine: .*(?i:cubicc)"),
    ({"RandomPlanckianJitter": {"select_from": [1, 99]}}, 3, r"^augment\.batch\.RandomPlanckianJitter: .*99"),
])  # fmt: skip
def test_refusals_of_kornia_are_sentences(steps: dict[str, Any], channels: int, said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        run(Unpaired(*[images(channels=channels)] * 2), steps)
    assert "\n" not in str(error.value)


def test_recipes_complete_the_options_of_steps_and_refuse_misspelt_ones() -> None:
    def steps(*overrides: str) -> dict[str, Any]:
        return recipe.load(recipe.find("cyclegan"), ["somewhere"], overrides).augment.batch

    assert steps() == {}
    done = steps("augment.batch.ColorJiggle.brightness=0.2", "augment.batch.RandomErasing={}")
    assert list(done) == ["ColorJiggle", "RandomErasing"] and done["ColorJiggle"]["contrast"] == 0.0
    assert done["RandomErasing"]["scale"] == [0.02, 0.33]
    for wrong in ("augment.batch.ColorJigle={}", "augment.batch.ColorJiggle.brihtness=1"):
        with pytest.raises(ValueError, match=r"augment\.batch.*did you mean '(ColorJiggle|brightness)'"):
            steps(wrong)
    with pytest.raises(ValueError, match=r"augment\.batch\.RandomAffine\.degrees is missing"):
        steps("augment.batch.RandomAffine={}")


@pytest.mark.parametrize("assignment", ["augment.batch.RandomAffine.degrees=10", "augment.train.Affine={}"])
def test_steps_with_options_that_are_none_are_saved_and_loaded(assignment: str) -> None:
    first = recipe.load(recipe.find("cyclegan"), ["somewhere"], [assignment])
    assert "None" in str(first.augment) and recipe.Recipe.parse(tomllib.loads(first.toml())) == first


def test_kornia_is_imported_only_for_recipes_that_name_its_steps() -> None:
    code = (
        "import sys; from i2i import recipe; import i2i.training.run\n"
        "recipe.load(recipe.find('cyclegan'), ['somewhere'])\nassert 'kornia' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
