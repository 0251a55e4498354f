"""Two renderers of the layers of a street: `sim` in flat colours, `real` with light, texture, haze, blur and noise."""

from typing import NamedTuple

import cv2
import numpy as np

from i2i.data.world.layers import Layers
from i2i.data.world.street import Label, Street

# RGB of each class at tone 1; tone and light only darken it, so every class has one hue.
SIM_COLOURS = np.array(
    [
        (56, 130, 250),  # sky
        (172, 150, 224),  # road
        (255, 255, 255),  # marking
        (255, 150, 176),  # pavement
        (56, 196, 196),  # building
        (255, 232, 96),  # window
        (104, 226, 64),  # vegetation
        (240, 44, 56),  # car
    ],
    np.float32,
)
# RGB of each class in sunlight at tone 0, 0.5 and 1.
REAL_COLOURS = np.array(
    [
        ((0, 0, 0), (0, 0, 0), (0, 0, 0)),  # sky: see _sky
        ((78, 79, 82), (92, 92, 94), (108, 107, 107)),  # road
        ((214, 210, 198), (222, 218, 206), (230, 226, 214)),  # marking
        ((150, 142, 130), (168, 160, 147), (196, 190, 178)),  # pavement
        ((112, 62, 48), (176, 138, 102), (222, 208, 180)),  # building
        ((34, 42, 50), (62, 76, 86), (120, 132, 138)),  # window
        ((70, 52, 36), (70, 84, 38), (128, 130, 62)),  # vegetation
        ((22, 22, 26), (58, 88, 118), (206, 208, 206)),  # car
    ],
    np.float32,
)
_SUNLIGHT, _SHADE = np.array((1.1, 1.05, 0.96), np.float32), np.array((0.6, 0.66, 0.75), np.float32)
_HORIZON, _ZENITH = np.array((234, 224, 208), np.float32), np.array((172, 190, 202), np.float32)
_GLOW = np.array((26, 20, 6), np.float32)
_HAZE = 90.0  # metres of 1/e transmission
_NOISE = 2.5  # standard deviation, grey levels
# Texture of each class: width and height in metres of a grain (of a stone where there are joints), then the contrast of
# grains, of patches a few grains wide, and of joints.
_TEXTURE = np.array(
    [
        (40.0, 14.0, 0.0, 0.05, 0.0),  # sky
        (0.035, 0.05, 0.1, 0.025, 0.0),  # road
        (0.05, 0.07, 0.08, 0.05, 0.0),  # marking
        (0.9, 0.9, 0.06, 0.02, 0.22),  # pavement
        (0.7, 0.36, 0.11, 0.03, 0.2),  # building
        (1.3, 1.6, 0.14, 0.1, 0.0),  # window
        (0.16, 0.16, 0.22, 0.14, 0.0),  # vegetation
        (0.8, 0.3, 0.02, 0.04, 0.0),  # car
    ],
    np.float32,
)


def render_sim(layers: Layers, street: Street) -> np.ndarray:
    """(size, size, 3) uint8 RGB as rendered by a simple simulator."""
    tone = np.where(layers.labels == Label.SKY, 1 - 0.6 * _height_in_sky(street, len(layers.tone)), layers.tone)
    brightness = ((0.68 + 0.32 * tone) * np.where(layers.lit > 0.5, 1.0, 0.8)).astype(np.float32)
    return np.rint(SIM_COLOURS[layers.labels] * brightness[..., None]).astype(np.uint8)


class Look(NamedTuple):
    """What all frames of a scene share in `render_real`: the tile of its textures (128, 128), and its exposure."""

    tile: np.ndarray
    exposure: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Look":
        """Another look for every scene."""
        return cls(rng.standard_normal((128, 128), np.float32), rng.uniform(0.94, 1.06))


def render_real(layers: Layers, street: Street, look: Look, rng: np.random.Generator) -> np.ndarray:
    """(size, size, 3) uint8 RGB as seen by a camera, whose noise `rng` draws."""
    size = len(layers.labels)
    sky = _sky(street, size)
    above = (layers.labels == Label.SKY)[..., None]
    colour = np.where(above, sky, _material(layers) * _light(layers))
    colour *= (1 + _texture(layers, street, look.tile))[..., None]
    clear = np.where(above, 1, np.exp(-layers.depth / _HAZE)[..., None])
    at_horizon = sky[min(size - 1, int(street.camera.horizon * size))]
    colour = at_horizon + (colour - at_horizon) * clear
    colour = cv2.GaussianBlur(colour, (0, 0), 0.35 + size / 640) * np.float32(look.exposure)
    colour += _NOISE * rng.standard_normal(colour.shape, np.float32)
    return np.clip(np.rint(colour), 0, 255).astype(np.uint8)


def _height_in_sky(street: Street, size: int) -> np.ndarray:
    """(size, 1), from 0 at the horizon to 1 half an image above it."""
    row = (np.arange(size, dtype=np.float32) + 0.5) / size
    return np.clip(2 * (street.camera.horizon - row), 0, 1)[:, None]


def _sky(street: Street, size: int) -> np.ndarray:
    """(size, size, 3), pale at the horizon, blue above, brighter on the side of the sun."""
    height = _height_in_sky(street, size)[..., None]
    position = (np.arange(size, dtype=np.float32)[None, :, None] + 0.5) / size
    towards_sun = position if street.sun > 0 else 1 - position
    return _HORIZON + (_ZENITH - _HORIZON) * height**0.7 + _GLOW * (towards_sun**2 * (1 - 0.5 * height) - 0.5)


def _material(layers: Layers) -> np.ndarray:
    """The colour in sunlight by class and tone, interpolated linearly."""
    dark, middle, light = np.take(REAL_COLOURS.swapaxes(0, 1), layers.labels, axis=1)
    away = 2 * layers.tone[..., None] - 1
    return middle + (middle - dark) * np.minimum(away, 0) + (light - middle) * np.maximum(away, 0)


def _light(layers: Layers) -> np.ndarray:
    """Factors (size, size, 3): warm sunlight or cool shade, darker at the foot of walls."""
    light = _SHADE + (_SUNLIGHT - _SHADE) * layers.lit[..., None]
    standing = layers.labels == Label.BUILDING
    foot = np.where(standing, 0.78 + 0.22 * np.clip(layers.v / 3, 0, 1), 1)
    return light * foot[..., None]


def _texture(layers: Layers, street: Street, tile: np.ndarray) -> np.ndarray:
    """The relative change of brightness by grains and patches from a random tile, and joints between stones."""
    width, height, grain, patches, joints = np.take(_TEXTURE.T, layers.labels, axis=1)
    row, column = layers.v / height, layers.u / width
    stones = joints > 0
    # Every other row of stones is offset by half a stone.
    column = np.where(stones, column + 0.5 * (np.floor(row) % 2), column)
    # Joints thinner than a pixel vanish.
    pixels_high = height * street.camera.focal * len(row) / layers.depth
    joint = ((row % 1 < 0.16) | (column % 1 < 0.1)) * joints * np.clip(pixels_high / 3, 0, 1)
    fine = _sample_tile(tile, np.where(stones, np.floor(row), row), np.where(stones, np.floor(column), column), layers)
    coarse = _sample_tile(tile, row / 5.3, column / 5.3, layers)
    return fine * grain + coarse * patches - joint


def _sample_tile(tile: np.ndarray, row: np.ndarray, column: np.ndarray, layers: Layers) -> np.ndarray:
    """The repeated tile, interpolated linearly, from another offset for every surface."""
    height, width = tile.shape
    start = layers.surface.astype(np.float32)
    x, y = (column + 37 * start) % width, (row + 11 * start) % height
    return cv2.remap(tile, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
