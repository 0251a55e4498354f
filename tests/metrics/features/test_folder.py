"""Folders as features: in order, whatever the sizes; what is bad is named; what was seen once is kept by content."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.metrics.features import Extractor, features_of_folder
from i2i_runtime import images


class Means(Extractor):
    """Mean and deviation of each channel, and how often it was asked."""

    def __init__(self, checksum: str = "0") -> None:
        super().__init__("means", checksum, "cpu")
        self.seen: list[tuple[int, ...]] = []

    def look(self, images: Tensor) -> Tensor:
        self.seen.append(tuple(images.shape))
        return torch.cat([images.mean((2, 3)), images.std((2, 3))], 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """40 images of two sizes, in turn, some of them grey, 16-bit or transparent."""
    random = np.random.default_rng(0)
    (tmp_path / "set/inner").mkdir(parents=True)
    for index in range(40):
        size, channels = ((8, 9), (12, 7))[index % 2], (1, 3, 4)[index % 3]
        kind = np.uint16 if index % 4 == 0 else np.uint8
        pixels = random.integers(0, np.iinfo(kind).max, (*size, channels), dtype=kind, endpoint=True)
        images.write(tmp_path / f"set/{'inner/' * (index > 30)}{index}.png", pixels)
    return tmp_path / "set"


def test_rows_follow_the_names_whatever_the_sizes_and_alike_ones_go_together(folder: Path) -> None:
    extractor, told = Means(), []
    found = features_of_folder(extractor, folder, progress=lambda done, total: told.append((done, total)))
    assert found.files == images.list_images(folder) and not found.failed
    for row, name in zip(found.features, found.files, strict=True):
        pixels = images.to_float(images.with_channels(images.read(folder / name), 3))
        alone = extractor(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0]
        torch.testing.assert_close(row, alone)
    assert extractor.seen[:2] == [(20, 3, 8, 9), (20, 3, 12, 7)] and told == [(20, 40), (40, 40)]


def test_large_images_go_a_few_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.metrics.features.folder._PIXELS", 200)
    extractor = Means()
    assert len(features_of_folder(extractor, folder).features) == 40
    assert {shape[0] for shape in extractor.seen} == {2}


def test_a_bad_image_is_skipped_and_named(folder: Path) -> None:
    (folder / "5.png").write_bytes(b"no image")
    whole = (folder / "7.png").read_bytes()
    (folder / "7.png").write_bytes(whole[: len(whole) // 2])
    found = features_of_folder(Means(), folder)
    assert len(found.features) == len(found.files) == 38 and Path("5.png") not in found.files
    assert [str(folder / name) in said for name, said in zip(("5.png", "7.png"), found.failed, strict=True)] == [
        True
    ] * 2


def test_folders_without_two_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such folder"):
        features_of_folder(Means(), tmp_path / "none")
    with pytest.raises(ValueError, match="no images in it; known suffixes"):
        features_of_folder(Means(), tmp_path)
    images.write(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a set of 1 images; two or more are needed; .*b\.png"):
        features_of_folder(Means(), tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(ValueError, match="a set of 0 images"):
        features_of_folder(Means(), tmp_path)


def test_features_are_kept_by_content_wherever_the_images_lie(folder: Path, tmp_path: Path) -> None:
    (folder / "5.png").write_bytes(b"no image")
    cache = tmp_path / "cache"
    first = features_of_folder(Means(), folder, cache=cache)
    shutil.move(folder, tmp_path / "moved")
    extractor = Means()
    again = features_of_folder(extractor, tmp_path / "moved", cache=cache)
    assert not extractor.seen and torch.equal(again.features, first.features) and again.files == first.files
    assert len(again.failed) == 1 and not list(cache.glob(".*")), "nothing half written is left"


def test_other_bytes_names_or_weights_are_seen_anew(folder: Path, tmp_path: Path) -> None:
    def asked(checksum: str = "0") -> bool:
        extractor = Means(checksum)
        features_of_folder(extractor, folder, cache=tmp_path / "cache")
        return bool(extractor.seen)

    assert asked() and not asked()
    assert asked("1"), "other weights"
    images.write(folder / "3.png", np.zeros((8, 9, 3), np.uint8))
    assert asked() and not asked(), "other bytes"
    (folder / "3.png").rename(folder / "300.png")
    assert asked(), "another name"


def test_a_damaged_cache_is_made_anew(folder: Path, tmp_path: Path) -> None:
    first = features_of_folder(Means(), folder, cache=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    for expected in (2, 0):
        extractor = Means()
        assert torch.equal(features_of_folder(extractor, folder, cache=tmp_path / "cache").features, first.features)
        assert len(extractor.seen) == expected


def test_a_cache_that_cannot_be_written_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="no folder to keep features in"):
        features_of_folder(Means(), folder, cache=tmp_path / "file")
