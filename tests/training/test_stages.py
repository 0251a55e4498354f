"""A run of two stages: the second starts from the generator of the first."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import Tensor

from i2i import recipe
from i2i.checkpoints import run as checkpoint
from i2i.losses.adversarial import LeastSquares
from i2i.registry import adversarial
from i2i.training import run
from i2i.training.context import Interrupted
from tests.vgg import write_vgg19
from tests.worlds import TINY_RRDB, Recorder, tiny_recipe, tiny_world

SHORT = ["first.train.steps=3", "train.steps=2"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("data") / "world") / "trainB"


def weights(checkpoint_folder: Path) -> dict[str, object]:
    return load_file(checkpoint_folder / "low_to_high.safetensors")


def same(first: dict[str, object], second: dict[str, object]) -> bool:
    return all(bool((first[key] == second[key]).all()) for key in first)  # type: ignore[attr-defined]


def test_the_first_stage_shares_generator_data_and_scale_and_keeps_its_own_schedule(photos: Path) -> None:
    chosen = tiny_recipe("esrgan", photos, *SHORT)
    first = chosen.first_stage()
    assert first is not None and first.first is None
    assert first.method["name"] == "rrdb-psnr" and first.method["scale"] == 2
    assert first.method["generator"] == chosen.method["generator"]
    assert first.degradation == chosen.degradation and first.data == chosen.data and first.augment == chosen.augment
    assert first.optimizer.lr == 2e-4 and first.optimizer.betas == chosen.optimizer.betas == [0.9, 0.99]
    assert first.schedule["name"] == "cosine" and chosen.schedule["name"] == "multistep"
    assert first.train.steps == 3 and first.train.batch_size == chosen.train.batch_size


def test_the_second_stage_starts_from_the_averaged_generator_of_the_first(photos: Path, tmp_path: Path) -> None:
    chosen = tiny_recipe("esrgan", photos, "first.train.steps=3", "train.steps=1", "optimizer.lr=1e-30")
    chosen = chosen.model_copy(update={"first": chosen.first.model_copy(update={"optimizer": {"lr": 1e-2}})})
    reporter = Recorder()
    folder = run.train(chosen, tmp_path / "run", reporter=reporter)
    first, second = checkpoint.find(folder / run.FIRST), checkpoint.find(folder)
    assert first.name == "00000003" and second.name == "00000001"
    assert reporter.steps == [1, 2, 3, 1] and any("first stage" in message for message in reporter.messages)
    assert not any("discriminator" in message for message in reporter.messages), "a first stage has none"
    assert all(
        bool(((ours - theirs).abs() < 1e-6).all())
        for ours, theirs in zip(  # type: ignore[operator]
            weights(first).values(), weights(second).values(), strict=True
        )
    )


def test_a_run_that_was_interrupted_in_its_first_stage_resumes_both(photos: Path, tmp_path: Path) -> None:
    whole = run.train(tiny_recipe("esrgan", photos, *SHORT), tmp_path / "whole", reporter=Recorder())
    stops = iter([False, True])
    with pytest.raises(Interrupted, match=str(tmp_path / "stopped")):
        chosen = tiny_recipe("esrgan", photos, *SHORT)
        run.train(chosen, tmp_path / "stopped", reporter=Recorder(), stop=lambda: next(stops, False))
    assert checkpoint.find(tmp_path / "stopped" / run.FIRST).name == "00000002"
    with pytest.raises(ValueError, match="holds a run already"):
        run.train(tiny_recipe("esrgan", photos, *SHORT), tmp_path / "stopped", reporter=Recorder())
    reporter = Recorder()
    resumed = run.resume(tmp_path / "stopped", reporter=reporter)
    assert reporter.steps == [3, 1, 2]
    assert same(weights(checkpoint.find(whole)), weights(checkpoint.find(resumed)))


def test_a_finished_first_stage_is_not_trained_again(photos: Path, tmp_path: Path) -> None:
    stops = iter([False, False, False, True])  # after the first step of the second stage
    with pytest.raises(Interrupted):
        run.train(tiny_recipe("esrgan", photos, *SHORT), tmp_path, reporter=Recorder(), stop=lambda: next(stops, False))
    for saved in checkpoint.list_checkpoints(tmp_path):
        shutil.rmtree(saved)  # as if it had been killed before its first checkpoint
    reporter = Recorder()
    run.resume(tmp_path, reporter=reporter)
    assert reporter.steps == [1, 2]


def test_train_start_replaces_the_first_stage(photos: Path, tmp_path: Path) -> None:
    stage = run.train(tiny_recipe("rrdb-psnr", photos, "train.steps=2"), tmp_path / "psnr", reporter=Recorder())
    start = f"train.start={stage / 'latest'}"
    chosen = tiny_recipe("esrgan", photos, start, "train.steps=1", "optimizer.lr=1e-30")
    assert chosen.first_stage() is None
    folder = run.train(chosen, tmp_path / "gan", reporter=Recorder())
    assert same(weights(checkpoint.find(stage)), weights(checkpoint.find(folder)))
    other = tiny_recipe("esrgan", photos, start, "train.steps=1", "method.generator.features=8")
    with pytest.raises(ValueError, match=r"train\.start.*another network"):
        run.train(other, tmp_path / "other", reporter=Recorder())


def test_first_false_trains_the_second_stage_from_scratch(photos: Path, tmp_path: Path) -> None:
    folder = run.train(tiny_recipe("esrgan", photos, "first=false", "train.steps=1"), tmp_path, reporter=Recorder())
    assert not (folder / run.FIRST).exists()
    assert recipe.load(folder / run.RECIPE).first is None


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("first.train.stepz=1", "train.stepz.*first stage"),
        ("first.method.name=rrdb-snr", "rrdb-psnr"),
        ("first.schedul.name=cosine", "did you mean 'schedule'"),
    ],
)
def test_errors_in_the_first_stage_are_named(photos: Path, assignment: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        tiny_recipe("esrgan", photos, assignment)


def test_a_checkpoint_keeps_the_scale_of_its_generator(photos: Path, tmp_path: Path) -> None:
    folder = run.train(tiny_recipe("rrdb-psnr", photos, "train.steps=1"), tmp_path, reporter=Recorder())
    _, facts = checkpoint.load_product(checkpoint.find(folder) / "low_to_high.safetensors")
    assert json.loads(facts["generator"])["scale"] == 2


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["method.perceptual_weight=1", "method.perceptual.weights=none.pth"], r"none\.pth"),
        (["method.discriminator.layers=3"], r"both must be at least 24"),
        (["schedule.name=multistep", "schedule.gamma=2"], r"gamma = 2"),
        (["train.batch_size=3", "train.accumulate=2", "first.train.accumulate=1"], r"train\.accumulate = 2"),
        (
            ["first.method.generator.name=rrdb", "first.method.generator.features=5"],
            r"the first stage has another generator",
        ),
        (["method.adversarial=sees_four"], r"ESRGAN fails in its training step on .*four logits"),
    ],
)
def test_errors_of_the_second_stage_are_raised_before_the_first_is_trained(
    settings: list[str], sentence: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(adversarial._parts, "sees_four", SeesFour)
    chosen = tiny_recipe("esrgan", photos, *settings)
    with pytest.raises(ValueError, match=sentence):
        run.train(chosen, tmp_path / "run", reporter=Recorder())
    assert not (tmp_path / "run").exists()


class SeesFour(LeastSquares):
    """Fails for other than four images."""

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        if len(fake_logits) != 4:
            raise RuntimeError("four logits are needed")
        return super().generator(fake_logits)


def test_a_discriminator_of_another_size_than_the_crops_is_refused_before_the_first_stage(
    photos: Path, tmp_path: Path
) -> None:
    settings = [*TINY_RRDB, "method.perceptual_weight=0", "method.discriminator.size=32", "train.workers=0"]
    with pytest.raises(ValueError, match="VGGDiscriminator of size 32 can't judge images of height 16"):
        run.train(recipe.load(recipe.find("esrgan"), [str(photos)], settings), tmp_path / "run", reporter=Recorder())
    assert not (tmp_path / "run").exists()


def test_relative_weight_files_are_found_from_another_working_directory(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_vgg19(tmp_path / "vgg19.safetensors", convolutions=1)
    monkeypatch.chdir(tmp_path)
    settings = [
        "method.perceptual_weight=1",
        "method.perceptual.weights=vgg19.safetensors",
        "method.perceptual.layers={conv1_1=1.0}",
    ]
    folder = run.train(tiny_recipe("esrgan", photos, *SHORT, *settings)).resolve()
    monkeypatch.chdir("/")
    run.resume(folder, ["train.steps=3"])
    assert checkpoint.find(folder).name == "00000003"


def test_every_direction_starts_from_its_own_file(photos: Path, tmp_path: Path) -> None:
    def start(*files: Path) -> recipe.Recipe:
        words = ["train.steps=1", "optimizer.lr=1e-30", f"train.start={json.dumps([str(file) for file in files])}"]
        return tiny_recipe("cyclegan", photos.parent, *words)

    first = run.train(tiny_recipe("cyclegan", photos.parent, "train.steps=1"), tmp_path / "first", reporter=Recorder())
    a, b = (checkpoint.find(first) / f"{name}.safetensors" for name in ("a_to_b", "b_to_a"))
    folder = run.train(start(b, a), tmp_path / "second", reporter=Recorder())
    copied = run.train(start(first), tmp_path / "third", reporter=Recorder())
    for other in (folder, copied):
        for file in (a, b):
            ours, theirs = load_file(file), load_file(checkpoint.find(other) / file.name)
            assert all(bool(((ours[key] - theirs[key]).abs() < 1e-6).all()) for key in ours)
    for files, sentence in (
        ((a,), r"train\.start: no weights for b_to_a in .*a_to_b\.safetensors; give a run"),
        ((a, a), r"train\.start: .*a_to_b\.safetensors is of the product 'a_to_b'; .*a_to_b\.safetensors has it too"),
    ):
        with pytest.raises(ValueError, match=sentence):
            run.train(start(*files), tmp_path / "refused", reporter=Recorder())
