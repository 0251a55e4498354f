"""Pairs that a teacher has made, with holes and of other sizes, and real images beside them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.data.batch import Pair, PairAndReal
from i2i.data.sources import SampleKind, find_files, open_samples
from i2i.recipe import Recipe
from tests.data.files import put
from tests.worlds import tiny_recipe

SIZES = [
    "augment.train.crop=false",
    "augment.train.flip=false",
    "augment.train.resize=false",
    "augment.test.resize=false",
]


def samples_of(*folders: Path, said: list[str], scale: int = 1) -> Any:
    chosen: Recipe = tiny_recipe("distil", folders[0], *SIZES)
    data = chosen.data.model_copy(update={"source": list(map(str, folders))})
    kind = SampleKind(PairAndReal, scale=scale)
    recipe = chosen.model_copy(update={"data": data})
    return open_samples(kind, recipe, find_files(kind, recipe, said.append))


def folders(root: Path, *, frame: tuple[int, int] = (8, 12), output: tuple[int, int] = (8, 12)) -> tuple[Path, Path]:
    for index in range(12):
        put(root / "frames" / f"{index:02}.png", (*frame, 3))
        put(root / "outputs" / f"{index:02}.jpg", (*output, 3))
    return root / "frames", root / "outputs"


def test_holes_are_named_and_left_out(tmp_path: Path) -> None:
    frames, outputs = folders(tmp_path)
    (outputs / "03.jpg").unlink()
    (frames / "05.png").unlink()
    said: list[str] = []
    samples = samples_of(frames, outputs, said=said)
    assert len(samples) + samples.held_out_count == 10
    assert "1 of 11 images of" in said[0] and "03.png" in said[0] and "05.jpg" in said[0]


def test_outputs_with_an_end_of_their_own_are_found_despite_holes(tmp_path: Path) -> None:
    frames, outputs = folders(tmp_path)
    for path in list(outputs.iterdir()):
        path.rename(path.with_name(f"{path.stem}_fake.jpg"))
    (outputs / "03_fake.jpg").unlink()
    samples = samples_of(frames, outputs, said=[])
    assert len(samples) + samples.held_out_count == 11


def test_folders_without_a_pair_are_refused(tmp_path: Path) -> None:
    frames, outputs = folders(tmp_path)
    for path in list(outputs.iterdir()):
        path.rename(path.with_name(f"other{path.name}"))
    with pytest.raises(ValueError, match="24 of 24 images have no partner"):
        samples_of(frames, outputs, said=[])


@pytest.mark.parametrize(("output", "scale"), [((16, 24), 1), ((4, 6), 1), ((33, 49), 4), ((8, 12), 2)])
def test_outputs_of_another_size_are_resized(tmp_path: Path, output: tuple[int, int], scale: int) -> None:
    samples = samples_of(*folders(tmp_path, output=output), said=[], scale=scale)
    source, target, real = samples[0, 0]
    assert source.shape == (3, 8, 12) and target.shape == real.shape == (3, 8 * scale, 12 * scale)


def test_outputs_of_another_shape_are_refused(tmp_path: Path) -> None:
    samples = samples_of(*folders(tmp_path, output=(8, 8)), said=[])
    with pytest.raises(ValueError, match=r"is 12x8 and .* is 8x8, of another shape; allowed: 12x8"):
        samples[0, 0]


def test_real_images_have_a_draw_of_their_own_and_training_samples_alone_have_them(tmp_path: Path) -> None:
    frames, outputs = folders(tmp_path)
    alone = samples_of(frames, outputs, said=[])
    assert all(torch.equal(sample.target, sample.real) for sample in (alone[0, 0], alone[1, 3]))
    for index in range(20):
        put(tmp_path / "real" / f"{index}.png", (20, 20 + index, 3))
    said: list[str] = []
    samples = samples_of(frames, outputs, tmp_path / "real", said=said)
    assert "20 real images" in said[-1]
    assert len({samples[epoch, 0].real.shape for epoch in range(8)}) > 3
    assert torch.equal(samples[2, 1].real, samples[2, 1].real)
    assert isinstance(samples.held_out(0), Pair)


def test_a_fourth_source_is_refused(tmp_path: Path) -> None:
    frames, outputs = folders(tmp_path)
    with pytest.raises(ValueError, match=r"4 sources given; .* and a third one of real images"):
        samples_of(frames, outputs, frames, frames, said=[])
