"""`i2i evaluate RUN --metrics ppl`, `i2i evaluate probe` and `separability`, on runs a step long."""

import json
from pathlib import Path

import pytest

from i2i.training import run as training
from tests.cli.test_evaluate import run
from tests.worlds import digits, tiny_recipe

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits(tmp_path_factory.mktemp("data") / "digits", each=10, classes=range(2))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = tiny_recipe("dcgan", data, "train.steps=1", "method.generator.prior=uniform")
    return training.train(recipe, tmp_path_factory.mktemp("runs") / "run", device="cpu")


def test_path_length_is_measured_in_w_where_it_is_linear(
    shared: Path, data: Path, trained: Path, capsys: Capture
) -> None:
    weights = shared / "weights/squeezenet1_1.pth"
    words = ("--metrics", "ppl", "--lpips-weights", weights, "--samples", "20")
    assert run(trained, *words) == 0
    said = capsys.readouterr().out
    assert "PPL-w(LPIPS-squeeze)" in said and "lower is better" in said and "over 20 paths in w" in said
    with pytest.raises(ValueError, match="ppl: is of a generator, not of images that it made"):
        run("folders", data / "0", "--metrics", "ppl", "--lpips-weights", weights)


def test_a_probe_tells_zeros_from_ones_and_is_written(
    data: Path, trained: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert run("probe", trained, data, "--json", tmp_path / "probe.json") == 0
    said = capsys.readouterr().out
    assert "probe accuracy(discriminator)" in said and "2 classes, 16 images to learn from, 4 tests" in said
    metrics = json.loads((tmp_path / "probe.json").read_text())["metrics"]
    # Zeros and ones are apart for any convolutions, even random ones.
    assert metrics["probe accuracy(pixels)"]["value"] == metrics["probe accuracy(discriminator)"]["value"] == 1


def test_what_cannot_be_probed_is_one_sentence(data: Path, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 classes of images; a linear probe needs two or more"):
        run("probe", trained, data / "0")
    conditional = tiny_recipe("dcgan", data, "train.steps=1", "method.classes=2")
    folder = training.train(conditional, tmp_path / "run", device="cpu")
    with pytest.raises(ValueError, match="takes labels; train one without classes"):
        run("probe", folder, data)


def test_separability_is_measured_in_z_and_w_and_written(
    shared: Path, data: Path, trained: Path, tmp_path: Path, capsys: Capture
) -> None:
    words = ("--features", "squeezenet1_1", "--weights", shared / "weights/squeezenet1_1.pth", "--samples", "24")
    assert run("separability", trained, data, *words, "--json", tmp_path / "s.json") == 0
    said = capsys.readouterr().out
    assert "separability-z(" in said and "separability-w(" in said and "2 classes, 24 samples" in said
    metrics = json.loads((tmp_path / "s.json").read_text())["metrics"]
    assert len(metrics) == 2 and all(1 <= metric["value"] <= 4 for metric in metrics.values())
    with pytest.raises(ValueError, match="1 classes of images, one folder each; separability needs two or more"):
        run("separability", trained, data / "0", *words)
