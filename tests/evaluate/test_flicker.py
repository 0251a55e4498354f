"""Flicker of folders: each folder is a sequence, in natural order."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from i2i.evaluate.flicker import temporal_flicker
from i2i.metrics.warp_error import Frame, mean_flicker, warp_errors
from i2i_runtime import images


def textured(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (40, 48, 3)).astype(np.uint8)
    return cv2.equalizeHist(cv2.GaussianBlur(noise[..., 0], (0, 0), 2))[..., None].repeat(3, 2)


def written(folder: Path, frames: dict[str, np.ndarray]) -> Path:
    for name, frame in frames.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        images.write(folder / name, frame)
    return folder


def brighter(frame: np.ndarray, levels: int) -> np.ndarray:
    return np.clip(frame.astype(int) + levels, 0, 255).astype(np.uint8)


GREY = np.full((40, 48, 3), 100, np.uint8)


def test_frames_are_compared_in_natural_order_within_each_folder(tmp_path: Path) -> None:
    # Brightness grows by 10 a frame; in another order, or from folder to folder, the steps would be larger.
    names = {"x/8.png": 0, "x/9.png": 10, "x/10.png": 20, "b.png": 90, "y/1.png": 50, "y/2.png": 60, "z.png": 100}
    source = written(tmp_path / "source", {name: textured(ord(name[0])) for name in names})
    images.write(source / "z.png", textured(ord("b")))
    translated = written(tmp_path / "translated", {name: brighter(GREY, levels) for name, levels in names.items()})
    report = temporal_flicker(translated, source)
    assert report.flicker.pairs == 4
    assert report.flicker.warp_error == pytest.approx((10 / 255) ** 2)
    assert sorted(score.image.as_posix() for score in report.scores) == ["b.png", "x/8.png", "x/9.png", "y/1.png"]


def test_flicker_of_a_folder_is_that_of_its_frames(tmp_path: Path) -> None:
    frames = [brighter(textured(0), levels) for levels in (0, 3, 7)]
    sources = [np.roll(textured(0), step, axis=1) for step in (0, 1, 2)]
    names = ["1.png", "2.png", "3.png"]
    report = temporal_flicker(
        written(tmp_path / "translated", dict(zip(names, frames, strict=True))),
        written(tmp_path / "source", dict(zip(names, sources, strict=True))),
    )
    both = [Frame(*pair) for pair in zip(frames, sources, strict=True)]
    assert report.flicker == mean_flicker([warp_errors(both[0], both[1]), warp_errors(both[1], both[2])])
    assert report.flicker.ratio > 1


def test_a_bad_frame_is_reported_and_no_frames_are_compared_across_it(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(5)]
    source = written(tmp_path / "source", dict.fromkeys(names, textured(0)))
    translated = written(tmp_path / "translated", dict.fromkeys(names, GREY))
    (translated / "2.png").write_bytes(b"")
    report = temporal_flicker(translated, source)
    assert [score.image.name for score in report.scores] == ["0.png", "3.png"]
    assert report.failed[0].endswith("2.png: the file is empty")


def test_a_frame_of_another_size_is_reported(tmp_path: Path) -> None:
    frames = {"1.png": textured(0), "2.png": textured(0), "3.png": textured(0)[:32]}
    source, translated = written(tmp_path / "source", frames), written(tmp_path / "translated", frames)
    report = temporal_flicker(translated, source)
    assert report.flicker.pairs == 1
    assert "3.png: flicker: frames of 48x40 and 48x32 pixels" in report.failed[0]


def test_folders_of_single_frames_raise(tmp_path: Path) -> None:
    frames = {"x/1.png": GREY, "y/1.png": GREY}
    with pytest.raises(ValueError, match="no two images in one folder"):
        temporal_flicker(written(tmp_path / "translated", frames), written(tmp_path / "source", frames))
