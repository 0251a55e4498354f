import json
from pathlib import Path

import numpy as np
import pytest

from i2i.data.tile import offsets, tile_folder
from i2i_runtime import images


def picture(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    """An image whose 16-bit pixels are all different, so that a tile has one position."""
    values = np.arange(height * width * channels, dtype=np.uint64) * 40503
    return (values % (np.iinfo(dtype).max + 1)).astype(dtype).reshape(height, width, channels)


def put(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, image)
    return path


@pytest.mark.parametrize("length", [1, 479, 480, 481, 720, 721, 1000, 2040])
@pytest.mark.parametrize("size, step", [(480, 240), (480, 480), (100, 33), (7, 1)])
def test_tiles_cover_a_side_without_holes_and_end_at_its_border(length, size, step):
    begin = offsets(length, size, step)
    ends = [min(start + size, length) for start in begin]
    assert begin[0] == 0 and ends[-1] == length
    assert all(end - start == min(size, length) for start, end in zip(begin, ends, strict=True))
    gaps = np.diff(begin)
    assert (gaps[:-1] == step).all() and ((gaps > 0) & (gaps <= step)).all()


def test_the_published_grid_of_a_div2k_image():
    # 2040x1404 pixels; the last tile of a column ends at the border.
    assert offsets(2040, 480, 240) == [0, 240, 480, 720, 960, 1200, 1440, 1560]
    assert offsets(1404, 480, 240) == [0, 240, 480, 720, 924]


@pytest.mark.parametrize("channels, dtype", [(1, np.uint8), (3, np.uint16), (4, np.uint8), (4, np.uint16)])
def test_tiles_are_windows_of_the_image_as_stored(tmp_path, channels, dtype):
    image = picture(25, 42, channels, dtype)
    put(tmp_path / "in/deep/photo.tif", image)
    report = tile_folder(tmp_path / "in", tmp_path / "out", size=16, step=8)
    places = [(top, left) for top in (0, 8, 9) for left in (0, 8, 16, 24, 26)]
    assert (report.images, report.written, report.skipped, report.failed) == (1, 15, 0, [])
    for at, (top, left) in enumerate(places, 1):
        tile = images.read(tmp_path / f"out/deep/photo_s{at:03d}.png")
        assert tile.dtype == dtype and (tile == image[top : top + 16, left : left + 16]).all()
    assert len(images.list_images(tmp_path / "out")) == 15


def test_a_side_shorter_than_a_tile_is_not_cut(tmp_path):
    small, flat = picture(9, 10), picture(9, 30)
    put(tmp_path / "in/small.png", small), put(tmp_path / "in/flat.png", flat)
    tile_folder(tmp_path / "in", tmp_path / "out", size=16, step=16)
    assert (images.read(tmp_path / "out/small_s001.png") == small).all()
    tiles = [images.read(tmp_path / f"out/flat_s00{at}.png") for at in (1, 2)]
    assert (tiles[0] == flat[:, :16]).all() and (tiles[1] == flat[:, 14:]).all()
    assert len(images.list_images(tmp_path / "out")) == 3


def test_a_second_call_writes_missing_tiles_only(tmp_path):
    for name in ("1", "2"):
        put(tmp_path / f"in/{name}.png", picture(20, 20))
    grid = {"size": 16, "step": 8}
    assert tile_folder(tmp_path / "in", tmp_path / "out", **grid).written == 8
    lost, kept = tmp_path / "out/1_s002.png", tmp_path / "out/1_s003.png"
    content = lost.read_bytes()
    lost.unlink(), kept.write_bytes(b"touched")
    report = tile_folder(tmp_path / "in", tmp_path / "out", **grid)
    assert (report.images, report.written, report.skipped) == (2, 1, 7)
    assert lost.read_bytes() == content and kept.read_bytes() == b"touched"


def test_tiles_of_another_grid_are_refused(tmp_path):
    put(tmp_path / "in/1.png", picture(20, 20))
    tile_folder(tmp_path / "in", tmp_path / "out", size=16, step=8)
    there = sorted(path.name for path in (tmp_path / "out").iterdir())
    with pytest.raises(ValueError, match=r'out: holds tiles of \{"size": 16, "step": 8\} already, .* another folder'):
        tile_folder(tmp_path / "in", tmp_path / "out", size=16, step=4)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == there


def test_an_unreadable_image_is_reported_and_does_not_stop_the_rest(tmp_path):
    for name in ("1", "2", "3"):
        put(tmp_path / f"in/{name}.png", picture(20, 20))
    (tmp_path / "in/0.png").write_bytes(b"no image")
    cut_off = tmp_path / "in/2.png"
    cut_off.write_bytes(cut_off.read_bytes()[:-80])
    progress: list[tuple[int, int]] = []
    report = tile_folder(tmp_path / "in", tmp_path / "out", size=16, step=8, progress=lambda *at: progress.append(at))
    assert report.images == 2 and report.written == 8
    assert ["0.png" in report.failed[0], "2.png" in report.failed[1], len(report.failed)] == [True, True, 2]
    assert progress == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert {path.name.split("_")[0] for path in images.list_images(tmp_path / "out")} == {"1", "3"}


def test_the_result_is_the_same_whatever_the_threads(tmp_path):
    for name in range(5):
        put(tmp_path / f"in/{name}.png", picture(20 + name, 20))
    for threads in (1, 3):
        tile_folder(tmp_path / "in", tmp_path / str(threads), size=16, step=8, threads=threads)
    one, three = ({path.name: path.read_bytes() for path in (tmp_path / n).iterdir()} for n in ("1", "3"))
    assert one == three and len(one) > 20


@pytest.mark.parametrize("size, step", [(16, 0), (16, 17), (0, 0)])
def test_a_grid_with_gaps_is_refused(tmp_path, size, step):
    put(tmp_path / "in/1.png", picture(20, 20))
    with pytest.raises(ValueError, match=f"tile: size {size} and step {step}; allowed: a step of 1 pixel to size"):
        tile_folder(tmp_path / "in", tmp_path / "out", size=size, step=step)
    assert not (tmp_path / "out").exists()


def test_folders_that_cannot_be_cut_are_refused_before_anything_is_written(tmp_path):
    put(tmp_path / "in/1.png", picture(20, 20))
    with pytest.raises(ValueError, match=r"in/tiles: lies in the source, .*in; choose another target"):
        tile_folder(tmp_path / "in", tmp_path / "in/tiles")
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        tile_folder(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty: no images in it; known suffixes: \.png"):
        tile_folder(tmp_path / "empty", tmp_path / "out")
    put(tmp_path / "in/1.jpg", picture(20, 20))
    with pytest.raises(ValueError, match=r"1\.jpg and 1\.png: their tiles would have the same names; rename one"):
        tile_folder(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (tmp_path / "in/tiles").exists()


def test_tiles_of_low_and_high_resolution_are_pairs(tmp_path):
    from i2i.data.folders import find_pairs

    low = picture(30, 26)
    put(tmp_path / "low/1x2.png", low), put(tmp_path / "high/1.png", low.repeat(2, 0).repeat(2, 1))
    tile_folder(tmp_path / "low", tmp_path / "low_tiles", size=10, step=6)
    tile_folder(tmp_path / "high", tmp_path / "high_tiles", size=20, step=12)
    pairs = find_pairs(tmp_path / "low_tiles", tmp_path / "high_tiles", scale=2)
    assert len(pairs.train) + len(pairs.test) == 20
    for small, large in pairs.train:
        assert (images.read(small).repeat(2, 0).repeat(2, 1) == images.read(large)).all()


def test_the_grid_file_is_hidden_and_holds_the_grid(tmp_path):
    put(tmp_path / "in/1.png", picture(8, 8))
    tile_folder(tmp_path / "in", tmp_path / "out")
    (file,) = (path for path in (tmp_path / "out").iterdir() if path.name.startswith("."))
    assert json.loads(file.read_text()) == {"size": 480, "step": 240}


def test_the_command_prints_counts_and_returns_3_for_an_unreadable_image(tmp_path, capsys):
    from i2i.cli.data import tile

    put(tmp_path / "in/1.png", picture(20, 20))
    assert tile(tmp_path / "in", tmp_path / "out", size=16, step=8) == 0
    assert "1 image: 4 tiles written\n" in capsys.readouterr().out
    (tmp_path / "in/2.png").write_bytes(b"no image")
    assert tile(tmp_path / "in", tmp_path / "out", size=16, step=8) == 3
    assert "1 image: 0 tiles written, 4 existed\n1 failed:\n" in (out := capsys.readouterr().out)
    assert "2.png" in out
