"""Images are pairs side by side if there is a seam in the middle of them or the edges of their halves align."""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from i2i.data.folders import find_pairs
from i2i.data.halves import are_side_by_side, has_aligned_halves, has_seam
from i2i.data.layouts import check_side_by_side
from i2i.data.world import draw_scene
from i2i_runtime import images
from tests.data.files import put

SCENES = [draw_scene(size=96, seed=0, index=index) for index in range(6)]
FRAMES = [draw_scene(size=128, seed=1, index=index).real[40:104] for index in range(6)]  # 128x64


def written(folder: Path, pictures: list[np.ndarray]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index}.png" for index in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        images.write(path, picture)
    return paths


def on_white(picture: np.ndarray) -> np.ndarray:
    """The disc in the middle of a picture on white, as shoes and handbags are photographed."""
    disc = cv2.circle(np.zeros(picture.shape[:2], np.uint8), (48, 48), 36, 1, cv2.FILLED)
    return np.where(disc[..., None] > 0, picture, 255).astype(np.uint8)


def outlines(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(255 - cv2.Canny(picture, 60, 120), cv2.COLOR_GRAY2RGB)


def test_pairs_of_two_styles_have_a_seam_and_aligned_halves() -> None:
    for scene in SCENES:
        pair = np.hstack([scene.sim, scene.real])
        assert has_seam(pair) and has_aligned_halves(pair)


def test_halves_that_are_unrelated_do_not_align() -> None:
    for scene, other in pairwise(SCENES):
        assert not has_aligned_halves(np.hstack([scene.sim, np.roll(other.real, 17, axis=0)]))


def test_line_drawings_on_white_beside_their_photos_align_without_a_seam() -> None:
    pairs = [np.hstack([outlines(on_white(scene.real)), on_white(scene.real)]) for scene in SCENES]
    assert not any(map(has_seam, pairs)) and all(map(has_aligned_halves, pairs))


def test_frames_have_neither() -> None:
    assert sum(has_seam(frame) or has_aligned_halves(frame) for frame in FRAMES) <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_kind_of_file_is_judged(dtype: type, channels: int) -> None:
    flat = np.full((16, 32, channels), 9, dtype)
    assert not has_seam(flat) and not has_aligned_halves(flat)
    flat[:, 16:] = np.iinfo(dtype).max
    assert has_seam(flat)


def test_frames_of_twice_their_height_in_one_folder_are_refused_with_the_option(tmp_path: Path) -> None:
    written(tmp_path / "train", FRAMES)
    with pytest.raises(
        ValueError, match=r"twice as wide as high, but .*may be single images; .*data.layout=side-by-side"
    ):
        find_pairs(tmp_path)
    assert find_pairs(tmp_path, layout="side-by-side").side_by_side


def test_half_of_the_images_decide_and_unreadable_ones_have_no_vote(tmp_path: Path) -> None:
    pairs = written(tmp_path / "pairs", [np.hstack([scene.sim, scene.real]) for scene in SCENES[:2]])
    frames = written(tmp_path / "frames", [frame for frame in FRAMES if not has_seam(frame)][:3])
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert are_side_by_side([*pairs, *frames[:2], tmp_path / "broken.png"])
    assert not are_side_by_side([*pairs, *frames]) and not are_side_by_side([tmp_path / "broken.png"])


def test_published_pairs_are_recognised_and_real_frames_are_not(shared: Path, tmp_path: Path) -> None:
    assert find_pairs(shared / "data/facades").side_by_side
    for folder in ("carla2camvid/trainA", "carla2camvid/trainB", "simstreet/testA", "horse2zebra/testB", "bsds200"):
        names = images.list_images(shared / "data" / folder)[::8]
        photos = [images.read(shared / "data" / folder / name) for name in names]
        crops = [photo[: min(photo.shape[0], photo.shape[1] // 2)] for photo in photos]
        paths = written(tmp_path / folder, [crop[:, : 2 * crop.shape[0]] for crop in crops])
        with pytest.raises(ValueError, match="may be single images"):
            check_side_by_side(tmp_path, paths, "auto")


def test_noise_is_no_pair(tmp_path: Path) -> None:
    paths = [put(tmp_path / f"{index}.png", (32, 64, 3), seed=index) for index in range(8)]
    assert not are_side_by_side(paths)
