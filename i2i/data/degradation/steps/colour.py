"""What video formats and few colours do: chroma subsampling, dithering."""

from typing import Annotated, Literal, get_args

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from i2i.data.degradation.filters import FILTERS, Filter, resample
from i2i.data.degradation.noise import LUMA
from i2i.data.degradation.steps.base import DegradationStep, Size, check_range
from i2i.recipe.ranges import Probability
from i2i.registry import degradation_steps

Subsampling = Literal["4:2:2", "4:2:0", "4:1:1", "4:1:0"]
# Chroma samples stand for so many rows and columns of pixels.
_CELLS: dict[Subsampling, tuple[int, int]] = {"4:2:2": (1, 2), "4:2:0": (2, 2), "4:1:1": (1, 4), "4:1:0": (2, 4)}
Dither = Literal["ordered", "noise", "none"]
DITHERS: tuple[Dither, ...] = get_args(Dither)
Levels = Annotated[int, Field(ge=2, le=256)]  # of a channel
_BAYER = 8  # pixels, a side of the threshold matrix


@degradation_steps.register("chroma")
class ChromaSubsampling(DegradationStep):
    """Chroma subsampling: colour differences (BT.601) of one of `formats`, made small by one of `filters` and large
    again bilinearly. Grey images pass.
    """

    def __init__(
        self,
        *,
        formats: list[Subsampling] = [*_CELLS],  # noqa: B006
        filters: list[Filter] = ["nearest", "box", "bicubic"],  # noqa: B006
        probability: Probability = 1.0,
    ) -> None:
        for name, given, choices in (("formats", formats, get_args(Subsampling)), ("filters", filters, FILTERS)):
            if not given:
                raise ValueError(f"chroma: {name} is empty; choose from: {', '.join(choices)}")
        self.formats, self.filters, self.probability = formats, filters, probability

    def __call__(self, image: Tensor, rng: np.random.Generator, low: Size) -> Tensor:
        rows, columns = _CELLS[self.formats[rng.integers(len(self.formats))]]
        name = self.filters[rng.integers(len(self.filters))]
        if len(image) == 1:
            return image
        luma = sum(weight * plane for weight, plane in zip(LUMA, image, strict=True))
        difference = (image - luma)[None]  # its luma is 0, and stays so under linear filters
        height, width = image.shape[-2:]
        small = resample(difference, -(-height // rows), -(-width // columns), name)
        return (luma + resample(small, height, width, "bilinear")[0]).clamp_(0, 1)


@degradation_steps.register("dither")
class Dithering(DegradationStep):
    """Few levels in each channel, with ordered dithering (Bayer's matrix of 8x8), with noise, or none: banding.

    `levels` is a range of how many there are, one of `kinds` is drawn.
    """

    def __init__(
        self,
        *,
        levels: tuple[Levels, Levels] = (4, 32),
        kinds: list[Dither] = [*DITHERS],  # noqa: B006
        probability: Probability = 1.0,
    ) -> None:
        check_range("dither", "levels", levels, 2, 256)
        if not kinds:
            raise ValueError(f"dither: kinds is empty; choose from: {', '.join(get_args(Dither))}")
        self.levels, self.kinds, self.probability = levels, kinds, probability

    def __call__(self, image: Tensor, rng: np.random.Generator, low: Size) -> Tensor:
        steps = int(rng.integers(self.levels[0], self.levels[1] + 1)) - 1
        kind, seed = self.kinds[rng.integers(len(self.kinds))], int(rng.integers(2**63))
        return ((image * steps + _thresholds(kind, image, seed)).floor() / steps).clamp_(0, 1)


def _thresholds(kind: Dither, image: Tensor, seed: int) -> Tensor | float:
    """What is added before values are rounded down, from 0 to 1."""
    height, width = image.shape[-2:]
    match kind:
        case "ordered":
            tile = torch.from_numpy(_bayer(_BAYER)).to(image)
            return tile.repeat(-(-height // _BAYER), -(-width // _BAYER))[:height, :width]
        case "noise":
            generator = torch.Generator(image.device).manual_seed(seed)
            return torch.rand(image.shape, generator=generator, device=image.device).to(image.dtype)
        case "none":
            return 0.5


def _bayer(size: int) -> np.ndarray:
    """Bayer's matrix of thresholds in (0, 1): every one of size * size levels once."""
    matrix = np.zeros((1, 1))
    while len(matrix) < size:
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    return (matrix + 0.5) / size**2
