"""A run of a method that takes label maps: its classes are counted when it is built, and kept in its recipe."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.data.batch import LabelledUnpaired
from i2i.methods.base import AdversarialFactory, DiscriminatorFactory, GeneratorFactory, Update
from i2i.methods.cyclegan import CycleGAN
from i2i.recipe import load_run
from i2i.registry import methods
from i2i.training.run import resume, train
from i2i_runtime import images
from tests.worlds import SIZES, Recorder, tiny_world

SEEN: list[tuple[Tensor, Tensor]] = []


@methods.register("labelled-cyclegan")
class Labelled(CycleGAN):
    """CycleGAN on images with label maps, which it keeps for the test."""

    batch = LabelledUnpaired  # type: ignore[assignment]

    def __init__(
        self,
        *,
        generator: GeneratorFactory,
        discriminator: DiscriminatorFactory,
        adversarial: AdversarialFactory,
        classes: int = 0,
    ) -> None:
        super().__init__(generator=generator, discriminator=discriminator, adversarial=adversarial, history=0)
        self.classes = classes

    def training_step(self, batch: Any, update: Update) -> None:
        a, b, a_labels, b_labels = batch
        assert a_labels.shape == (len(a), *a.shape[2:])
        SEEN.append((a_labels, b_labels))
        super().training_step((a, b), update)  # type: ignore[arg-type]

    def preview(self, held_out: Any, products: Any) -> Any:
        return super().preview([batch[:2] for batch in held_out], products)

    def score(self, held_out: Any, products: Any) -> Any:
        return super().score([batch[:2] for batch in held_out], products)


TINY = [
    "method.generator.blocks=1",
    "method.generator.features=4",
    "method.discriminator.features=4",
    "method.discriminator.layers=1",
    *SIZES,
    "train.workers=0",
    "train.checkpoint_every=1",
    "train.steps=1",
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("world") / "world", 4)


def test_classes_are_counted_named_and_kept_and_a_resume_sees_the_same_labels(world: Path, tmp_path: Path) -> None:
    whole, parts, said = tmp_path / "whole", tmp_path / "parts", Recorder()
    train("labelled-cyclegan", [world], [*TINY, "train.steps=2"], run=whole, reporter=said, device="cpu")
    recipe = load_run(whole)
    names = (world / "trainA_labels/classes.txt").read_text().split()
    assert recipe.data.classes == names and recipe.method["classes"] == len(names)
    assert any("; 5 label maps of a" in line for line in said.messages)
    assert any(line.startswith(f"label maps: {len(names)} classes") for line in said.messages)
    of_whole = SEEN[-2:]
    assert (of_whole[0][1] == 255).all() and (of_whole[0][0] != 255).any()

    train("labelled-cyclegan", [world], [*TINY, "train.steps=1"], run=parts, device="cpu")
    resume(parts, ["train.steps=2"], device="cpu")
    assert all(one.equal(other) for one, other in zip(SEEN[-1], of_whole[1], strict=True))
    weights = [next((run / "checkpoints/00000002").glob("a_to_b*")).read_bytes() for run in (whole, parts)]
    assert len(weights[0]) > 1000 and weights[0][-1000:] == weights[1][-1000:]


def test_batch_augmentation_moves_label_maps_with_their_images(world: Path, tmp_path: Path) -> None:
    steps = ["train.steps=1", "augment.batch.RandomAffine.degrees=[40, 45]", "augment.batch.RandomAffine.p=1"]
    train("labelled-cyclegan", [world], [*TINY, *steps], run=tmp_path / "run", device="cpu")
    labels = SEEN[-1][0]
    assert labels.dtype == torch.uint8 and 0 < (labels == 255).float().mean() < 0.5


def test_labels_of_another_size_end_the_run_before_it_begins(world: Path, tmp_path: Path) -> None:
    for name in ("trainA", "trainB"):
        (tmp_path / name).symlink_to(world / name)
    small = np.arange(64, dtype=np.uint8).reshape(8, 8, 1) % 5
    for path in (world / "trainA").iterdir():
        (tmp_path / "trainA_labels").mkdir(exist_ok=True)
        images.write(tmp_path / "trainA_labels" / path.name, small)
    with pytest.raises(ValueError, match=r"8x8 pixels, but its image .* has 16x16; allowed: equal sizes"):
        train("labelled-cyclegan", [tmp_path], TINY, run=tmp_path / "run", device="cpu")
    assert not (tmp_path / "run/checkpoints").exists()
