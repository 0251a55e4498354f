"""A street as flat facets in front of a camera, in metres and independent of any image size.

Coordinates are (x right, y up, z ahead) with the camera above (0, 0, 0); the ground is y = 0. Those of the world are
the camera's in the first frame; a camera that drives has others in later ones.
"""

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, TypeVar

import numpy as np

Distance = TypeVar("Distance", float, np.ndarray)


class Label(IntEnum):
    """The classes, whose numbers are the values of label maps."""

    SKY = 0
    ROAD = 1
    MARKING = 2
    PAVEMENT = 3
    BUILDING = 4
    WINDOW = 5
    VEGETATION = 6
    CAR = 7


CLASSES: tuple[str, ...] = tuple(label.name.lower() for label in Label)


class Camera(NamedTuple):
    """A pinhole camera: `focal`, `vanishing` and `horizon` as fractions of the image side, `height` in metres."""

    focal: float
    height: float
    vanishing: float
    horizon: float


class Pose(NamedTuple):
    """Position of the camera on the ground of the world, in metres, and its yaw to the right in radians."""

    x: float = 0.0
    z: float = 0.0
    yaw: float = 0.0

    def to_world(self, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and z in the world of points with x and z from the camera."""
        across, along = self.rotated(x, z)
        return self.x + across, self.z + along

    def rotated(self, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and z in the world of directions with x and z from the camera."""
        sine, cosine = math.sin(self.yaw), math.cos(self.yaw)
        return cosine * x + sine * z, cosine * z - sine * x

    def from_world(self, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and z from the camera of points with x and z in the world."""
        return Pose(yaw=-self.yaw).rotated(x - self.x, z - self.z)


class Facet(NamedTuple):
    """A flat polygon with corners (N, 3), the first three not in one line; tone (dark to bright) and lit in [0, 1].

    Its texture coordinate u runs along the ground from the first corner to the last.
    """

    corners: np.ndarray
    label: Label
    tone: float
    lit: float
    bay: float = 0.0  # metres from window to window, 0 for no windows; the second corner is at the top of the wall
    reach: float = 0.0  # metres, beyond which windows are too small to draw


class SceneObject(NamedTuple):
    """An object that occludes objects of larger z: `facets` in drawing order, `shadows` as polygons on the ground."""

    z: float
    facets: list[Facet]
    shadows: list[np.ndarray]


class Road(NamedTuple):
    """The ground, in metres: the width of a pavement, the z of a zebra crossing (negative for none), and so on."""

    centre: float  # x of the middle line at z = 0
    bend: float  # the middle line moves by bend * z^2
    half_width: float
    pavement: float
    crossing: float
    dash: float  # where the dashes of the middle line begin
    tone: float
    grass: float  # tone of the grass beside the pavements

    def middle(self, z: Distance) -> Distance:
        """x of the middle line at z."""
        return self.centre + self.bend * z**2


class Street(NamedTuple):
    """A scene without pixels, in coordinates of the camera but for the road, which is in those of the world.

    `sun` is -1 for left or 1 for right; `order` has the indices of facets as they are drawn, far to near.
    """

    camera: Camera
    road: Road
    sun: int
    facets: list[Facet]
    shadows: list[np.ndarray]
    order: Sequence[int]
    pose: Pose = Pose()
