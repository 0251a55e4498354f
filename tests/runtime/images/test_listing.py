"""The images of a folder: all of them, in an order that people expect, without circles."""

from pathlib import Path

import pytest

from i2i_runtime import images


def test_images_are_listed_in_natural_order_without_hidden_ones(tmp_path):
    names = ["10.png", "2.PNG", "a/1.JPeG", "a/b/3.tif", "b2/x.bmp", "b10/x.webp", "z.tiff"]
    for name in [*names, ".hidden.png", ".git/a.png", "notes.txt", "a/png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert images.list_images(tmp_path) == [Path(n) for n in ("2.PNG", "10.png", *names[2:])]


def test_links_are_followed_but_not_in_circles(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "1.png").touch()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "z")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    assert images.list_images(tmp_path) == [Path("b/1.png"), Path("dangling.png"), Path("z/1.png")]


def test_a_missing_folder_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        images.list_images(tmp_path / "nowhere")
