"""The world in motion: its optical flow is exact, and a drive is the same whatever is drawn with it."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from i2i.data.flow_files import read_flow, write_flow
from i2i.data.labels.class_map import read_class_names
from i2i.data.world import CLASSES, Gap, draw_drive, make_world
from i2i.data.world.drive import Drive, DriveFrame, Moving, draw_street
from i2i.data.world.gap import NO_GAP
from i2i.data.world.layers import GROUND, rasterise
from i2i.data.world.roadside import car
from i2i.data.world.street import Camera, Road, SceneObject
from i2i_runtime import images
from i2i_runtime.motion import Motion, estimate_motion, warp

SIZE = 96


@pytest.fixture(scope="module", params=[1, 3])
def frames(request: pytest.FixtureRequest) -> list[DriveFrame]:
    return list(draw_drive(size=SIZE, seed=0, index=request.param, frames=5))


def error_along(frames: list[DriveFrame], *, factor: float = 1, shift: tuple[float, float] = (0, 0)) -> float:
    """Mean squared difference of real frames and the next ones, warped by their flow, or by a wrong one."""
    errors = []
    for frame, following in pairwise(frames):
        assert frame.motion is not None
        flow = np.float32(factor) * frame.motion.flow + np.float32(shift)
        difference = warp(following.real.astype(np.float32), flow) - frame.real
        errors.append(np.square(difference[frame.motion.visible]).mean())
    return float(np.mean(errors))


def test_warping_by_the_flow_gives_the_next_frame_where_visible(frames: list[DriveFrame]) -> None:
    for frame, following in pairwise(frames):
        assert frame.motion is not None
        flow, visible = frame.motion
        assert flow.shape == (SIZE, SIZE, 2) and 0.6 < visible.mean() < 0.95
        square = np.ones((3, 3), np.uint8)
        within = visible & (cv2.dilate(frame.labels, square) == cv2.erode(frame.labels, square))
        labels = warp(following.labels, flow, interpolation=cv2.INTER_NEAREST)
        assert within.mean() > 0.5 and (labels == frame.labels)[within].mean() > 0.998
    assert frames[-1].motion is None


@pytest.mark.parametrize("wrong", [{"factor": 0.7}, {"factor": 1.3}, {"shift": (0.3, 0)}, {"shift": (0, -0.3)}])
def test_no_other_flow_is_as_exact(frames: list[DriveFrame], wrong: dict[str, Any]) -> None:
    assert 1.03 * error_along(frames) < error_along(frames, **wrong)
    assert error_along(frames) < 0.6 * error_along(frames, factor=0)


def test_the_flow_is_what_is_estimated_from_real_frames() -> None:
    first, second = draw_drive(size=192, seed=0, index=1, frames=2)
    exact, estimated = first.motion, estimate_motion(first.real, second.real)
    assert exact is not None
    where = exact.visible & estimated.visible
    apart, length = (np.linalg.norm(flow, axis=2)[where] for flow in (exact.flow - estimated.flow, exact.flow))
    assert np.median(apart) < 0.25 * np.median(length)


def plain_drive(*objects: Moving) -> Drive:
    """A straight, empty road; the camera drives half a metre a frame."""
    road = Road(-2, 0.0, 4.0, 2.0, -100, 0.0, 0.5, 0.7)
    wall = np.array([(-30.0, 0, 160), (-30, 20, 160), (30, 20, 160), (30, 0, 160)])
    skyline = SceneObject(160, [car(0, 160, 0.5, 1).facets[0]._replace(corners=wall)], [])
    return Drive(Camera(0.9, 1.6, 0.5, 0.5), road, 1, 0.5, skyline, [Moving(car(0, -50, 0.5, 1)), *objects])


def motion_of(drive: Drive) -> Motion:
    layers = [rasterise(drive.street(frame), SIZE) for frame in (0, 1)]
    return drive.motion(0, layers[0], layers[1])


def test_the_ground_comes_nearer_by_the_closed_form_and_the_skyline_does_not() -> None:
    drive = plain_drive()
    motion, surface = motion_of(drive), rasterise(drive.street(0), SIZE).surface
    row = SIZE - 10
    below = (row + 0.5) / SIZE - 0.5  # of the horizon
    z = 0.9 * 1.6 / below
    assert surface[row, 70] == GROUND
    factor = z / (z - 0.5)
    expected = (70.5 - SIZE / 2) * (factor - 1), SIZE * below * (factor - 1)
    np.testing.assert_allclose(motion.flow[row, 70], expected, rtol=1e-4)
    assert np.abs(motion.flow[: SIZE // 2 - 12]).max() < 1e-4


def test_a_car_at_the_speed_of_the_camera_stands_still_in_the_image() -> None:
    drive = plain_drive(Moving(car(0, 10, 0.5, 1), 0.5))
    labels = rasterise(drive.street(0), SIZE).labels
    is_car = labels == CLASSES.index("car")
    assert is_car.sum() > 100 and np.abs(motion_of(drive).flow[is_car]).max() < 1e-4
    np.testing.assert_array_equal(rasterise(drive.street(9), SIZE).labels == CLASSES.index("car"), is_car)


def test_pixels_that_a_car_covers_are_not_visible() -> None:
    drive = plain_drive(Moving(car(-3, 12, 0.5, 1), -4.0))
    layers = rasterise(drive.street(0), SIZE)
    x = layers.u + drive.road.centre
    # Nearer than 9.6 m the ground is seen under the car.
    where_it_comes = (layers.surface == GROUND) & (np.abs(x + 3) < 0.8) & (layers.depth > 9.8) & (layers.depth < 11.8)
    assert where_it_comes.sum() > 20 and not motion_of(drive).visible[where_it_comes].any()
    assert motion_of(plain_drive()).visible[where_it_comes].all()


def test_fewer_frames_are_the_first_ones_of_more(frames: list[DriveFrame]) -> None:
    first, _ = draw_drive(size=SIZE, seed=0, index=1, frames=2)
    again = next(draw_drive(size=SIZE, seed=0, index=1, frames=9))
    for ours, theirs in zip(first[:3], again[:3], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other = next(draw_drive(size=SIZE, seed=1, index=1, frames=2))
    assert np.mean(other.labels != first.labels) > 0.05


def test_real_frames_keep_their_texture_and_have_noise_of_their_own() -> None:
    """Half of the squared difference along the motion is that of the noise, but for what interpolation takes off."""
    first, second = draw_drive(size=SIZE, seed=0, index=1, frames=2)
    sky = (first.labels == 0) & (second.labels == 0)
    assert np.square(first.real[sky].astype(float) - second.real[sky]).mean() == pytest.approx(2 * 2.5**2, rel=0.2)


def test_the_end_of_the_longest_drive_is_a_street() -> None:
    for seed in range(5):
        end = rasterise(draw_street(np.random.default_rng(seed), NO_GAP).street(239), 48).labels
        assert len(np.unique(end)) >= 6 and 0.2 < (end == CLASSES.index("road")).mean() < 0.6


@pytest.mark.parametrize("count", [0, 1, 241])
def test_drives_without_motion_or_end_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} frames; allowed: from 2 to 240"):
        next(draw_drive(size=32, seed=0, index=0, frames=count))


def test_sequences_are_folders_of_frames_with_labels_and_flow(tmp_path: Path) -> None:
    make_world(tmp_path / "world", count=1, size=32, seed=3, sequence=3, gap=Gap(cars=0))
    world = tmp_path / "world"
    drive = list(draw_drive(size=32, seed=3, index=2_000_000, frames=3, gap=Gap(cars=0)))
    for number, frame in enumerate(drive):
        name = f"real00000/{number:05d}.png"
        np.testing.assert_array_equal(images.read(world / "trainB" / name), frame.real)
        np.testing.assert_array_equal(images.read(world / "truth/trainB_labels" / name)[..., 0], frame.labels)
        if frame.motion is not None:
            flow, visible = read_flow(world / "truth/trainB_flow" / name)
            np.testing.assert_allclose(flow[visible], frame.motion.flow[visible], atol=1 / 128)
            np.testing.assert_array_equal(visible, frame.motion.visible)
    counts = {"trainA": 3, "trainA_labels": 3, "trainA_flow": 2}
    assert {kind: len(list(world.glob(f"{kind}/00000/*.png"))) for kind in counts} == counts
    assert read_class_names(world / "testA_labels" / "classes.txt") == CLASSES


def test_flow_files_hold_64ths_of_a_pixel_and_no_other_file_is_one(tmp_path: Path) -> None:
    flow = np.array([[[0, 1 / 64], [-3.5, 2000]]], np.float32)
    write_flow(tmp_path / "flow.png", Motion(flow, np.array([[True, False]])))
    again = read_flow(tmp_path / "flow.png")
    np.testing.assert_array_equal(again.flow[0, 0], flow[0, 0])
    assert again.flow[0, 1, 0] == -3.5 and 511 < again.flow[0, 1, 1] < 512
    np.testing.assert_array_equal(again.visible, [[True, False]])
    # The format itself: red, green and blue, as others read it.
    np.testing.assert_array_equal(images.read(tmp_path / "flow.png")[0, 0], [32768, 32769, 1])
    images.write(tmp_path / "photo.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(ValueError, match=r"photo.png: no optical flow"):
        read_flow(tmp_path / "photo.png")
