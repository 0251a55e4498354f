"""Pix2Pix from instance maps: class * 1000 + instance in 16 bits goes in, and the networks see classes and edges."""

from pathlib import Path

import numpy as np
import pytest
import torch

from i2i.checkpoints.card import card_of
from i2i.checkpoints.load import load_generator
from i2i.data.augment import Pipeline
from i2i.data.folders import find_pairs
from i2i.data.labels.class_map import read_class_map
from i2i.data.labels.maps import LabelMaps
from i2i.data.samples import PairedImages, Preprocessing
from i2i.data.world import draw_scene
from i2i.export.image import export
from i2i.inference import load
from i2i.label_maps import instance_edges
from i2i.networks.generators.one_hot import OneHotGenerator
from i2i.recipe.components import build
from i2i.registry import generators
from i2i.training.run import train
from i2i_runtime import images
from i2i_runtime.engines import open_model
from tests.methods.test_label_sources import TINY

CLASSES = 8


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, pixels)
    return path


def build_one_hot(classes: int) -> OneHotGenerator:
    torch.manual_seed(0)
    inner = {"name": "resnet", "features": 4, "blocks": 0, "init_gain": 0.5}
    return build(generators, {"name": "one-hot", "generator": inner, "classes": classes, "instance_edges": True})


def as_image(instances: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(instances.astype(np.float32)[None, None] / 65535) * 2 - 1


def scene(index: int, size: int = 16) -> np.ndarray:
    """The label map of a street whose cars, and whatever else is no sky, are another instance every five columns."""
    labels = draw_scene(size=size, seed=0, index=index).labels.astype(np.uint16)
    return np.where(labels > 0, labels * 1000 + np.arange(size) // 5, labels).astype(np.uint16)


def test_edges_are_pixels_with_a_neighbour_of_another_instance() -> None:
    instances = np.random.default_rng(0).choice([7, 1000, 1001], (6, 9), p=[0.9, 0.05, 0.05])
    expected = np.zeros(instances.shape)
    for (row, column), value in np.ndenumerate(instances):
        for y, x in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= y < 6 and 0 <= x < 9 and instances[y, x] != value:
                expected[row, column] = 1
    assert 0 < expected.mean() < 1
    found = instance_edges(torch.from_numpy(instances)[None, None].double())
    np.testing.assert_array_equal(found[0, 0].numpy(), expected)


def test_the_networks_see_the_class_of_every_value_of_16_bits_and_edges_after_them() -> None:
    generator = build_one_hot(66)
    instances = np.arange(2**16).reshape(256, 256)
    encoded = generator.encode(as_image(instances))[0].numpy()
    classes = np.where(instances < 1000, instances, instances // 1000)
    assert encoded.shape[0] == generator.encoded_channels == 67 and generator.in_channels == 1
    for number in range(66):
        np.testing.assert_array_equal(encoded[number], classes == number)
    assert encoded[66].all(), "all values differ"


def test_instance_maps_are_cropped_and_flipped_with_their_photos_and_keep_their_values(tmp_path: Path) -> None:
    instances = np.random.default_rng(0).choice([3, 255, 1000, 26001, 64999], (12, 14)).astype(np.uint16)
    source = write(tmp_path / "a" / "1.png", instances[..., None])
    photo = np.stack([instances % 256, instances // 256, 0 * instances], 2).astype(np.uint8)
    write(tmp_path / "b" / "1.png", photo)
    steps = Pipeline({"crop": {"size": 8}, "flip": {"p": 0.5}})
    samples = PairedImages(
        find_pairs(tmp_path / "a", tmp_path / "b"),
        Preprocessing(steps, steps, seed=0, value_range=(0.0, 1.0)),
        channels=(1, 3),
        labels=LabelMaps({source: source}, instances=True),
    )
    for epoch in range(6):
        label_map, target = samples[epoch, 0]
        low, high, _ = (target * 255).round().long()
        assert (label_map[0] * 65535).round().long().equal(low + 256 * high)


def test_a_class_map_is_of_the_classes_and_keeps_the_instances(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text('{"7": "road", "26": "car", "0": "ignore"}')
    class_map = read_class_map(tmp_path / "map.json", ["road", "car"])
    path = write(tmp_path / "1.png", np.array([[7, 26, 26004, 0]], np.uint16)[..., None])
    maps = LabelMaps({path: path}, class_map, ("road", "car"), instances=True)
    assert maps.read_instances(path).tolist() == [[0, 1, 1004, 255]] and maps.read(path).tolist() == [[0, 1, 1, 255]]
    maps = LabelMaps({path: path}, read_class_map(tmp_path / "map.json", ["car", "road"]), ("car", "road"), True)
    with pytest.raises(
        ValueError, match=r"1\.png: instances of class 0 \(car\).*allowed: instances of classes 1 to 64"
    ):
        maps.read(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of Pix2Pix from instance maps to photos of 16 x 16 pixels."""
    folder = tmp_path_factory.mktemp("instances-to-photos")
    for index in range(3):
        write(folder / "instances" / f"{index}.png", scene(index)[..., None])
        write(folder / "photos" / f"{index}.png", draw_scene(size=16, seed=0, index=index).real)
    options = [f"method.classes={CLASSES}", "method.instance_edges=true", *TINY]
    train("pix2pix", [folder / "instances", folder / "photos"], options, run=folder / "run", device="cpu")
    return folder / "run"


def test_the_exported_file_takes_instance_maps_and_sees_their_edges(run: Path, tmp_path: Path) -> None:
    generator, facts = load_generator(run)
    export(generator, card_of(generator, facts), tmp_path / "model.onnx", test_time="published")
    exported, instances = open_model(tmp_path / "model.onnx"), scene(7)[..., None]
    picture = load(run, device="cpu")(instances)
    assert picture.shape == (16, 16, 3) and picture.dtype == np.uint8
    assert np.abs(exported(instances).astype(int) - picture).max() <= 1
    merged = np.where(instances < 1000, instances, instances // 1000)
    assert np.abs(exported(merged.astype(np.uint16)).astype(int) - picture).max() > 1
    assert (exported(merged.astype(np.uint8)) == exported(merged.astype(np.uint16))).all()
    with pytest.raises(ValueError, match="3 channels of uint16, but the network takes instance maps: one channel"):
        exported(instances.repeat(3, 2))
    translator = load(run, device="cpu")
    translator.prepare = translator.preparation()
    assert (translator(scene(7, 32)[..., None][::2, ::2]) == translator(scene(7, 32)[::2, ::2])).all()


@pytest.mark.parametrize("precision", [{"io": "uint8"}, {"half": True}])
def test_an_export_that_does_not_hold_16_bits_is_refused(run: Path, tmp_path: Path, precision: dict[str, str]) -> None:
    generator, facts = load_generator(run)
    with pytest.raises(ValueError, match="instance maps have 16 bits; allowed: an export in float32, with io float"):
        export(generator, card_of(generator, facts), tmp_path / "model.onnx", **precision)


def test_instance_maps_have_classes(run: Path, tmp_path: Path) -> None:
    folders = [run.parent / "instances", run.parent / "photos"]
    with pytest.raises(ValueError, match=r"method\.instance_edges: sources are label maps then; set method\.classes"):
        train("pix2pix", folders, ["method.instance_edges=true", *TINY], run=tmp_path / "run", device="cpu")
