"""Batches with label maps: the geometry of an image is that of its labels, whatever the augmentation."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from i2i import registry
from i2i.data.augment import Pipeline
from i2i.data.batch import LabelledUnpaired, Segmentation, Unpaired, image_fields, labels_of, to_device
from i2i.data.batch_augment import BatchPipeline
from i2i.data.folders import SingleFiles, UnpairedFiles
from i2i.data.labels.maps import LabelMaps
from i2i.data.loader import batches
from i2i.data.samples import SegmentationImages
from i2i.data.unpaired_samples import LabelledUnpairedImages
from i2i.label_maps import IGNORE, one_hot
from i2i.recipe.components import options_of
from tests.data.files import opened, unpaired, written
from tests.data.test_batch_augment import NEEDED

LEVELS = np.array([20, 80, 140, 200], np.uint8)  # grey of each class


def scene(seed: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """A label map of four classes in large areas."""
    noise = np.random.default_rng(seed).random(size)
    blurred = cv2.GaussianBlur(noise, (0, 0), 6)
    return np.digitize(blurred, np.quantile(blurred, [0.25, 0.5, 0.75])).astype(np.uint8)


def scenes(folder: Path, count: int = 3) -> tuple[tuple[Path, ...], LabelMaps]:
    """Grey images of scenes, and their label maps."""
    found = {}
    for index in range(count):
        labels = scene(index)
        image = written(folder / f"{index}.png", LEVELS[labels][..., None].repeat(3, 2))
        found[image] = written(folder / f"labels/{index}.png", labels[..., None])
    return tuple(found), LabelMaps(found)


def segmentation(folder: Path, steps: dict[str, Any] | None = None) -> SegmentationImages:
    paths, labels = scenes(folder)
    files = SingleFiles(paths, paths[:1], held_out_from_train=False)
    return opened(SegmentationImages, files, train=Pipeline(steps or {}), labels=labels, value_range=(0.0, 255.0))


def agreement(image: Tensor, labels: Tensor) -> float:
    """Share of the labelled pixels whose grey is nearest to that of their class."""
    nearest = (image.mean(0) - torch.from_numpy(LEVELS)[:, None, None]).abs().argmin(0)
    return float((nearest == labels)[labels != IGNORE].float().mean())


@pytest.mark.parametrize("steps", [
    {"resize": {"size": [30, 40]}, "crop": {"size": 24}, "flip": {}},
    {"crop": {"size": 80, "pad": True}, "quarter_turns": {}},
    {"Affine": {"rotate": [30, 30], "p": 1.0}},
    {"RandomResizedCrop": {"size": [32, 32]}},
    {"ElasticTransform": {"p": 1.0}},
    {"GridDistortion": {"p": 1.0}},
    {"PadIfNeeded": {"min_height": 90, "min_width": 90}},
])  # fmt: skip
def test_labels_stay_aligned_through_every_kind_of_geometry(tmp_path, steps):
    samples = segmentation(tmp_path, steps)
    for index in range(3):
        image, labels = samples[0, index]
        assert labels.dtype == torch.uint8 and labels.shape == image.shape[1:]
        assert set(labels.unique().tolist()) <= {0, 1, 2, 3, IGNORE}
        assert (labels != IGNORE).float().mean() > 0.3 and agreement(image, labels) > 0.85


def test_pixels_that_a_rotation_fills_in_are_ignored(tmp_path):
    image, labels = segmentation(tmp_path, {"Rotate": {"limit": [45, 45], "p": 1.0, "border_mode": 0}})[0, 0]
    filled = image.sum(0) == 0
    assert filled.float().mean() > 0.1 and (labels[filled] == IGNORE).float().mean() > 0.97


def test_photometric_steps_change_the_image_and_not_its_labels(tmp_path):
    steps = {"ColorJitter": {"p": 1.0}, "GaussNoise": {"p": 1.0}, "MotionBlur": {"p": 1.0}}
    image, labels = segmentation(tmp_path, steps)[0, 1]
    assert labels.equal(torch.from_numpy(scene(1)))
    assert not image.equal(segmentation(tmp_path)[0, 1].image)


def test_images_with_labels_are_drawn_as_those_without(tmp_path):
    """Labels are read beside an image; they change no draw of a run."""
    paths, labels = scenes(tmp_path)
    files = UnpairedFiles((paths, paths[::-1]), (paths[:2], paths[:1]), held_out_from_train=False)
    steps = Pipeline({"resize": {"size": 40}, "crop": {"size": 32}, "flip": {}, "Rotate": {"p": 1.0}})
    labelled = opened(LabelledUnpairedImages, files, train=steps, labels=labels, value_range=(0.0, 255.0))
    plain = unpaired(files, train=steps)
    for key in ((0, 0), (0, 2), (5, 1)):
        sample = labelled[key]
        assert sample.a.equal(plain[key].a) and sample.b.equal(plain[key].b)
        assert agreement(sample.a, sample.a_labels) > 0.85 and agreement(sample.b, sample.b_labels) > 0.85
    held = labelled.held_out(1)
    assert held.a_labels.equal(torch.from_numpy(scene(1))) and held.b_labels.equal(torch.from_numpy(scene(0)))


def test_a_domain_without_label_maps_has_maps_of_ignored_pixels(tmp_path):
    paths, labels = scenes(tmp_path / "a")
    others, _ = scenes(tmp_path / "b")
    files = UnpairedFiles((paths, others), ((), ()), held_out_from_train=False)
    sample = opened(LabelledUnpairedImages, files, labels=labels)[0, 0]
    assert (sample.b_labels == IGNORE).all() and sample.b_labels.shape == sample.b.shape[1:]
    assert not (sample.a_labels == IGNORE).any()


def test_a_label_map_of_another_size_is_named(tmp_path):
    paths, labels = scenes(tmp_path, 1)
    written(labels.files[paths[0]], scene(0, (24, 64))[..., None])
    samples = opened(SegmentationImages, SingleFiles(paths, paths, held_out_from_train=False), labels=labels)
    with pytest.raises(ValueError, match=r"labels/0\.png and .*0\.png: a label map and an image of 64x24 and 64x48"):
        samples.held_out(0)


@pytest.mark.parametrize("workers", [0, 1])
def test_label_maps_are_stacked_to_uint8_batches(tmp_path, workers):
    stream = batches(segmentation(tmp_path), batch_size=2, seed=0, workers=workers)
    batch = next(stream)
    assert type(batch) is Segmentation and batch.labels.shape == (2, 48, 64) and batch.labels.dtype == torch.uint8
    assert to_device(batch, torch.device("meta")).labels.is_meta


def labelled(count: int = 2) -> Segmentation:
    labels = np.stack([scene(index, (64, 64)) for index in range(count)])
    image = torch.from_numpy(LEVELS[labels]).float()[:, None].expand(-1, 3, -1, -1) / 255
    return Segmentation(image, torch.from_numpy(labels))


@pytest.mark.parametrize("name", [name for name in registry.batch_augmentations if name != "RandomThinPlateSpline"])
def test_every_batch_step_moves_labels_as_it_moves_images(name):
    always = {"p": 1.0} if "p" in options_of(registry.batch_augmentations[name]) else {}
    pipeline = BatchPipeline({name: {**NEEDED.get(name, {}), **always}}, (0.0, 1.0))
    pipeline.check_labels()
    batch = labelled()
    torch.manual_seed(0)
    images, labels = pipeline(batch)
    assert labels.dtype == torch.uint8 and labels.shape == (2, *images.shape[2:])
    assert set(labels.unique().tolist()) <= {0, 1, 2, 3, IGNORE}
    assert (labels != IGNORE).float().mean() > 0.3
    torch.manual_seed(0)
    assert pipeline(Unpaired(batch.image, batch.image)).a.equal(images), "labels change no draw"
    moved = min(agreement(image * 255, each) for image, each in zip(images, labels, strict=True)) > 0.8
    assert moved or labels.equal(batch.labels), "either geometry, which both share, or colours, which labels lack"


def test_pixels_that_a_batch_step_fills_in_are_ignored_whatever_they_are_filled_with():
    for filled in ({}, {"padding_mode": "fill", "fill_value": [0.5, 0.5, 0.5]}):
        pipeline = BatchPipeline({"RandomAffine": {"degrees": [45, 45], "p": 1.0, **filled}}, (0.0, 1.0))
        _, labels = pipeline(labelled())
        assert 0.1 < (labels == IGNORE).float().mean() < 0.3
        assert set(labels.unique().tolist()) == {0, 1, 2, 3, IGNORE}


def test_a_batch_step_that_kornia_has_not_for_label_maps_is_refused():
    with pytest.raises(ValueError, match=r"^augment\.batch\.RandomThinPlateSpline: .*label maps.*use another"):
        BatchPipeline({"RandomThinPlateSpline": {"p": 1.0}}, (0.0, 1.0))(labelled())


def test_a_batch_step_that_does_not_know_labels_is_refused():
    pipeline = BatchPipeline({}, (0.0, 1.0))
    pipeline._steps = [lambda images: images.flip(3)]
    with pytest.raises(ValueError, match=r"has no `with_labels`.*augment\.train"):
        pipeline.check_labels()


def test_every_label_map_belongs_to_an_image_of_its_batch():
    for kind in (LabelledUnpaired, Segmentation):
        fields = [each for image in image_fields(kind) for each in (image, labels_of(kind, image))]
        assert sorted(fields) == sorted(kind._fields)


def test_one_hot_has_no_channel_for_ignored_pixels():
    labels = torch.tensor([[[0, 2], [IGNORE, 1]]], dtype=torch.uint8)
    encoded = one_hot(labels, 3)
    assert encoded.shape == (1, 3, 2, 2) and encoded[0, :, 1, 0].tolist() == [0, 0, 0]
    assert encoded.argmax(1)[labels != IGNORE].tolist() == [0, 2, 1] and encoded.sum() == 3
