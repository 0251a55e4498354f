"""Labels fit a translation as far as a segmenter finds them there: on the built-in world, by one trained here."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.data.world import CLASSES, make_world
from i2i.data.world.render import SIM_COLOURS
from i2i.data.world.street import Label
from i2i.evaluate.labels import LabelConsistency, label_consistency
from i2i.metrics.segmentation.onnx_segmenter import OnnxSegmenter
from i2i_runtime import images
from tests import measures

SIZE = 32


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "world"
    make_world(folder, count=16, size=SIZE, seed=0)
    return folder


@pytest.fixture(scope="module")
def network(world: Path) -> nn.Module:
    """A segmenter of simulated images, trained on those of the world to train on: colours tell the classes."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 24, 1), nn.ReLU(), nn.Conv2d(24, len(CLASSES), 1))
    source, truth = pictures(world / "trainA"), labels(world / "trainA_labels")
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-2)
    for _ in range(150):
        optimizer.zero_grad()
        F.cross_entropy(network(source), truth).backward()
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def segmenter(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> OnnxSegmenter:
    """The same network as an .onnx file for images of any size."""
    file = tmp_path_factory.mktemp("onnx") / "segmenter.onnx"
    sizes = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    example = torch.zeros(1, 3, SIZE, SIZE + 4)
    program = torch.onnx.export(network, (example,), dynamo=True, dynamic_shapes=(sizes,), verbose=False)
    assert program is not None
    program.save(file)
    return OnnxSegmenter(file, threads=1)


def pictures(folder: Path) -> Tensor:
    files = images.list_images(folder)
    return torch.stack([torch.from_numpy(images.read(folder / file)).permute(2, 0, 1) / 255 for file in files])


def labels(folder: Path) -> Tensor:
    files = images.list_images(folder)
    return torch.stack([torch.from_numpy(images.read(folder / file)[..., 0]) for file in files]).long()


def perfect(image: np.ndarray) -> np.ndarray:
    """A segmenter of images whose red is the class."""
    return image[..., 0].astype(np.int64)


class Function:
    """A function as a segmenter of so many classes."""

    name, classes = "mine", 3

    def __init__(self, function: object = perfect, classes: int | None = 3) -> None:
        self._function, self.classes = function, classes

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return self._function(image)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three images whose red is the class, one of them in a folder, and their label maps."""
    rng = np.random.default_rng(0)
    for name in ("a", "b", "more/c"):
        truth = rng.integers(0, 3, (8, 10)).astype(np.uint8)
        for folder, image in (("translated", np.repeat(truth[..., None], 3, 2)), ("labels", truth)):
            path = tmp_path / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            images.write(path, image)
    return tmp_path / "translated", tmp_path / "labels"


def swapped(world: Path, folder: Path, one: Label, other: Label) -> Path:
    """The simulated test images as a translation that shows each of two classes as the other one."""
    folder.mkdir()
    for file in images.list_images(world / "testA"):
        image, truth = images.read(world / "testA" / file), images.read(world / "testA_labels" / file)[..., 0]
        result = image.copy()
        for here, there in ((one, other), (other, one)):
            result[truth == here] = np.clip(image[truth == here] * SIM_COLOURS[there] / SIM_COLOURS[here], 0, 255)
        images.write(folder / file, result)
    return folder


def score(world: Path, translated: Path, segmenter: OnnxSegmenter) -> LabelConsistency:
    return label_consistency(translated, world / "testA_labels", segmenter, classes=CLASSES)


def test_the_identity_keeps_full_consistency(world: Path, segmenter: OnnxSegmenter) -> None:
    report = score(world, world / "testA", segmenter)
    assert report.total()["mIoU"] > 0.9
    assert report.total()["pixel accuracy"] > 0.98
    assert len(report.scores) == 3
    assert not report.failed


@pytest.mark.parametrize("folder", ["testA", "testB"])
def test_the_score_is_that_of_the_network_itself(
    folder: str, world: Path, network: nn.Module, segmenter: OnnxSegmenter
) -> None:
    truth = labels(world / "testA_labels")
    with torch.no_grad():
        seen = network(pictures(world / folder)).argmax(1)
    found = score(world, world / folder, segmenter).total()
    assert found["mIoU"] == pytest.approx(measures.mean_iou(seen, truth, len(CLASSES)), abs=1e-3)
    assert found["pixel accuracy"] == pytest.approx((seen == truth).float().mean().item(), abs=1e-3)


def test_a_translation_that_swaps_two_classes_loses_these_and_no_others(
    world: Path, segmenter: OnnxSegmenter, tmp_path: Path
) -> None:
    kept = score(world, world / "testA", segmenter)
    lost = score(world, swapped(world, tmp_path / "swapped", Label.ROAD, Label.VEGETATION), segmenter)
    assert lost.total()["mIoU"] < kept.total()["mIoU"] - 0.15
    assert lost.total()["pixel accuracy"] < kept.total()["pixel accuracy"] - 0.3
    before, after = kept.by_class(), lost.by_class()
    assert max(after["road"], after["vegetation"]) < 0.1
    for name in ("sky", "building", "car"):
        assert after[name] > before[name] - 0.15, name


def test_real_pictures_are_inconsistent_for_a_segmenter_of_simulated_ones(
    world: Path, segmenter: OnnxSegmenter
) -> None:
    assert score(world, world / "testB", segmenter).total()["mIoU"] < 0.4


def test_all_pixels_count_alike_and_every_image_has_its_own_score(folders: tuple[Path, Path]) -> None:
    translated, truth = folders
    image = images.read(translated / "b.png")
    image[:4] = (image[:4] + 1) % 3
    images.write(translated / "b.png", image)
    report = label_consistency(translated, truth, Function(), classes=("sky", "road", "car"))
    assert report.total()["pixel accuracy"] == pytest.approx(5 / 6)
    found = {score.image.as_posix(): score.measures["pixel accuracy"] for score in report.scores}
    assert found == {"a.png": 1, "b.png": 0.5, "more/c.png": 1}
    assert report.mean()["pixel accuracy"] == pytest.approx(5 / 6)
    assert report.lines()[0].startswith("3 images: mIoU 0.7")
    assert len(report.lines()) == 4


def test_without_names_classes_are_the_segmenters_by_number(folders: tuple[Path, Path]) -> None:
    report = label_consistency(*folders, Function(classes=4))
    assert list(report.by_class()) == ["0", "1", "2", "3"]
    assert report.lines()[-1].endswith("does not occur")
    with pytest.raises(ValueError, match="mine: does not say how many classes"):
        label_consistency(*folders, Function(classes=None))


def test_both_sides_may_have_numbers_of_their_own(folders: tuple[Path, Path], tmp_path: Path) -> None:
    labels_map, segmenter_map = tmp_path / "labels.json", tmp_path / "segmenter.json"
    labels_map.write_text('{"0": "ignore", "1": "road", "2": "car"}')
    segmenter_map.write_text('{"10": "ignore", "11": "road", "12": "ignore"}')
    report = label_consistency(
        *folders,
        Function(lambda image: perfect(image) + 10, classes=None),
        classes=("road", "car"),
        class_map=labels_map,
        segmenter_map=segmenter_map,
    )
    assert report.by_class() == {"road": 1, "car": 0}
    truth = np.concatenate([images.read(folders[1] / file).ravel() for file in images.list_images(folders[1])])
    assert report.counts.tolist() == [[(truth == 1).sum(), 0, 0], [0, 0, (truth == 2).sum()]]


def test_maps_of_other_sizes_are_resized_only_when_asked(folders: tuple[Path, Path]) -> None:
    translated, truth = folders
    images.write(translated / "b.png", images.read(translated / "b.png").repeat(2, 0).repeat(2, 1))
    with pytest.raises(ValueError, match=r"labels/b\.png is 10x8, but .*translated/b\.png 20x16; allowed: equal sizes"):
        label_consistency(translated, truth, Function())
    assert label_consistency(translated, truth, Function(), resize=True).total()["pixel accuracy"] == 1


def test_a_segmenter_of_other_classes_is_refused_before_it_runs(folders: tuple[Path, Path], tmp_path: Path) -> None:
    def never(image: np.ndarray) -> np.ndarray:
        raise AssertionError

    with pytest.raises(ValueError, match="mine: knows 19 classes, but 2 are named"):
        label_consistency(*folders, Function(never, classes=19), classes=("road", "car"))
    (tmp_path / "map.json").write_text('{"0": "road", "1": "car"}')
    with pytest.raises(ValueError, match=r"segmenter mine: 2 is not in .*map\.json; allowed: 0, 1"):
        label_consistency(*folders, Function(never), classes=("road", "car"), segmenter_map=tmp_path / "map.json")
    with pytest.raises(ValueError, match="mine: 3 is not in the 3 classes"):
        label_consistency(*folders, Function(lambda image: perfect(image) + 1))


def test_labels_without_a_class_are_refused(folders: tuple[Path, Path]) -> None:
    with pytest.raises(ValueError, match=r"labels/a\.png: 2 is not in the 2 classes; allowed: 0, 1, 255"):
        label_consistency(*folders, Function(classes=2))


def test_missing_labels_are_named_and_left_over_ones_counted(folders: tuple[Path, Path]) -> None:
    translated, truth = folders
    (translated / "a.png").unlink()
    report = label_consistency(translated, truth, Function())
    assert report.unused == 1
    assert "1 label maps have no translated image" in report.lines()
    (truth / "b.png").unlink()
    with pytest.raises(ValueError, match=r"labels: no label map for 1 of 2 images: b\.png"):
        label_consistency(translated, truth, Function())
    with pytest.raises(ValueError, match="no images in it"):
        label_consistency(_empty(translated.parent / "empty"), truth, Function())


def test_a_bad_file_is_reported_and_the_rest_goes_on(folders: tuple[Path, Path]) -> None:
    translated, truth = folders
    (translated / "a.png").write_bytes(b"no image")

    def fails_once(image: np.ndarray) -> np.ndarray:
        if np.array_equal(image, images.read(translated / "b.png")):
            raise RuntimeError("out of luck")
        return perfect(image)

    seen: list[tuple[int, int]] = []
    report = label_consistency(translated, truth, Function(fails_once), progress=lambda *counts: seen.append(counts))
    assert [score.image.as_posix() for score in report.scores] == ["more/c.png"]
    sentences = [sentence for _, sentence in report.failed]
    assert "a.png: not an image" in sentences[0]
    assert sentences[1].endswith("b.png: RuntimeError: out of luck")
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_where_nothing_could_be_measured_nothing_is_claimed(folders: tuple[Path, Path]) -> None:
    report = label_consistency(*folders, Function(), stop=lambda: True)
    assert np.isnan(report.total()["mIoU"])
    assert report.mean() == {}
    assert report.lines()[0] == "0 images: mIoU nan, pixel accuracy nan"


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder
