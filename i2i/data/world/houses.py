"""The houses along a street, and the skyline behind them."""

import numpy as np

from i2i.data.world.street import Facet, Label, Road, SceneObject

FLOOR_HEIGHT = 3.0  # metres
_SHADOW_ACROSS, _SHADOW_ALONG = 0.45, 0.15  # metres of shadow per metre of height


def skyline(rng: np.random.Generator) -> SceneObject:
    """Distant buildings and woods along the horizon."""
    facets, x = [], -190.0
    while x < 190:
        width, z = rng.uniform(10, 26), rng.uniform(150, 170)
        wooded = rng.random() < 0.45
        top = rng.uniform(5, 11) if wooded else rng.uniform(10, 34)
        corners = np.array([(x, 0, z), (x, top, z), (x + width, top * rng.uniform(0.85, 1), z), (x + width, 0, z)])
        label = Label.VEGETATION if wooded else Label.BUILDING
        facets.append(Facet(corners, label, rng.uniform(0.2, 0.6), 0.5))
        x += width * rng.uniform(0.8, 1.0)
    return SceneObject(170.0, facets, [])


def houses(rng: np.random.Generator, road: Road, sun: int, reach: float = 100.0) -> list[SceneObject]:
    """Two rows of houses with occasional gaps, to `reach` metres ahead; `sun` is -1 for left, 1 for right."""
    objects = []
    for side in (-1, 1):
        z = rng.uniform(1.0, 5.0)
        line = road.half_width + road.pavement + rng.uniform(0.3, 2.5)
        while z < reach:
            bay = rng.uniform(2.4, 3.6)
            length = bay * rng.integers(2, 6)
            place = (side * (line + rng.uniform(0, 0.8)), z, z + length)
            objects.append(_house(rng, road, place, bay, sun))
            z += length + (rng.uniform(3, 12) if rng.random() < 0.4 else rng.uniform(0, 0.4))
    return objects


def _house(
    rng: np.random.Generator, road: Road, place: tuple[float, float, float], bay: float, sun: int
) -> SceneObject:
    """A wall along the street, a roof, and a gable. `place`: x from the middle line, near and far z, in metres."""
    x, near, far = place
    side = 1 if x > 0 else -1
    back, middle = x + side * 4 * bay, x + side * 2 * bay
    height = FLOOR_HEIGHT * rng.integers(2, 6) + 0.6
    ridge = height + (rng.uniform(1.5, 3.5) if height < 10 and rng.random() < 0.7 else 0.0)
    tone, sunny = rng.uniform(0.05, 1.0), side != sun
    wall = _along_road([(x, 0, near), (x, height, near), (x, height, far), (x, 0, far)], road)
    roof = _along_road([(x, height, near), (middle, ridge, near), (middle, ridge, far), (x, height, far)], road)
    gable = [(x, 0, near), (x, height, near), (middle, ridge, near), (back, height, near), (back, 0, near)]
    facets = [
        Facet(wall, Label.BUILDING, tone, float(sunny), bay, reach=30.0),
        Facet(roof, Label.BUILDING, 0.0, 0.8 if sunny else 0.3),
        Facet(_along_road(gable, road), Label.BUILDING, tone, 0.35, bay, reach=55.0),
    ]
    cast = height * np.array((-sun * _SHADOW_ACROSS, 0.0, _SHADOW_ALONG))
    shadow = np.array((wall[0], wall[3], wall[3] + cast, wall[0] + cast))
    return SceneObject(near, facets, [] if sunny else [shadow])


def _along_road(corners: list[tuple[float, float, float]], road: Road) -> np.ndarray:
    """(N, 3) corners in metres from corners whose x is relative to the middle line of the road."""
    return np.array([(x + road.middle(z), y, z) for x, y, z in corners])
