"""Pix2Pix from label maps: the networks see one channel for each class, and every file takes the class indices."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.checkpoints.card import card_of
from i2i.checkpoints.load import load_generator
from i2i.data.world import make_world
from i2i.export.image import export
from i2i.inference import load
from i2i.networks.generators.one_hot import OneHotGenerator
from i2i.recipe import load_run
from i2i.recipe.components import build
from i2i.registry import generators
from i2i.training.run import train
from i2i_runtime import images
from i2i_runtime.engines import open_model
from i2i_runtime.folder.translate import translate_folder

TINY = [
    "method.generator.name=resnet",
    "method.generator.blocks=1",
    "method.generator.features=4",
    "method.discriminator.features=4",
    "method.discriminator.layers=1",
    "augment.train.resize.size=18",
    "augment.train.crop.size=16",
    "augment.test.resize.size=16",
    "train.workers=0",
    "train.steps=2",
    "train.samples=1",
]


def one_hot(name: str = "resnet", **options: object) -> OneHotGenerator:
    torch.manual_seed(0)
    inner = {"name": name, "features": 4, "init_gain": 0.5, **options}
    return build(generators, {"name": "one-hot", "generator": inner, "classes": 5, "out_channels": 3}).double()


def as_image(labels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(labels[None, None] / 255.0 * 2 - 1)


def test_the_inner_generator_sees_one_channel_for_each_class_and_none_for_ignored_pixels() -> None:
    labels = np.random.default_rng(0).choice([0, 1, 2, 3, 4, 255], (16, 16)).astype(np.uint8)
    generator = one_hot(norm="none", blocks=1)
    encoded = generator.encode(as_image(labels))
    assert encoded.shape == (1, 5, 16, 16) and encoded.unique().tolist() == [0, 1]
    assert (encoded[0].sum(0).numpy() == (labels != 255)).all()
    assert (encoded[0].argmax(0).numpy() == labels)[labels != 255].all()
    assert generator(as_image(labels)).equal(generator.inner(encoded.double()))


def test_every_class_index_survives_the_value_range_also_in_half_precision() -> None:
    torch.manual_seed(0)
    inner = {"name": "resnet", "features": 1, "blocks": 0}
    generator = build(generators, {"name": "one-hot", "generator": inner, "classes": 254})
    labels = torch.arange(256).view(1, 1, 16, 16)
    for kind in (torch.float32, torch.float16):
        image = (labels.to(kind) / 255) * 2 - 1
        assert generator.encode(image)[0].argmax(0).flatten()[:254].equal(torch.arange(254))
        assert generator.encode(image)[0].sum(0).flatten()[254:].tolist() == [0, 0]


def test_spade_takes_label_maps_by_it() -> None:
    generator = one_hot("spade", depth=2, hidden=4, norm="instance")
    assert generator.multiple_of == 4 and generator.min_size == 8
    labels = np.random.default_rng(0).integers(0, 5, (16, 16)).astype(np.uint8)
    assert generator(as_image(labels)).shape == (1, 3, 16, 16)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The label maps, and a run of Pix2Pix from these to photos."""
    folder = tmp_path_factory.mktemp("labels-to-photos")
    make_world(folder / "world", count=4, size=16, seed=0)
    labels = folder / "world/trainA_labels"
    train("pix2pix", [labels, folder / "world/trainB"], ["method.classes=0", *TINY], run=folder / "run", device="cpu")
    return labels, folder / "run"


def test_the_run_knows_its_classes_and_its_generator_loads_with_them(trained: tuple[Path, Path]) -> None:
    labels, run = trained
    names = (labels / "classes.txt").read_text().splitlines()
    recipe = load_run(run)
    assert recipe.method["classes"] == len(names) and recipe.data.classes == names
    generator, _ = load_generator(run)
    assert (
        isinstance(generator, OneHotGenerator) and generator.label_classes == len(names) and generator.in_channels == 1
    )
    sheet = images.read(run / "samples/00000002.png")
    assert len(np.unique(sheet[:16, :16])) > 3, "the label map of a sheet is not black"


def test_translation_and_the_exported_file_make_the_same_picture_of_class_indices(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    labels, run = trained
    indices = images.read(labels / "00000.png")
    picture = load(run, device="cpu")(indices)
    assert picture.shape == (16, 16, 3)
    generator, facts = load_generator(run)
    export(generator, card_of(generator, facts), tmp_path / "model.onnx", io="uint8", test_time="published")
    exported = open_model(tmp_path / "model.onnx")(indices)
    with pytest.raises(ValueError, match=r"3 channels of uint8, but the network takes label maps: one channel"):
        open_model(tmp_path / "model.onnx")(indices.repeat(3, 2))
    assert np.abs(exported.astype(int) - picture.astype(int)).max() <= 1
    other = indices.copy()
    other[:] = (indices + 1) % 5
    assert np.abs(load(run, device="cpu")(other).astype(int) - picture.astype(int)).max() > 1


def test_palettes_and_label_maps_beside_photos_in_one_file(trained: tuple[Path, Path], tmp_path: Path) -> None:
    labels, _ = trained
    for path in sorted(labels.glob("*.png")):
        palette = Image.fromarray(images.read(path)[..., 0])
        palette.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
        (tmp_path / "labels").mkdir(exist_ok=True)
        palette.save(tmp_path / "labels" / path.name)
    photos = labels.parent / "trainB"
    overrides = ["method.classes=9", *TINY]
    train("pix2pix", [tmp_path / "labels", photos], overrides, run=tmp_path / "run", device="cpu")
    assert load_generator(tmp_path / "run")[0].label_classes == 9
    translator = load(tmp_path / "run", device="cpu")
    translator.prepare = translator.preparation()
    for source, target in ((tmp_path / "labels", "of_palettes"), (labels, "of_indices")):
        report = translate_folder(
            translator.network, translator.card, source, tmp_path / target, prepare=translator.prepare
        )
        assert not report.failed
    for path in labels.glob("*.png"):
        one, other = (images.read(tmp_path / target / path.name) for target in ("of_palettes", "of_indices"))
        assert (one == other).all()
    halves = tmp_path / "halves"
    for path in sorted(photos.glob("*.png")):
        halves.mkdir(exist_ok=True)
        images.write(halves / path.name, np.concatenate([images.read(path)] * 2, axis=1))
    with pytest.raises(ValueError, match=r"method\.classes: label maps side by side.*give two folders"):
        train("pix2pix", [halves], overrides, run=tmp_path / "other", device="cpu")
