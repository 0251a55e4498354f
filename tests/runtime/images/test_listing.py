"""The images of a folder: all of them, in an order that people expect, without circles."""

import inspect
import sys
from pathlib import Path

import pytest

from i2i_runtime import images


def test_images_are_listed_in_natural_order_without_hidden_ones(tmp_path):
    names = ["10.png", "2.PNG", "a/1.JPeG", "a/b/3.tif", "b2/x.bmp", "b10/x.webp", "z.tiff"]
    for name in [*names, ".hidden.png", ".git/a.png", "notes.txt", "a/png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert images.list_images(tmp_path) == [Path(n) for n in ("2.PNG", "10.png", *names[2:])]


def test_links_are_followed_to_each_real_folder_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "1.png").touch()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "z")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    assert images.list_images(tmp_path) == [Path("dangling.png"), Path("z/1.png")]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b").symlink_to(tmp_path / "z")
    assert images.list_images(tmp_path / "in") == [Path("b/1.png")]


def test_diamonds_of_links_are_no_explosion(tmp_path):
    for level in range(30):
        (tmp_path / f"{level}").mkdir()
        for name in ("left", "right"):
            (tmp_path / f"{level}" / name).symlink_to(tmp_path / f"{level + 1}")
    (tmp_path / "30").mkdir()
    (tmp_path / "30" / "1.png").touch()
    assert len(images.list_images(tmp_path / "0")) == 1


def test_folders_may_be_deeper_than_the_stack(tmp_path):
    deep = tmp_path.joinpath(*["d"] * 300)
    deep.mkdir(parents=True)
    (deep / "1.png").touch()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        found = images.list_images(tmp_path)
    finally:
        sys.setrecursionlimit(limit)
    assert found == [(deep / "1.png").relative_to(tmp_path)]


def test_a_missing_folder_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        images.list_images(tmp_path / "nowhere")
