"""Structural agreement of folders, file by file with sources of equal names."""

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor
from torch.nn import functional as F

from i2i.data.world import make_world
from i2i.evaluate.structure import structure_agreement
from i2i_runtime import images


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "world"
    make_world(folder, count=20, size=64, seed=0)
    return folder


def rotated(folder: Path, target: Path) -> Path:
    """Every image under the name of the next one."""
    target.mkdir()
    files = images.list_images(folder)
    for file, other in zip(files, files[1:] + files[:1], strict=True):
        images.write(target / other, images.read(folder / file))
    return target


def patches(pixels: Tensor) -> Tensor:
    return F.avg_pool2d(pixels, 8) - 0.5


def test_agreement_falls_from_identity_to_truth_to_other_scenes(world: Path, tmp_path: Path) -> None:
    others = rotated(world / "testB", tmp_path / "others")
    same, truth, other = (
        structure_agreement(folder, world / "testA", extractor=patches).means()
        for folder in (world / "testA", world / "testB", others)
    )
    for name in ("edge F1", "gradient structure"):
        assert same[name].value == pytest.approx(1)
        assert 0.9 > truth[name].value > other[name].value + 0.1, name
    assert 0 == same["structure distance"].value < truth["structure distance"].value


def test_without_an_extractor_there_is_no_structure_distance(world: Path) -> None:
    report = structure_agreement(world / "testA", world / "testA")
    assert list(report.means()) == ["edge F1", "edge precision", "edge recall", "gradient structure"]
    assert len(report.scores) == len(images.list_images(world / "testA"))


def test_sources_of_other_sizes_raise_unless_resized(world: Path, tmp_path: Path) -> None:
    for file in images.list_images(world / "testA"):
        images.write(tmp_path / file, images.read(world / "testA" / file).repeat(2, 0).repeat(2, 1))
    with pytest.raises(ValueError, match=r"64x64, but .* 128x128; allowed: equal sizes, or resize"):
        structure_agreement(tmp_path, world / "testA")
    assert structure_agreement(world / "testA", tmp_path, resize=True).means()["edge F1"].value == pytest.approx(1)


def test_missing_sources_raise_and_bad_files_are_reported(world: Path, tmp_path: Path) -> None:
    for file in images.list_images(world / "testA"):
        images.write(tmp_path / file, images.read(world / "testA" / file))
    (tmp_path / "00001.png").write_bytes(b"")
    images.write(tmp_path / "new.png", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match=r"testA: no source for 1 of 5 images: new\.png"):
        structure_agreement(tmp_path, world / "testA")
    (tmp_path / "new.png").unlink()
    report = structure_agreement(tmp_path, world / "testA")
    assert len(report.scores) == 3
    assert report.failed[0].endswith("00001.png: the file is empty")
