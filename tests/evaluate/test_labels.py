"""Label consistency on the built-in world by a segmenter trained here, and on small maps by known functions."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.data.world import CLASSES, make_world
from i2i.data.world.render import SIM_COLOURS
from i2i.data.world.street import Label
from i2i.evaluate.labels import LabelConsistency, LabelReport
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
    """Segmenter of simulated images by colour, trained on the world's training images."""
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
    """The network in an .onnx file for images of any size."""
    file = tmp_path_factory.mktemp("onnx") / "segmenter.onnx"
    sizes = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    example = torch.zeros(1, 3, SIZE, SIZE + 4)
    program = torch.onnx.export(network, (example,), dynamo=True, dynamic_shapes=(sizes,), verbose=False)
    assert program is not None
    program.save(file)
    return OnnxSegmenter(file)


def pictures(folder: Path) -> Tensor:
    files = images.list_images(folder)
    return torch.stack([torch.from_numpy(images.read(folder / file)).permute(2, 0, 1) / 255 for file in files])


def labels(folder: Path) -> Tensor:
    files = images.list_images(folder)
    return torch.stack([torch.from_numpy(images.read(folder / file)[..., 0]) for file in files]).long()


def perfect(image: np.ndarray) -> np.ndarray:
    """Segment an image whose red is the class."""
    return image[..., 0].astype(np.int64)


class Function:
    """Segmenter that calls a function."""

    name, classes, class_names = "mine", 3, ()

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
    """Translate the simulated test images so that two classes exchange their colours."""
    folder.mkdir()
    for file in images.list_images(world / "testA"):
        image, truth = images.read(world / "testA" / file), images.read(world / "testA_labels" / file)[..., 0]
        result = image.copy()
        for here, there in ((one, other), (other, one)):
            result[truth == here] = np.clip(image[truth == here] * SIM_COLOURS[there] / SIM_COLOURS[here], 0, 255)
        images.write(folder / file, result)
    return folder


def measure(world: Path, translated: Path, segmenter: OnnxSegmenter) -> LabelReport:
    return LabelConsistency(segmenter, world / "testA_labels", classes=CLASSES).measure(translated)


def test_identity_is_consistent(world: Path, segmenter: OnnxSegmenter) -> None:
    report = measure(world, world / "testA", segmenter)
    assert report.total()["mIoU"] > 0.9
    assert report.total()["pixel accuracy"] > 0.98
    assert len(report.scores) == 3
    assert not report.failed


@pytest.mark.parametrize("folder", ["testA", "testB"])
def test_consistency_equals_that_of_the_network_in_torch(
    folder: str, world: Path, network: nn.Module, segmenter: OnnxSegmenter
) -> None:
    truth = labels(world / "testA_labels")
    with torch.no_grad():
        seen = network(pictures(world / folder)).argmax(1)
    found = measure(world, world / folder, segmenter).total()
    assert found["mIoU"] == pytest.approx(measures.mean_iou(seen, truth, len(CLASSES)), abs=1e-3)
    assert found["pixel accuracy"] == pytest.approx((seen == truth).float().mean().item(), abs=1e-3)


def test_swapping_two_classes_lowers_their_iou_alone(world: Path, segmenter: OnnxSegmenter, tmp_path: Path) -> None:
    kept = measure(world, world / "testA", segmenter)
    lost = measure(world, swapped(world, tmp_path / "swapped", Label.ROAD, Label.VEGETATION), segmenter)
    assert lost.total()["mIoU"] < kept.total()["mIoU"] - 0.15
    assert lost.total()["pixel accuracy"] < kept.total()["pixel accuracy"] - 0.3
    before, after = kept.by_class(), lost.by_class()
    assert max(after["road"], after["vegetation"]) < 0.1
    for name in ("sky", "building", "car"):
        assert after[name] > before[name] - 0.15, name


def test_untranslated_real_images_are_inconsistent_for_a_simulation_segmenter(
    world: Path, segmenter: OnnxSegmenter
) -> None:
    assert measure(world, world / "testB", segmenter).total()["mIoU"] < 0.4


def consistency(folders: tuple[Path, Path], segmenter: Function | None = None, **options: object) -> LabelReport:
    resize = bool(options.pop("resize", False))
    metric = LabelConsistency(segmenter or Function(), folders[1], **options)  # type: ignore[arg-type]
    return metric.measure(folders[0], resize=resize)


def test_all_pixels_count_equally_and_every_image_has_its_measures(folders: tuple[Path, Path]) -> None:
    translated, _ = folders
    image = images.read(translated / "b.png")
    image[:4] = (image[:4] + 1) % 3
    images.write(translated / "b.png", image)
    report = consistency(folders, classes=("sky", "road", "car"))
    assert report.total()["pixel accuracy"] == pytest.approx(5 / 6)
    found = {score.image.as_posix(): score.measures["pixel accuracy"] for score in report.scores}
    assert found == {"a.png": 1, "b.png": 0.5, "more/c.png": 1}


def test_classes_without_names_are_the_segmenters_by_number(folders: tuple[Path, Path]) -> None:
    by_class = consistency(folders, Function(classes=4)).by_class()
    assert list(by_class) == ["0", "1", "2", "3"] and np.isnan(by_class["3"])
    with pytest.raises(ValueError, match="mine: does not say how many classes"):
        consistency(folders, Function(classes=None))


def test_class_maps_translate_labels_of_both_sides(folders: tuple[Path, Path], tmp_path: Path) -> None:
    labels_map, segmenter_map = tmp_path / "labels.json", tmp_path / "segmenter.json"
    labels_map.write_text('{"0": "ignore", "1": "road", "2": "car"}')
    segmenter_map.write_text('{"10": "ignore", "11": "road", "12": "ignore"}')
    segmenter = Function(lambda image: perfect(image) + 10, classes=None)
    report = consistency(folders, segmenter, classes=("road", "car"), class_map=labels_map, segmenter_map=segmenter_map)
    assert report.by_class() == {"road": 1, "car": 0}
    truth = np.concatenate([images.read(folders[1] / file).ravel() for file in images.list_images(folders[1])])
    assert report.counts.tolist() == [[(truth == 1).sum(), 0, 0], [0, 0, (truth == 2).sum()]]


def test_label_maps_may_be_in_colours(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text('{"#ff0000": 0, "#00ff00": 1, "#0000ff": 2}')
    for file in images.list_images(folders[1]):
        labels = images.read(folders[1] / file)[..., 0]
        images.write(folders[1] / file, (255 * np.eye(3)[labels]).astype(np.uint8))
    assert consistency(folders, class_map=tmp_path / "map.json").total()["pixel accuracy"] == 1


def test_label_maps_of_other_sizes_raise_unless_resized(folders: tuple[Path, Path]) -> None:
    file = folders[0] / "b.png"
    images.write(file, images.read(file).repeat(2, 0).repeat(2, 1))
    with pytest.raises(ValueError, match=r"labels/b\.png is 10x8, but .*translated/b\.png 20x16; allowed: equal sizes"):
        consistency(folders)
    assert consistency(folders, resize=True).total()["pixel accuracy"] == 1


def test_a_segmenter_of_other_classes_raises(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine: knows 19 classes, but 2 are named"):
        LabelConsistency(Function(classes=19), folders[1], classes=("road", "car"))
    (tmp_path / "map.json").write_text('{"0": "road", "1": "car"}')
    with pytest.raises(ValueError, match=r"segmenter mine: 2 is not in .*map\.json; allowed: 0, 1"):
        LabelConsistency(Function(), folders[1], classes=("road", "car"), segmenter_map=tmp_path / "map.json")
    with pytest.raises(ValueError, match="mine: 3 is not in the 3 classes"):
        consistency(folders, Function(lambda image: perfect(image) + 1))


def test_labels_without_a_class_raise(folders: tuple[Path, Path]) -> None:
    with pytest.raises(ValueError, match=r"labels/a\.png: 2 is not in the 2 classes; allowed: 0, 1, 255"):
        consistency(folders, Function(classes=2))


def test_missing_label_maps_and_an_empty_folder_raise(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (folders[1] / "b.png").unlink()
    with pytest.raises(ValueError, match=r"labels: no label map for 1 of 3 images: b\.png"):
        consistency(folders)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no images in it"):
        consistency((tmp_path / "empty", folders[1]))


def test_a_bad_file_is_reported_and_the_rest_is_measured(folders: tuple[Path, Path]) -> None:
    translated, truth = folders
    (translated / "a.png").write_bytes(b"no image")

    def fails_once(image: np.ndarray) -> np.ndarray:
        if np.array_equal(image, images.read(translated / "b.png")):
            raise RuntimeError("out of luck")
        return perfect(image)

    seen: list[tuple[int, int]] = []
    metric = LabelConsistency(Function(fails_once), truth)
    report = metric.measure(translated, progress=lambda *counts: seen.append(counts))
    assert [score.image.as_posix() for score in report.scores] == ["more/c.png"]
    assert "a.png: not an image" in report.failed[0]
    assert report.failed[1].endswith("b.png: RuntimeError: out of luck")
    assert seen == [(1, 3), (2, 3), (3, 3)]
