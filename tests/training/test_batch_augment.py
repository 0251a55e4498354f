"""Augmentation of batches on the device, in a run."""

from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import Tensor

from i2i.checkpoints import run as checkpoint
from i2i.training import run
from tests.worlds import Recorder, tiny_recipe, tiny_world, upscales

BATCH = [
    "augment.batch.RandomAffine.degrees=10",
    "augment.batch.ColorJiggle.brightness=0.2",
    "augment.batch.RandomErasing={}",
]
SHORT = ["train.batch_size=2", "train.checkpoint_every=2", "train.keep=9"]


def weights(folder: Path) -> dict[str, Tensor]:
    saved = checkpoint.find(folder)
    return {
        f"{file.stem}.{key}": value for file in saved.glob("*.safetensors") for key, value in load_file(file).items()
    }


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(first[key].equal(second[key]) for key in first)


@pytest.mark.parametrize("method", ["cyclegan", "pix2pix", "rrdb-psnr"])
def test_batch_augmentations_resume_bit_for_bit_with_any_number_of_workers(method: str, tmp_path: Path) -> None:
    world = tiny_world(tmp_path / "world")
    world = world / "trainB" if upscales(method) else world
    short = [*SHORT, "train.steps=4"]
    plain = run.train(tiny_recipe(method, world, *short), tmp_path / "plain", reporter=Recorder())
    whole = run.train(tiny_recipe(method, world, *short, *BATCH), tmp_path / "whole", reporter=Recorder())
    uninterrupted = weights(whole)
    assert not same(uninterrupted, weights(plain)), "it does something"
    run.resume(whole / "checkpoints/00000002", ["train.workers=1"], reporter=Recorder())
    assert same(uninterrupted, weights(whole))


def test_a_size_that_batch_augmentation_makes_wrong_is_refused_before_training(tmp_path: Path) -> None:
    world = tiny_world(tmp_path / "world")
    with pytest.raises(ValueError, match="15"):
        run.train(tiny_recipe("cyclegan", world, "augment.batch.Resize.size=[15, 15]"), tmp_path / "run")


def test_batch_augmentation_of_label_maps_is_refused(tmp_path: Path) -> None:
    world = tiny_world(tmp_path / "world")
    chosen = tiny_recipe("pix2pix", world, *BATCH, 'data.label_maps=["source"]')
    with pytest.raises(ValueError, match=r"augment\.batch.*label maps"):
        run.train(chosen, tmp_path / "run")
