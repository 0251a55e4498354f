"""A street as flat facets in front of a camera, in metres and independent of any image size.

Coordinates are (x right, y up, z ahead) with the camera above (0, 0, 0); the ground is y = 0.
"""

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
    """A scene without pixels; `sun` is -1 for left or 1 for right, `facets` are in drawing order, far to near."""

    camera: Camera
    road: Road
    sun: int
    facets: list[Facet]
    shadows: list[np.ndarray]
