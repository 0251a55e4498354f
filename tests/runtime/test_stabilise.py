"""A stabiliser steadies what stands still or moves, and leaves alone what was not there before."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from i2i.data.world import draw_drive
from i2i.data.world.drive import DriveFrame
from i2i_runtime.motion import warp
from i2i_runtime.stabilise import Stabiliser
from i2i_runtime.stream import Stream

SIZE = 96


class Flickering:
    """A model that gives negatives, with noise of its own in every frame, of so many grey levels."""

    def __init__(self, noise: float, scale: int = 1) -> None:
        self._noise, self._scale, self._rng = noise, scale, np.random.default_rng(0)

    def clean(self, frame: np.ndarray) -> np.ndarray:
        return 255 - frame.repeat(self._scale, 0).repeat(self._scale, 1)

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        clean = self.clean(frame)
        noise = self._noise * self._rng.standard_normal(clean.shape)
        return np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def drive() -> list[DriveFrame]:
    return list(draw_drive(size=SIZE, seed=0, index=1, frames=8))


def textured(height: int = 64, width: int = 96, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "kind", ["colour", "grey", "flat grey", "with alpha", "16 bits", "float", "tiny", "twice as large"]
)
def test_a_static_scene_becomes_exactly_static(kind: str) -> None:
    frame = textured()
    frame = {
        "grey": frame[..., :1],
        "flat grey": frame[..., 0],
        "with alpha": np.dstack([frame, frame[..., :1]]),
        "16 bits": frame.astype(np.uint16) * 257,
        "float": frame.astype(np.float32) / 255,
        "tiny": frame[:5, :7],
    }.get(kind, frame)
    rng = np.random.default_rng(0)
    larger = frame.repeat(2, 0).repeat(2, 1) if kind.startswith("twice") else frame
    results = [(larger * rng.uniform(0.5, 1, larger.shape)).astype(frame.dtype) for _ in range(4)]
    stabilised = Stabiliser(0.5)
    first, *others = (stabilised(frame.copy(), result) for result in results)
    np.testing.assert_array_equal(first, results[0])
    assert first.dtype == results[0].dtype
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_what_stands_still_beside_a_motion_stays_exactly_as_it_was() -> None:
    background, car = textured(), textured(20, 20, seed=3)
    stabilised, model = Stabiliser(1.0), Flickering(8)
    results = []
    for left in (10, 13, 16, 19):
        frame = background.copy()
        frame[20:40, left : left + 20] = car
        results.append(stabilised(frame, model(frame)))
    away = np.ones(background.shape[:2], bool)
    away[10:50, :50] = False
    for result in results[1:]:
        np.testing.assert_array_equal(result[away], results[0][away])
        assert (result != results[0]).any()


@pytest.mark.parametrize("what", ["sim", "real"])
def test_no_ghost_of_the_scene_before_is_seen_after_a_cut(what: str) -> None:
    shots = [[getattr(f, what) for f in draw_drive(size=SIZE, seed=4, index=i, frames=2)] for i in range(5)]
    for one in shots:
        for other in shots:
            stabilised, model = Stabiliser(1.0), Flickering(8)
            for frame in one:
                stabilised(frame, model(frame))
            result = model(other[0])
            if one is not other:
                np.testing.assert_array_equal(stabilised(other[0], result), result)


def test_results_that_move_are_steadier_and_nearer_to_the_truth(drive: list[DriveFrame]) -> None:
    """Flicker is measured along the exact flow; averaging over frames also takes the noise off."""
    model, plain = Flickering(10), Flickering(10)
    stream = Stream(model, stabilise=0.7)
    ours, theirs = [stream(frame.real) for frame in drive], [plain(frame.real) for frame in drive]

    def flicker(results: list[np.ndarray]) -> float:
        errors = []
        for frame, (first, second) in zip(drive, pairwise(results), strict=False):
            assert frame.motion is not None
            difference = warp(second.astype(np.float32), frame.motion.flow) - first
            errors.append(np.square(difference[frame.motion.visible]).mean())
        return float(np.mean(errors))

    def error(results: list[np.ndarray]) -> float:
        return float(np.mean([np.square(model.clean(f.real) - r.astype(float)) for f, r in zip(drive, results)]))  # noqa: B905

    assert flicker(ours) < 0.5 * flicker(theirs)
    assert error(ours) < 0.8 * error(theirs)


def test_the_motion_of_a_larger_result_is_as_much_larger() -> None:
    whole = textured(64, 140)
    model = Flickering(0, scale=2)
    stabilised = Stabiliser(1.0)
    for left in range(0, 40, 4):
        frame = np.ascontiguousarray(whole[:, left : left + 96])
        result = stabilised(frame, model(frame))
        assert np.abs(result.astype(int) - model.clean(frame))[8:-8, 8:-16].mean() < 4
    assert result.shape == (128, 192, 3)


def test_what_comes_into_view_is_not_mixed_with_what_hid_it() -> None:
    background = textured()
    stabilised, model = Stabiliser(0.9), Flickering(0)
    for left in (10, 10, 26):
        frame = background.copy()
        frame[20:40, left : left + 20] = (255, 0, 0)
        result = stabilised(frame, model(frame))
    uncovered = np.s_[22:38, 11:24]
    assert np.abs(result[uncovered].astype(int) - model.clean(frame)[uncovered]).mean() < 3


def test_what_enters_at_the_border_is_as_it_was_translated() -> None:
    scene = (textured(64, 140).astype(np.float32) / 8 + 100).astype(np.uint8)  # so faint that its border agrees, too
    stabilised = Stabiliser(1.0)
    for left, level in ((0, 0), (8, 200)):
        frame = np.ascontiguousarray(scene[:, left : left + 96])
        result = stabilised(frame, np.full_like(frame, level))
    assert (result[:, -6:] == 200).mean() > 0.8 and (result[:, 20:60] < 100).mean() > 0.9


def test_noise_without_edges_is_no_cut() -> None:
    stabilised, rng = Stabiliser(1.0), np.random.default_rng(0)
    frames = [np.rint(60 + 2 * rng.standard_normal((64, 96, 3))).astype(np.uint8) for _ in range(2)]
    stabilised(frames[0], np.full_like(frames[0], 0))
    assert stabilised(frames[1], np.full_like(frames[1], 200)).mean() < 50


def test_a_frame_of_another_size_begins_anew() -> None:
    stabilised = Stabiliser(0.9)
    stabilised(textured(), textured(seed=1))
    result = textured(48, 48, seed=2)
    np.testing.assert_array_equal(stabilised(textured(48, 48), result), result)


def test_a_stream_is_not_stabilised_unless_asked_for() -> None:
    model, again = Flickering(8), Flickering(8)
    stream = Stream(model)
    for frame in [textured()] * 2:
        np.testing.assert_array_equal(stream(frame), again(frame))


@pytest.mark.parametrize("strength", [0, -0.1, 1.1, float("nan")])
def test_other_strengths_are_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="allowed: above 0, to 1"):
        Stabiliser(strength)
