"""The segmenter: its loss and its score in closed form, and short runs on the built-in world, healthy and broken."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from i2i import recipe, registry
from i2i.checkpoints.load import load_generator, load_segmenter
from i2i.data.batch import Segmentation
from i2i.data.labels.palette import PALETTE, colour_labels
from i2i.data.world import CLASSES, make_world
from i2i.evaluate.labels import open_label_consistency
from i2i.losses import segmentation as losses
from i2i.methods import segmenter as subject
from i2i.methods.segmenter import SegmenterTraining
from i2i.recipe.components import build
from i2i.training import run
from i2i_runtime import images
from tests.cli.test_cli import i2i_run
from tests.worlds import TINY, Recorder

SMALL = [
    "method.segmenter.features=8",
    "method.segmenter.most_features=32",
    "method.segmenter.depth=3",
    "train.size=24",
    "augment.train.ColorJitter=false",
    "train.workers=0",
    "train.steps=90",
    "optimizer.lr=5e-3",
]


class Terms:
    """An update that keeps its loss terms, and takes no step."""

    def __init__(self) -> None:
        self.terms: list[dict[str, torch.Tensor]] = []

    def __call__(self, player: str, **terms: torch.Tensor) -> None:
        self.terms.append(terms)

    def all_reduce_sum(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor


def tiny(*overrides: str) -> SegmenterTraining:
    chosen = recipe.load(recipe.find("segmenter"), ["unused"], [*TINY["segmenter"], *overrides])
    torch.manual_seed(0)
    return build(registry.methods, chosen.method)


def test_balanced_weights_follow_the_pixels_seen_so_far() -> None:
    method, update = tiny("method.classes=3"), Terms()
    first, second = torch.tensor([[[0, 0], [0, 1]]]).byte(), torch.tensor([[[1, 1], [2, 255]]]).byte()
    method.count_pixels(first, update)  # type: ignore[arg-type]
    weights = method.count_pixels(second, update)  # type: ignore[arg-type]
    assert method.pixels.tolist() == [3, 3, 1]
    expected = [1 / math.log(1.02 + share) for share in (3 / 7, 3 / 7, 1 / 7)]
    assert weights.tolist() == pytest.approx(expected, rel=1e-6)


def test_plain_loss_is_the_cross_entropy_without_weights() -> None:
    method, update = tiny("method.class_weights=none"), Terms()
    image, labels = torch.rand(2, 3, 8, 8), torch.randint(8, (2, 8, 8)).byte()
    method.training_step(Segmentation(image, labels), update)  # type: ignore[arg-type]
    expected = nn.CrossEntropyLoss()(method.segmenter(image), labels.long())
    torch.testing.assert_close(update.terms[0]["cross_entropy"], expected)
    assert not method.pixels.any()


def test_score_is_one_minus_the_mean_iou_of_all_held_out_pixels() -> None:
    method = tiny("method.classes=2")
    # Logits of red and of green, so that the class is the brighter channel.
    product = nn.Conv2d(3, 2, 1, bias=False)
    product.weight.data = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).reshape(2, 3, 1, 1)
    red = torch.tensor([1.0, -1, -1]).reshape(1, 3, 1, 1).expand(1, 3, 1, 4)
    batches = [Segmentation(red, torch.tensor([[[0, 0, 0, 255]]]).byte()) for _ in range(2)]
    batches += [Segmentation(red, torch.tensor([[[1, 1, 0, 0]]]).byte())]
    # Class 0: 8 right of 10 predicted, class 1: none of 2.
    assert method.score(batches, {"segmenter": product}) == pytest.approx(1 - (8 / 10 + 0) / 2)


def test_preview_shows_true_and_predicted_classes_in_the_colours_of_the_palette() -> None:
    method = tiny()
    labels = torch.randint(8, (1, 8, 8)).byte()
    (row,) = method.preview([Segmentation(torch.rand(1, 3, 8, 8), labels)], method.products())
    assert list(row) == ["image", "true", "predicted"]
    np.testing.assert_array_equal(method.value_range.to_pixels(row["true"])[0], colour_labels(labels[0].numpy()))


def test_colours_of_classes_differ_and_none_is_black() -> None:
    assert len(np.unique(PALETTE, axis=0)) == 256
    assert PALETTE[0].tolist() == [128, 0, 0] and PALETTE[1].tolist() == [0, 128, 0], "as in PASCAL VOC, from class 1"
    assert PALETTE[255].tolist() == [0, 0, 0]


@pytest.mark.parametrize("classes", [0, 1, 256])
def test_numbers_of_classes_that_no_label_map_has_are_refused(classes: int) -> None:
    with pytest.raises(ValueError, match=rf"method\.classes = {classes} .*; allowed: 2 to 255"):
        tiny(f"method.classes={classes}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "world"
    make_world(folder, count=60, size=32, seed=0)
    return folder


@pytest.fixture(scope="module")
def trained(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(world, tmp_path_factory.mktemp("runs") / "run")


def train(world: Path, folder: Path, *overrides: str) -> Path:
    data = [world / "trainA", world / "trainA_labels"]
    return run.train("segmenter", data, [*SMALL, *overrides], run=folder, reporter=Recorder())


def consistency(segmenter: Path, world: Path) -> float:
    """mIoU of held-out simulated scenes."""
    measure = open_label_consistency(str(segmenter), world / "testA_labels")
    assert measure is not None
    return measure.measure(world / "testA").total()["mIoU"]


def test_a_short_run_learns_to_segment(trained: Path, world: Path) -> None:
    assert consistency(trained, world) > 0.33


def test_a_run_whose_loss_has_the_wrong_sign_does_not(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "cross_entropy", lambda *arguments: -losses.cross_entropy(*arguments).clamp(max=20))
    assert consistency(train(world, tmp_path / "run", "train.steps=30"), world) < 0.2


def test_a_run_on_label_maps_of_other_frames_does_not(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "trainA", tmp_path / "frames")
    labels = sorted((world / "trainA_labels").glob("*.png"))
    (tmp_path / "frames_labels").mkdir()
    for file, other in zip(labels, [*labels[30:], *labels[:30]], strict=True):
        image = images.read(other)
        images.write(tmp_path / "frames_labels" / file.name, image[::-1])
    folder = run.train("segmenter", [tmp_path / "frames"], SMALL, run=tmp_path / "run", reporter=Recorder())
    assert consistency(folder, world) < 0.2


def test_classes_are_counted_and_their_names_are_kept(trained: Path) -> None:
    kept = recipe.load_run(trained)
    assert kept.method["classes"] == len(CLASSES) and tuple(kept.data.classes) == CLASSES
    measure = open_label_consistency(str(trained / "best"), trained.parent)
    assert measure is not None and measure.classes == CLASSES


def test_an_exported_segmenter_predicts_what_the_run_predicts(
    trained: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, errors = i2i_run("export", str(trained / "best"), "-o", "seg.onnx", capsys=capsys)
    assert code == 0, errors
    assert "8 classes (sky, road, marking, pavement, building, window, vegetation, car)" in out
    assert consistency(Path("seg.onnx"), world) == pytest.approx(consistency(trained / "best", world), abs=2e-3)
    measure = open_label_consistency("seg.onnx", world / "testA_labels")
    assert measure is not None and measure.classes == CLASSES
    code, _, errors = i2i_run("export", str(trained), "-o", "half.onnx", "--half", capsys=capsys)
    assert code == 1 and "a segmenter makes label maps" in errors and not Path("half.onnx").exists()
    for model in (str(trained), "seg.onnx"):
        code, _, errors = i2i_run("translate", model, str(world / "testA"), "out", capsys=capsys)
        assert code == 1 and "a segmenter, which gives label maps, not images" in errors


def test_a_segmenter_is_no_generator_and_a_generator_no_segmenter(trained: Path) -> None:
    network, facts = load_segmenter(trained)
    assert network.classes == len(CLASSES) and facts["product"] == "segmenter"
    with pytest.raises(ValueError, match="a segmenter, which gives label maps"):
        load_generator(trained)


def test_frames_without_label_maps_are_refused(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "trainB", tmp_path / "frames")
    with pytest.raises(ValueError, match="no label maps, which this method needs"):
        run.train("segmenter", [tmp_path / "frames"], SMALL, run=tmp_path / "run", reporter=Recorder())


def test_metrics_of_images_are_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"evaluate\.every: metrics are of images"):
        train(world, tmp_path / "run", "evaluate.every=10")
