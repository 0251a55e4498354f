"""Warping error grows with noise, and neither motion, occlusions nor cuts count as flicker."""

import itertools

import cv2
import numpy as np
import pytest

from i2i.metrics.warp_error import Frame, Motion, mean_flicker, motion_between, warp_error, warp_errors


def texture(height: int = 64, width: int = 96, seed: int = 0) -> np.ndarray:
    """Smooth random colours, whose motion can be estimated."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def moving(count: int = 3, step: int = 2) -> list[np.ndarray]:
    """Frames of a camera that pans to the right."""
    whole = texture(width=96 + step * count)
    return [whole[:, step * time : step * time + 96] for time in range(count)]


def noisy(frames: list[np.ndarray], amount: float) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [
        np.clip(np.rint(frame + amount * rng.standard_normal(frame.shape)), 0, 255).astype(np.uint8) for frame in frames
    ]


def errors(images: list[np.ndarray], sources: list[np.ndarray]) -> list[tuple[float, float]]:
    frames = [Frame(*both) for both in zip(images, sources, strict=True)]
    return [warp_errors(*both) for both in itertools.pairwise(frames)]


def test_motion_of_a_panning_camera_is_estimated() -> None:
    first, second = moving(2, step=3)
    found = motion_between(first, second)
    assert found.visible[:, 3:-6].mean() > 0.95
    assert not found.visible[:, :2].any()  # leaves the image
    assert np.abs(found.flow[found.visible] - (-3, 0)).mean() < 0.2


def test_error_of_noise_on_a_static_sequence_is_twice_its_variance() -> None:
    still = [texture()] * 3
    assert mean_flicker(errors(still, still)) == (0, 0, 1, 2)
    for amount in (2, 5, 10):
        report = mean_flicker(errors(noisy(still, amount), still))
        # The difference of two independent noises has twice the variance; rounding adds 1/12 of a grey level.
        assert report.warp_error == pytest.approx(2 * (amount**2 + 1 / 12) / 255**2, rel=0.05)
        assert report.ratio == float("inf")


def test_flicker_of_a_moving_sequence_grows_with_noise() -> None:
    frames = moving()
    found = [mean_flicker(errors(noisy(frames, amount), frames)) for amount in (0, 3, 10)]
    assert found[0].ratio == 1
    assert found[0].warp_error < found[1].warp_error < found[2].warp_error
    assert len({each.source_warp_error for each in found}) == 1
    assert found[2].ratio == found[2].warp_error / found[2].source_warp_error


def test_warping_removes_motion() -> None:
    first, second = moving(2)
    warped = warp_error(first, second, motion_between(first, second))
    still = warp_error(first, second, motion_between(first, first))
    assert warped < still / 50


def test_a_texture_that_sticks_to_the_screen_flickers() -> None:
    frames = moving()
    stuck = [texture(seed=5)] * len(frames)
    follows = [255 - frame for frame in frames]
    assert mean_flicker(errors(stuck, frames)).ratio > 20
    assert mean_flicker(errors(follows, frames)).ratio == pytest.approx(1)


def test_occluded_pixels_are_not_compared() -> None:
    background, patch = texture(96, 160), texture(96, 160, seed=3)[:48, :48]
    frames = []
    for left in (40, 56):
        frame = background.copy()
        frame[24:72, left : left + 48] = patch
        frames.append(frame)
    found = motion_between(*frames)
    assert found.visible[24:72, 88:104].mean() < 0.2  # covered by the patch in the second frame
    assert found.visible[:, :30].mean() > 0.95


def test_only_visible_pixels_count() -> None:
    first, second = np.zeros((16, 20, 3), np.uint8), np.zeros((16, 20, 3), np.uint8)
    second[:, :5] = 51
    visible = np.ones((16, 20), bool)
    still = np.zeros((16, 20, 2), np.float32)
    assert warp_error(first, second, Motion(still, visible)) == pytest.approx(0.2**2 / 4)
    visible[:, :5] = False
    assert warp_error(first, second, Motion(still, visible)) == 0
    assert np.isnan(warp_error(first, second, Motion(still, np.zeros_like(visible))))


def test_pairs_without_visible_pixels_do_not_count() -> None:
    nothing = (float("nan"), float("nan"))
    assert mean_flicker([(0.2, 0.1), nothing, (0.4, 0.1)]) == pytest.approx((0.3, 0.1, 3, 2))
    assert mean_flicker([nothing]).pairs == 0
    assert np.isnan(mean_flicker([]).ratio)


def test_frames_of_different_or_small_sizes_raise() -> None:
    small, large = texture(32, 32), texture(32, 40)
    with pytest.raises(ValueError, match="a frame of 40x32, but the source has 32x32"):
        warp_errors(Frame(large, small), Frame(small, small))
    with pytest.raises(ValueError, match="32x32 and 40x32 pixels"):
        motion_between(small, large)
    with pytest.raises(ValueError, match="allowed: equal sizes from 16x16"):
        motion_between(small[:8], small[:8])
