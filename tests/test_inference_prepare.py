"""A run's generator gets images as its evaluation does, in torch and exported, where that is asked for."""

from pathlib import Path

import numpy as np
import pytest

import i2i
from i2i import registry
from i2i.data.geometry import Aligned
from i2i.data.sources import find_files, open_samples
from i2i.data.world.folder import make_world
from i2i.methods.translation import Translation
from i2i.recipe.components import build
from i2i.training import run
from i2i.training.held_out import sample_kind
from i2i.training.run import load_run
from i2i_runtime import images
from i2i_runtime.engines import open_model
from tests.cli.test_cli import i2i_run
from tests.worlds import Recorder, tiny_recipe


class Window:
    """Maps a range of levels to [0, 1], as windows of scans do."""

    def __init__(self, *, low: float) -> None:
        self._low = low

    def __call__(self, pictures: Aligned, rng: np.random.Generator) -> Aligned:
        return tuple(((images.to_float(each) - self._low) / (1 - self._low)).clip(0, 1) for each in pictures)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    make_world(tmp_path / "world", count=8, size=48, seed=0)
    return tmp_path / "world"


@pytest.mark.parametrize("steps", ["{resize={size=16}}", "{resize={size=16}, window={low=0.2}, flip={p=1.0}}"])
def test_a_translated_image_is_that_of_the_evaluation(
    world: Path, tmp_path: Path, steps: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.augmentations._parts, "window", Window)
    chosen = tiny_recipe("pix2pix", world, "train.steps=1", f"augment.test={steps}")
    trained = run.train(chosen, tmp_path / "run", reporter=Recorder())
    recipe, translator = load_run(trained), i2i.load(trained, test_time="eval", prepare="as-trained")
    method = build(registry.methods, recipe.method)
    assert isinstance(method, Translation)
    kind = sample_kind(method)
    source, _ = open_samples(kind, recipe, find_files(kind, recipe, print)).held_out(0)[:2]
    unit = (source.numpy()[:, :, :: -1 if "flip" in steps else 1] + 1) / 2  # a view by chance is no preparation
    expected = images.from_float(translator.network(unit[None])[0].transpose(1, 2, 0), np.uint8)
    name = images.list_images(world / "testA")[0]
    assert np.abs(translator(images.read(world / "testA" / name)).astype(int) - expected).max() <= 1
    with pytest.raises(ValueError, match="tensors are not prepared"):
        translator(source)


def test_an_exported_file_prepares_images_as_its_run_does(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    chosen = tiny_recipe("cyclegan", world, "train.steps=1", "augment.test={resize={size=16}}")
    trained = run.train(chosen, tmp_path / "run", reporter=Recorder())
    code, out, _ = i2i_run("translate", trained, world / "testA", tmp_path / "plain", capsys=capsys)
    assert code == 0 and "as large as those of training: 1; --prepare as-trained" in out
    assert i2i_run("export", trained, "--out", tmp_path / "x.onnx", capsys=capsys)[0] == 0
    assert open_model(tmp_path / "x.onnx").card.trained_size == i2i.load(trained).card.trained_size == (48, 48)
    for model, target in ((trained, "torch"), (tmp_path / "x.onnx", "onnx")):
        words = ["translate", model, world / "testA", tmp_path / target, "--prepare", "as-trained"]
        code, out, errors = i2i_run(*words, capsys=capsys)
        assert code == 0 and "more than twice" not in out, errors
    for name in images.list_images(world / "testA"):
        first, second = (images.read(tmp_path / each / name).astype(int) for each in ("torch", "onnx"))
        assert first.shape == (16, 16, 3) and np.abs(first - second).max() <= 1


def test_a_product_knows_the_size_of_its_sources_and_a_folder_of_others_is_named(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in images.list_images(world / "trainB"):
        images.write(world / "trainB" / file, images.read(world / "trainB" / file)[:20, :30])
    chosen = tiny_recipe("cyclegan", world, "train.steps=1", "augment.test={center_crop={size=16}}")
    trained = run.train(chosen, tmp_path / "run", reporter=Recorder())
    assert i2i.load(trained, product="a_to_b").card.trained_size == (48, 48)
    assert i2i.load(trained, product="b_to_a").card.trained_size == (20, 30)
    words = ["translate", trained, world / "testB", tmp_path / "out", "--product", "b_to_a"]
    code, out, _ = i2i_run(*words, capsys=capsys)
    assert code == 0 and "as large as those of training" not in out  # 48x48 is less than twice 20x30 on its sides
    large = images.read(world / "testB" / "00000.png").repeat(2, 0).repeat(2, 1)
    images.write(world / "testB" / "large.png", large)
    code, out, _ = i2i_run(*words, "--overwrite", capsys=capsys)
    assert (
        code == 0 and "as large as those of training: 1; for results as in training, resize them to about 30x20" in out
    )
