"""The trees and cars of a street."""

import numpy as np

from i2i.data.world.street import Facet, Label, Road, SceneObject

_SLOT = 4.0  # metres from one slot for a tree to the next


def trees(
    rng: np.random.Generator, road: Road, sun: int, density: float | None = None, reach: float = 60.0
) -> list[SceneObject]:
    """Rows of trees on either pavement, on both or on none, to `reach` metres ahead: about a quarter of all slots.

    With a density, a slot has a tree with that probability.
    """
    if density is not None:
        return _scattered_trees(rng, road, sun, density, reach)
    objects = []
    for side in (-1, 1):
        z, step = rng.uniform(6, 16), rng.uniform(7, 16)
        planted = rng.random() < 0.75
        while planted and z < reach:
            objects.append(_tree(rng, _kerbside(road, side, z), z, sun))
            z += step * rng.uniform(0.7, 1.3)
    return objects


def _scattered_trees(rng: np.random.Generator, road: Road, sun: int, density: float, reach: float) -> list[SceneObject]:
    slots = np.arange(6.0, reach, _SLOT)
    places = [(side, z) for side in (-1, 1) for z in slots + rng.uniform(0, _SLOT / 2, len(slots))]
    return [_tree(rng, _kerbside(road, side, z), z, sun) for side, z in places if rng.random() < density]


def _kerbside(road: Road, side: int, z: float) -> float:
    """x of a row of trees on the pavement at z."""
    return road.middle(z) + side * (road.half_width + 0.75 * road.pavement)


def _tree(rng: np.random.Generator, x: float, z: float, sun: int) -> SceneObject:
    radius, tone = rng.uniform(1.1, 1.9), rng.uniform(0.35, 0.65)
    top = rng.uniform(1.6, 2.4) + 0.8 * radius
    trunk = np.array([(x - 0.13, 0, z), (x - 0.09, top, z), (x + 0.09, top, z), (x + 0.13, 0, z)])
    crown = _blob((x, top, z), radius * rng.uniform(0.82, 1.12, 14))
    sunny_side = (x + sun * 0.3 * radius, top + 0.25 * radius, z)
    facets = [
        Facet(trunk, Label.VEGETATION, 0.0, 0.5),
        Facet(crown, Label.VEGETATION, tone, 0.35),
        Facet(_blob(sunny_side, 0.6 * radius * rng.uniform(0.75, 1.2, 11)), Label.VEGETATION, tone + 0.25, 1.0),
    ]
    shadow = _blob((x - sun * 1.2, 0, z + 0.5), np.full(12, radius), plane=(0, 2))
    return SceneObject(z, facets, [shadow])


def _blob(centre: tuple[float, float, float], radii: np.ndarray, plane: tuple[int, int] = (0, 1)) -> np.ndarray:
    """(N, 3) corners of a round polygon with one radius per corner, in the plane of two of the axes x, y, z."""
    angle = np.arange(len(radii)) * (2 * np.pi / len(radii))
    corners = np.empty((len(radii), 3))
    corners[:] = centre
    corners[:, plane[0]] += radii * np.cos(angle)
    corners[:, plane[1]] += radii * np.sin(angle)
    return corners


def cars(rng: np.random.Generator, road: Road, sun: int, density: float | None = None) -> list[SceneObject]:
    """Up to four cars that do not touch, in either lane or parked where the road is wide.

    Half of the four slots have one on average; with a density, each has one with that probability.
    """
    objects = []
    # Distances grow by a factor, so that cars are spread evenly over the image rather than over the road.
    slots = 6.5 * 1.75 ** (np.arange(4) + rng.uniform(0, 0.35, 4))
    slots = rng.permutation(slots)
    count = rng.integers(0, 5) if density is None else rng.binomial(len(slots), density)
    for z in slots[:count]:
        parked = road.half_width > 3.8 and rng.random() < 0.4
        lane = road.half_width - 1.0 if parked else 0.5 * road.half_width
        # A car right in front of the camera would hide the street.
        right = rng.random() < 0.45 and (parked or z > 9)
        x = road.middle(z) + (lane if right else -lane)
        objects.append(car(x, z, rng.uniform(0.3, 0.95), sun))
    return objects


def car(x: float, z: float, tone: float, sun: int) -> SceneObject:
    """A hatchback with its end towards the camera at distance z, and its visible side."""
    side = -1 if x > 0 else 1
    end, flank, lit = np.array((x, 0.0, z)), np.array((x + side * 0.88, 0.0, z)), float(side == sun)
    facets = [
        *(Facet(end + tyre, Label.CAR, 0.0, 0.2) for tyre in _TYRES),
        Facet(flank + _SHELL, Label.CAR, tone, lit),
        *(Facet(flank + wheel, Label.CAR, 0.0, 0.2) for wheel in _WHEELS),
        Facet(flank + _SIDE_GLASS, Label.WINDOW, 0.2, lit),
        Facet(end + _END, Label.CAR, tone, 0.5),
        Facet(end + _END_GLASS, Label.WINDOW, 0.2, 0.5),
        *(Facet(end + lamp, Label.CAR, 1.0, 1.0) for lamp in _LAMPS),
    ]
    left, right = x - 1.05 - 0.5 * (sun > 0), x + 1.05 + 0.5 * (sun < 0)
    shadow = np.array([(left, 0, z - 0.25), (right, 0, z - 0.25), (right, 0, z + 4.4), (left, 0, z + 4.4)])
    return SceneObject(z, facets, [shadow])


def _across(*outline: tuple[float, float]) -> np.ndarray:
    """Corners in the plane of a car's end, from metres right of its middle and metres up."""
    return np.array([(right, up, 0.0) for right, up in outline])


def _along(*outline: tuple[float, float]) -> np.ndarray:
    """Corners in the plane of a car's side, from metres ahead of its end and metres up."""
    return np.array([(0.0, up, ahead) for ahead, up in outline])


def _box(left: float, right: float, bottom: float, top: float) -> np.ndarray:
    return _across((left, bottom), (left, top), (right, top), (right, bottom))


_END = _across((-0.9, 0.28), (-0.9, 0.9), (-0.7, 1.45), (0.7, 1.45), (0.9, 0.9), (0.9, 0.28))
_END_GLASS = _across((-0.72, 0.98), (-0.6, 1.34), (0.6, 1.34), (0.72, 0.98))
_TYRES = (_box(-0.84, -0.6, 0.0, 0.4), _box(0.6, 0.84, 0.0, 0.4))
_LAMPS = (_box(-0.85, -0.59, 0.66, 0.84), _box(0.59, 0.85, 0.66, 0.84))
_SHELL = _along((0, 0.28), (0, 0.92), (0.25, 1.45), (2.5, 1.45), (3.2, 0.95), (4.2, 0.85), (4.2, 0.28))
_SIDE_GLASS = _along((0.5, 0.95), (0.65, 1.34), (2.35, 1.34), (2.9, 0.95))
_WHEELS = tuple(_blob((0, 0.34, ahead), np.full(9, 0.34), plane=(2, 1)) for ahead in (0.8, 3.4))
