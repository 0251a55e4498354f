"""Features of folders: in order for any sizes, bad images named, cached by content."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.metrics.features import FeatureExtractor, features_of_folder
from i2i_runtime import images


class Means(FeatureExtractor):
    """Mean and deviation of each channel; `seen` are the shapes of its batches."""

    def __init__(self, checksum: str = "0") -> None:
        super().__init__("means", checksum, "cpu")
        self.seen: list[tuple[int, ...]] = []

    def extract(self, images: Tensor) -> Tensor:
        self.seen.append(tuple(images.shape))
        return torch.cat([images.mean((2, 3)), images.std((2, 3))], 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """40 images of two alternating sizes, some of them grey, 16-bit or transparent."""
    random = np.random.default_rng(0)
    (tmp_path / "set/inner").mkdir(parents=True)
    for index in range(40):
        size, channels = ((8, 9), (12, 7))[index % 2], (1, 3, 4)[index % 3]
        kind = np.uint16 if index % 4 == 0 else np.uint8
        pixels = random.integers(0, np.iinfo(kind).max, (*size, channels), dtype=kind, endpoint=True)
        images.write(tmp_path / f"set/{'inner/' * (index > 30)}{index}.png", pixels)
    return tmp_path / "set"


def test_rows_follow_the_names_and_images_of_one_size_share_batches(folder: Path) -> None:
    extractor, reported = Means(), []
    found = features_of_folder(extractor, folder, progress=lambda done, total: reported.append((done, total)))
    assert found.files == images.list_images(folder) and not found.failed
    for row, name in zip(found.features, found.files, strict=True):
        pixels = images.to_float(images.with_channels(images.read(folder / name), 3))
        single = extractor(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0]
        torch.testing.assert_close(row, single)
    assert extractor.seen[:2] == [(20, 3, 8, 9), (20, 3, 12, 7)] and reported == [(20, 40), (40, 40)]


def test_large_images_have_small_batches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.metrics.features.folder._PIXELS", 200)
    extractor = Means()
    assert len(features_of_folder(extractor, folder).features) == 40
    assert {shape[0] for shape in extractor.seen} == {2}


def test_a_bad_image_is_left_out_and_named(folder: Path) -> None:
    (folder / "5.png").write_bytes(b"no image")
    whole = (folder / "7.png").read_bytes()
    (folder / "7.png").write_bytes(whole[: len(whole) // 2])
    found = features_of_folder(Means(), folder)
    assert len(found.features) == len(found.files) == 38 and Path("5.png") not in found.files
    assert [str(folder / name) in said for name, said in zip(("5.png", "7.png"), found.failed, strict=True)] == [
        True
    ] * 2


def test_folders_of_fewer_than_two_images_raise(tmp_path: Path) -> None:
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


def test_cached_features_are_found_after_the_folder_moves(folder: Path, tmp_path: Path) -> None:
    (folder / "5.png").write_bytes(b"no image")
    cache = tmp_path / "cache"
    first = features_of_folder(Means(), folder, cache=cache)
    shutil.move(folder, tmp_path / "moved")
    extractor = Means()
    again = features_of_folder(extractor, tmp_path / "moved", cache=cache)
    assert not extractor.seen and torch.equal(again.features, first.features) and again.files == first.files
    assert len(again.failed) == 1 and not list(cache.glob(".*")), "no temporary file is left"


def test_other_bytes_names_or_weights_miss_the_cache(folder: Path, tmp_path: Path) -> None:
    def misses(checksum: str = "0") -> bool:
        extractor = Means(checksum)
        features_of_folder(extractor, folder, cache=tmp_path / "cache")
        return bool(extractor.seen)

    assert misses() and not misses()
    assert misses("1"), "other weights"
    images.write(folder / "3.png", np.zeros((8, 9, 3), np.uint8))
    assert misses() and not misses(), "other bytes"
    (folder / "3.png").rename(folder / "300.png")
    assert misses(), "another name"


def test_a_damaged_cache_file_is_replaced(folder: Path, tmp_path: Path) -> None:
    first = features_of_folder(Means(), folder, cache=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    for expected in (2, 0):
        extractor = Means()
        assert torch.equal(features_of_folder(extractor, folder, cache=tmp_path / "cache").features, first.features)
        assert len(extractor.seen) == expected


def test_a_cache_that_cannot_be_written_raises(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="no folder to keep features in"):
        features_of_folder(Means(), folder, cache=tmp_path / "file")
