"""One street scene as three images that are aligned pixel by pixel."""

from operator import attrgetter
from typing import NamedTuple

import numpy as np

from i2i.data.world.gap import NO_GAP, Gap
from i2i.data.world.houses import houses, skyline
from i2i.data.world.layers import rasterise
from i2i.data.world.render import Look, render_real, render_sim
from i2i.data.world.roadside import cars, trees
from i2i.data.world.street import Camera, Road, SceneObject, Street

SMALLEST = 16  # pixels


class Scene(NamedTuple):
    """sim and real: (size, size, 3) uint8 RGB; labels: (size, size) uint8, indices into CLASSES."""

    sim: np.ndarray
    real: np.ndarray
    labels: np.ndarray


def draw_scene(*, size: int, seed: int, index: int, gap: Gap = NO_GAP) -> Scene:
    """Scene number `index` of the world `seed`, which depends on these and the gap; the same street at every size.

    Raises ValueError for a size below 16 pixels, or a negative seed or index.
    """
    check_arguments(size, seed, index)
    rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
    street = _street(rng, gap)
    layers = rasterise(street, size)
    real = render_real(layers, street, Look.draw(rng), rng)
    return Scene(sim=render_sim(layers, street), real=real, labels=layers.labels)


def check_arguments(size: int, seed: int, index: int) -> None:
    """Raises ValueError for a size below 16 pixels, or a negative seed or index."""
    if size < SMALLEST:
        raise ValueError(f"size: {size} pixels is too small to show a street; use {SMALLEST} or more")
    if seed < 0 or index < 0:
        raise ValueError(f"seed {seed}, index {index}: neither may be negative")


def _street(rng: np.random.Generator, gap: Gap = NO_GAP) -> Street:
    """A street with houses, trees and up to four cars, seen from a car in the right lane."""
    camera, road, sun = draw_ground(rng, gap)
    # Houses are drawn before trees and cars whatever their z, which is that of a long wall's near end.
    objects = _far_to_near([skyline(rng), *houses(rng, road, sun)])
    objects += _far_to_near(trees(rng, road, sun, gap.trees) + cars(rng, road, sun, gap.cars))
    facets = [facet for item in objects for facet in item.facets]
    shadows = [shadow for item in objects for shadow in item.shadows]
    return Street(camera, road, sun, facets, shadows, range(len(facets)))


def draw_ground(rng: np.random.Generator, gap: Gap = NO_GAP) -> tuple[Camera, Road, int]:
    """A camera, the road that it is on, and the side of the sun."""
    camera = Camera(
        focal=rng.uniform(0.78, 0.98),
        height=rng.uniform(1.5, 1.9),
        vanishing=rng.uniform(0.38, 0.62),
        horizon=rng.uniform(0.44, 0.54) + (gap.horizon or 0.0),
    )
    half_width = rng.uniform(3.0, 4.6)
    road = Road(
        centre=-0.5 * half_width + rng.uniform(-0.4, 0.4),
        bend=rng.uniform(-0.003, 0.003),
        half_width=half_width,
        pavement=rng.uniform(1.6, 3.0),
        crossing=rng.uniform(6.0, 14.0) if rng.random() < 0.3 else -100.0,
        dash=rng.uniform(0.0, 6.0),
        tone=rng.uniform(0.2, 0.8),
        grass=rng.uniform(0.55, 0.9),
    )
    return camera, road, int(rng.choice((-1, 1)))


def _far_to_near(objects: list[SceneObject]) -> list[SceneObject]:
    return sorted(objects, key=attrgetter("z"), reverse=True)
