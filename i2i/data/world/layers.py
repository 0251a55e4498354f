"""Rasterise a street into layers, which hold for every pixel its label, tone, light, depth and surface coordinates."""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np

from i2i.data.world.houses import FLOOR_HEIGHT
from i2i.data.world.street import Camera, Facet, Label, Road, Street

NEAR, FAR = 1.0, 400.0  # metres, to which depths are clipped
SKY, GROUND, FIRST_FACET = 0, 1, 2  # numbers of the two infinite surfaces, and of the first facet
_SUBPIXEL_BITS = 4


class Layers(NamedTuple):
    """Arrays (size, size), float32 except for the first two."""

    labels: np.ndarray  # uint8
    surface: np.ndarray  # int32, one number per facet
    tone: np.ndarray  # [0, 1], dark to bright
    lit: np.ndarray  # [0, 1], shade to sun
    depth: np.ndarray  # metres
    u: np.ndarray  # metres along the surface: across the road, along a wall
    v: np.ndarray  # metres up a wall, along the road on the ground


def rasterise(street: Street, size: int) -> Layers:
    """Layers of (size, size) pixels: facets are drawn far to near as numbers, by which layers are then tables."""
    camera, facets = street.camera, street.facets
    surface = np.zeros((size, size), np.int32)
    surface[_first_ground_row(camera, size) :] = GROUND
    _fill(surface, [facets[at].corners for at in street.order], [FIRST_FACET + at for at in street.order], camera)
    ray_x, ray_y = rays(camera, size)
    planes = np.concatenate(([(0, 0, 0), (0, -1 / camera.height, 0)], _planes(facets, camera)))
    plane = planes.astype(np.float32)[surface]
    # On a plane n.p = d seen along the ray (x, y, 1), 1/z = n.ray / d.
    inverse = plane[..., 0] * ray_x + plane[..., 1] * ray_y + plane[..., 2]
    depth = 1 / np.clip(inverse, 1 / FAR, 1 / NEAR)
    x, y = depth * ray_x, camera.height + depth * ray_y
    layers = _surfaces(facets, surface, depth, x, y)
    _sky(layers, street, ray_x, ray_y)
    _ground(layers, street, x)
    _windows(layers, facets)
    return layers


def rays(camera: Camera, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rays (x, y, 1) through the centres of pixels: x of each column (size), y of each row (size, 1)."""
    position = (np.arange(size, dtype=np.float32) + 0.5) / size
    return (position - camera.vanishing) / camera.focal, (camera.horizon - position)[:, None] / camera.focal


def project(camera: Camera, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Column and row, as fractions of the image side, of points in metres."""
    return camera.vanishing + camera.focal * x / z, camera.horizon - camera.focal * (y - camera.height) / z


def _first_ground_row(camera: Camera, size: int) -> int:
    return int(np.ceil(camera.horizon * size))


def _fill(image: np.ndarray, polygons: list[np.ndarray], values: Iterable[int], camera: Camera) -> None:
    """Draw (N, 3) polygons in metres in their order, less what is nearer than NEAR or behind the camera."""
    polygons = [_clipped(polygon) for polygon in polygons]
    # fillPoly counts from pixel centres, in fixed point.
    pixels = np.stack(project(camera, *np.concatenate(polygons).T), axis=1) * len(image) - 0.5
    fixed = np.rint(pixels * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    start = 0
    for polygon, value in zip(polygons, values, strict=True):
        end = start + len(polygon)
        if len(polygon):
            cv2.fillPoly(image, [fixed[start:end]], value, cv2.LINE_8, _SUBPIXEL_BITS)
        start = end


def _clipped(polygon: np.ndarray) -> np.ndarray:
    """The part of a polygon (N, 3) from z = NEAR on (Sutherland, Hodgman 1974); perhaps without corners."""
    inside = polygon[:, 2] >= NEAR
    if inside.all():
        return polygon
    corners = []
    for at, (corner, is_inside) in enumerate(zip(polygon, inside, strict=True)):
        if is_inside != inside[at - 1]:
            before = polygon[at - 1]
            corners.append(before + (corner - before) * ((NEAR - before[2]) / (corner[2] - before[2])))
        if is_inside:
            corners.append(corner)
    return np.array(corners).reshape(-1, 3)


def _planes(facets: list[Facet], camera: Camera) -> np.ndarray:
    """n / d of each facet's plane n.p = d, p relative to the camera."""
    corners = np.array([facet.corners[:3] for facet in facets]) - (0, camera.height, 0)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return normals / np.sum(normals * corners[:, 0], axis=1, keepdims=True)


def _surfaces(facets: list[Facet], surface: np.ndarray, depth: np.ndarray, x: np.ndarray, y: np.ndarray) -> Layers:
    """Layers of sky and facets, with a ground without details."""
    ends = np.array([facet.corners[-1] - facet.corners[0] for facet in facets])
    length = np.maximum(np.hypot(ends[:, 0], ends[:, 2]), 1e-6)

    def table(sky: float, ground: float, values: object) -> np.ndarray:
        return np.concatenate(((sky, ground), np.asarray(values))).astype(np.float32)[surface]

    along_x, along_z = table(1, 1, ends[:, 0] / length), table(0, 0, ends[:, 2] / length)
    start_x = table(0, 0, [facet.corners[0, 0] for facet in facets])
    start_z = table(0, 0, [facet.corners[0, 2] for facet in facets])
    return Layers(
        labels=table(Label.SKY, Label.ROAD, [facet.label for facet in facets]).astype(np.uint8),
        surface=surface,
        tone=table(0, 0, [facet.tone for facet in facets]),
        lit=table(1, 1, [facet.lit for facet in facets]),
        depth=depth,
        u=(x - start_x) * along_x + (depth - start_z) * along_z,
        v=y,
    )


def _sky(layers: Layers, street: Street, ray_x: np.ndarray, ray_y: np.ndarray) -> None:
    """Fill in where the sky is seen: by direction in the world, so that it does not turn with the camera."""
    across, along = street.pose.rotated(ray_x, np.ones_like(ray_x))
    seen = layers.surface == SKY
    np.copyto(layers.u, (layers.depth * across / along).astype(np.float32), where=seen)
    np.copyto(layers.v, (street.camera.height + layers.depth * ray_y / along).astype(np.float32), where=seen)


def _ground(layers: Layers, street: Street, x: np.ndarray) -> None:
    """Fill in road, markings, pavements, grass and shadows."""
    size = len(x)
    top = _first_ground_row(street.camera, size)
    seen, z = layers.surface[top:] == GROUND, layers.depth[top:]
    across, along = street.pose.to_world(x[top:], z)
    side = across - street.road.middle(along)
    labels, tone = _ground_class(street.road, side, along, z, street.camera.focal)
    shade = np.zeros((size, size), np.uint8)
    _fill(shade, street.shadows, [255] * len(street.shadows), street.camera)
    soft = cv2.GaussianBlur(shade, (0, 0), max(0.3, size / 200)).astype(np.float32) / 255
    for layer, ground in ((layers.labels, labels), (layers.tone, tone), (layers.lit, 1 - soft[top:])):
        np.copyto(layer[top:], ground.astype(layer.dtype), where=seen)
    np.copyto(layers.u[top:], side, where=seen)
    np.copyto(layers.v[top:], along, where=seen)


def _ground_class(
    road: Road, side: np.ndarray, z: np.ndarray, depth: np.ndarray, focal: float
) -> tuple[np.ndarray, np.ndarray]:
    """Label and tone of ground points: `side` metres right of the middle line, at z, `depth` metres ahead."""
    distance = np.abs(side)
    # At least a hundredth of the image wide, or lines would vanish between pixels.
    line = np.maximum(0.07, 0.005 * depth / focal)
    dashes = (distance < line) & ((z + road.dash) % 6 < 3)
    edges = np.abs(distance - road.half_width + 0.3) < line
    stripes = (np.abs(z - road.crossing) < 1.4) & (side % 1.1 < 0.55) & (distance < road.half_width - 0.4)
    marked = (dashes | edges | stripes) & (depth < 60)
    kerb = road.half_width + np.maximum(0.2, 0.006 * depth / focal)
    paved = distance < road.half_width + road.pavement
    labels = np.where(distance < road.half_width, Label.ROAD, np.where(paved, Label.PAVEMENT, Label.VEGETATION))
    labels[marked] = Label.MARKING
    tone = np.where(distance < kerb, 1.0, np.where(paved, 0.45, road.grass))
    tone = np.where(distance < road.half_width, np.where(marked, 0.8, road.tone), tone)
    return labels, tone


def _windows(layers: Layers, facets: list[Facet]) -> None:
    """Fill in a window per bay and floor of walls that have bays, up to the distance `reach`."""
    walls = [(facet.bay, facet.reach, facet.corners[1, 1]) for facet in facets]
    bay, reach, top = np.array([(0, 0, 0), (0, 0, 0), *walls], np.float32)[layers.surface].transpose(2, 0, 1)
    column, row = layers.u / np.maximum(bay, 1) % 1, layers.v / FLOOR_HEIGHT % 1
    glass = (np.abs(column - 0.5) < 0.22) & (np.abs(row - 0.6) < 0.24) & (layers.v < top - 0.5)
    glass &= (bay > 0) & (layers.depth < reach)
    layers.labels[glass] = Label.WINDOW
    layers.tone[glass] = 0.6
