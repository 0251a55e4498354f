"""A street as flat facets in front of a camera, in metres and independent of any image size.

Coordinates are (x right, y up, z ahead) with the camera above (0, 0, 0); the ground is y = 0.
"""

from enum import IntEnum
from typing import NamedTuple, TypeVar

import numpy as np

Distance = TypeVar("Distance", float, np.ndarray)


class Label(IntEnum):
    """What a pixel shows; the number is its class index."""

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
    """A pinhole. `focal`, `vanishing` and `horizon` are fractions of the image side, `height` is metres."""

    focal: float
    height: float
    vanishing: float
    horizon: float


class Facet(NamedTuple):
    """A flat polygon; tone (dark to bright) and lit are in [0, 1].

    Corners are (N, 3), the first three not in one line. Texture runs along the ground from the first to the last.
    """

    corners: np.ndarray
    label: Label
    tone: float
    lit: float
    bay: float = 0.0  # metres from window to window, 0 for none; the second corner is then as high as the wall
    reach: float = 0.0  # windows further away than this are too small to see, metres


class Thing(NamedTuple):
    """What hides what is further away: `facets` in drawing order, `shadows` as polygons on the ground."""

    z: float
    facets: list[Facet]
    shadows: list[np.ndarray]


class Road(NamedTuple):
    """The ground, in metres: `pavement` is a width, `crossing` the z of a zebra crossing, negative for none."""

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
    """Everything that is seen; `sun` is -1 for left or 1 for right, `facets` are in drawing order, far to near."""

    camera: Camera
    road: Road
    sun: int
    facets: list[Facet]
    shadows: list[np.ndarray]
