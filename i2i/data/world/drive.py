"""The world in motion: a camera drives along a street with traffic, and every frame has its exact optical flow."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from i2i.data.world.gap import NO_GAP, Gap
from i2i.data.world.houses import houses, skyline
from i2i.data.world.layers import FIRST_FACET, SKY, Layers, project, rasterise, rays
from i2i.data.world.render import Look, render_real, render_sim
from i2i.data.world.roadside import car, trees
from i2i.data.world.scene import check_arguments, draw_ground
from i2i.data.world.street import Camera, Pose, Road, SceneObject, Street
from i2i_runtime.motion import Motion, end_points, ends_inside

MOST_FRAMES = 240
_REACH = 210.0  # metres of street: the longest drive, and what is seen at its end
_SPEED = (0.25, 0.45)  # of the camera, metres a frame: 27 to 49 km/h at 30 frames a second
_ONCOMING = 35.0  # metres from one slot for an oncoming car to the next
_PARKED = 12.0  # metres, likewise


class DriveFrame(NamedTuple):
    """A frame: sim, real and labels as in a `Scene`, and the motion from it to the next one, None for the last."""

    sim: np.ndarray
    real: np.ndarray
    labels: np.ndarray
    motion: Motion | None


class Moving(NamedTuple):
    """An object and its speed along the road, in metres a frame."""

    item: SceneObject
    speed: float = 0.0


class Drive(NamedTuple):
    """A street, in coordinates of the world, and what moves on it; the camera and `backdrop` at the same speed."""

    camera: Camera
    road: Road
    sun: int
    speed: float
    backdrop: SceneObject
    objects: list[Moving]

    def pose(self, frame: int) -> Pose:
        """The camera, which keeps its lane and looks along the road."""
        z = self.speed * frame
        return Pose(self.road.middle(z) - self.road.centre, z, math.atan(2 * self.road.bend * z))

    def street(self, frame: int) -> Street:
        """The street as the camera sees it; its facets have the same indices in every frame."""
        pose, offsets = self.pose(frame), self._offsets(frame)
        items = [self.backdrop, *(moving.item for moving in self.objects)]
        facets = [facet for item in items for facet in item.facets]
        corners = _seen([[facet.corners for facet in item.facets] for item in items], offsets, pose)
        shadows = _seen([item.shadows for item in items], offsets, pose)
        ends = np.cumsum([0, *(len(item.facets) for item in items)])
        far_to_near = sorted(range(1, len(items)), key=lambda at: -items[at].z - offsets[at][1])
        order = [facet for at in (0, *far_to_near) for facet in range(ends[at], ends[at + 1])]
        moved = [facet._replace(corners=seen) for facet, seen in zip(facets, corners, strict=True)]
        return Street(self.camera, self.road, self.sun, moved, shadows, order, pose)

    def motion(self, frame: int, layers: Layers, following: Layers) -> Motion:
        """Optical flow of a frame with these layers to the next: exact, and visible where that shows the same surface.

        A pixel is visible where the four pixels around the end of its flow show its surface.
        """
        x, y, z = self._points_in_next(frame, layers)
        column, row = project(self.camera, x, y, z)
        size = len(layers.labels)
        rows, columns = np.indices((size, size), np.float32)
        flow = np.stack((column * size - 0.5 - columns, row * size - 0.5 - rows), axis=2).astype(np.float32)
        inside = ends_inside(flow) & (z > 0)
        left, top = np.floor(end_points(np.where(inside[..., None], flow, 0))).astype(int).transpose(2, 0, 1)
        right, bottom = np.minimum(left + 1, size - 1), np.minimum(top + 1, size - 1)
        corners = ((top, left), (top, right), (bottom, left), (bottom, right))
        same = [following.surface[corner] == layers.surface for corner in corners]
        return Motion(flow, inside & np.logical_and.reduce(same))

    def _points_in_next(self, frame: int, layers: Layers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The points that pixels show, in metres from the camera of the next frame."""
        pose, following = self.pose(frame), self.pose(frame + 1)
        ray_x, ray_y = rays(self.camera, len(layers.labels))
        across, along = pose.to_world(layers.depth * ray_x, layers.depth)
        displacements = self._displacements(frame)[layers.surface]
        x, z = following.from_world(across + displacements[..., 0], along + displacements[..., 1])
        return x, self.camera.height + layers.depth * ray_y, z

    def _displacements(self, frame: int) -> np.ndarray:
        """x and z in metres by which each numbered surface moves until the next frame; the sky goes with the camera."""
        steps = self._offsets(frame + 1) - self._offsets(frame)
        counts = [len(self.backdrop.facets), *(len(moving.item.facets) for moving in self.objects)]
        table = np.zeros((FIRST_FACET + sum(counts), 2))
        table[SKY] = steps[0]
        table[FIRST_FACET:] = np.repeat(steps, counts, axis=0)
        return table

    def _offsets(self, frame: int) -> np.ndarray:
        """x and z in metres by which the backdrop and each object have moved since the first frame."""
        pose = self.pose(frame)
        starts = np.array([item.z for item, _ in self.objects])
        ahead = np.array([speed for _, speed in self.objects]) * frame
        sideways = self.road.middle(starts + ahead) - self.road.middle(starts)
        return np.vstack([(pose.x, pose.z), np.column_stack((sideways, ahead))])


def draw_drive(*, size: int, seed: int, index: int, frames: int, gap: Gap = NO_GAP) -> Iterator[DriveFrame]:
    """The frames of drive number `index` of the world `seed`, which depends on these and the gap.

    Fewer frames are the first ones of more. Raises ValueError for a size below 16 pixels, a negative seed or index,
    and a number of frames that is not from 2 to 240.
    """
    check_arguments(size, seed, index)
    if not 2 <= frames <= MOST_FRAMES:
        raise ValueError(f"sequence: {frames} frames; allowed: from 2 to {MOST_FRAMES}")
    rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
    drive = draw_street(rng, gap)
    look, street = Look.draw(rng), drive.street(0)
    layers = rasterise(street, size)
    for frame in range(frames):
        noise = np.random.default_rng(np.random.SeedSequence([seed, index, 1 + frame]))
        sim, real = render_sim(layers, street), render_real(layers, street, look, noise)
        if frame + 1 == frames:
            yield DriveFrame(sim, real, layers.labels, None)
            return
        next_street = drive.street(frame + 1)
        following = rasterise(next_street, size)
        yield DriveFrame(sim, real, layers.labels, drive.motion(frame, layers, following))
        street, layers = next_street, following


def draw_street(rng: np.random.Generator, gap: Gap) -> Drive:
    """A street as in a still scene, but longer and less bent, with cars that drive or are parked on the left."""
    camera, road, sun = draw_ground(rng, gap)
    road = road._replace(bend=road.bend / 2)
    backdrop, speed = skyline(rng), rng.uniform(*_SPEED)
    # A house covers what is beyond its far end; what is beside it stands nearer to the road.
    walls = [item._replace(z=item.facets[0].corners[:, 2].max()) for item in houses(rng, road, sun, _REACH)]
    still = [*walls, *trees(rng, road, sun, gap.trees, _REACH)]
    objects = [*map(Moving, still), *_traffic(rng, road, sun, speed, 0.5 if gap.cars is None else gap.cars)]
    return Drive(camera, road, sun, speed, backdrop, objects)


def _traffic(rng: np.random.Generator, road: Road, sun: int, speed: float, density: float) -> list[Moving]:
    """Oncoming cars, one ahead that is no slower than the camera, and parked ones where the road is wide."""
    lane, oncoming = 0.42 * road.half_width, -rng.uniform(*_SPEED)

    def at(side: float, z: float, speed: float) -> Moving:
        return Moving(car(road.middle(z) + side, z, rng.uniform(0.3, 0.95), sun), speed)

    cars = [at(-lane, z + rng.uniform(0, 20), oncoming) for z in np.arange(9, 2 * _REACH, _ONCOMING)]
    cars.append(at(lane, rng.uniform(11, 22), speed * rng.uniform(1.0, 1.3)))
    if road.half_width > 3.8:
        cars += [at(-road.half_width + 0.9, z + rng.uniform(0, 5), 0.0) for z in np.arange(6, _REACH, _PARKED)]
    return [moving for moving in cars if rng.random() < density]


def _seen(polygons: list[list[np.ndarray]], offsets: np.ndarray, pose: Pose) -> list[np.ndarray]:
    """The polygons of objects, each after the offset (x, z) of its object, in coordinates of a camera."""
    lengths = [len(polygon) for each in polygons for polygon in each]
    moved = np.repeat(offsets, [sum(map(len, each)) for each in polygons], axis=0)
    x, y, z = np.concatenate([polygon for each in polygons for polygon in each]).T
    x, z = pose.from_world(x + moved[:, 0], z + moved[:, 1])
    return np.split(np.column_stack((x, y, z)), np.cumsum(lengths)[:-1])
