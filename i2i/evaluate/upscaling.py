"""Measure upscalers on images whose truth is known, the way papers count.

The truth is cut to a multiple of the scale and made small by bicubic resizing with antialiasing, rounded to 8 bit; the
result is rounded to 8 bit too, and a border of `scale` pixels is left out. Bicubic enlarging is always measured beside
the models, so that every table names what there is to beat.

    from i2i import evaluate, load
    examples = evaluate.find_examples(Path("Set5"))
    evaluation = evaluate.evaluate_upscaling({"mine": load("runs/esrgan/photos/latest")}, examples, scale=4)
    evaluation.mean("mine")["PSNR-Y"]
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i.data.degradation.resize import bicubic_pair, crop_to_multiple, imresize, round_to_8bit
from i2i.evaluate.examples import Example
from i2i.metrics.lpips import Lpips
from i2i.metrics.psnr import crop_border, luma, psnr
from i2i.metrics.ssim import ssim
from i2i_runtime import images

BASELINE = "bicubic"

Channel = Literal["y", "rgb", "both"]
# uint8 (H, W, 3) -> uint8 (H * scale, W * scale, 3); a `Translator` is one
Upscaler = Callable[[NDArray[Any]], NDArray[Any]]


class Score(NamedTuple):
    """What one model made of one image: PSNR in dB, SSIM up to 1, LPIPS from 0, by the name of the measure."""

    model: str
    image: Path
    measures: dict[str, float]


@dataclass
class Evaluation:
    """An image counts for all models or for none: one that fails for one of them is in `failed`, with the reason."""

    scores: list[Score] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)

    def mean(self, model: str) -> dict[str, float]:
        """The mean over the images of each measure; empty where nothing was measured."""
        measured = [score.measures for score in self.scores if score.model == model]
        return {name: float(np.mean([each[name] for each in measured])) for name in (measured[0] if measured else ())}


def agree_on_scale(scales: Mapping[str, int], asked: int | None = None) -> int:
    """The scale that all models have, by their names, or the one asked for. Raises ValueError where they differ."""
    scale = asked if asked is not None else next(iter(scales.values()), None)
    if scale is None:
        raise ValueError("neither a model nor a scale; name models, or measure bicubic alone with --scale 4")
    if scale < 1:
        raise ValueError(f"scale: {scale} is refused; allowed: whole numbers from 1")
    for name, own in scales.items():
        if own != scale:
            raise ValueError(f"{name} enlarges {own} times, not {scale} times; measure each scale by itself")
    return scale


def evaluate_upscaling(
    upscalers: Mapping[str, Upscaler],
    examples: Sequence[Example],
    *,
    scale: int,
    channel: Channel = "both",
    border: int | None = None,
    lpips: Lpips | None = None,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Evaluation:
    """PSNR and SSIM of each upscaler, and of bicubic enlarging, on each example: on Y, on RGB or on both.

    `border` pixels are left out at each side (`scale` by default), for all measures. Colour counts: grey images are
    taken as RGB with equal channels, 16-bit ones rounded to 8, those with transparent pixels refused. An image that
    cannot be read or measured is reported and the rest goes on. `progress` is told (images done, images in all), `stop`
    is asked before each image. Raises ValueError for options that cannot be.
    """
    border = scale if border is None else border
    if border < 0:
        raise ValueError(f"border: {border} pixels; allowed: whole numbers from 0")
    if scale == 1 and any(example.low is None for example in examples):
        raise ValueError("scale 1: made small once, the images stay what they are; give the low ones (--low)")
    if BASELINE in upscalers:
        raise ValueError(f"{BASELINE}: the name of what models are compared with; give this one another")
    evaluation = Evaluation()
    for done, example in enumerate(examples, start=1):
        if stop is not None and stop():
            break
        try:
            low, truth = _load(example, scale)
            results = {BASELINE: _enlarge(low, truth), **{name: _upscale(run, low) for name, run in upscalers.items()}}
            evaluation.scores += [
                Score(name, example.name, _measure(name, result, truth, channel, border, lpips))
                for name, result in results.items()
            ]
        except Exception as error:  # a network may raise anything, and must not take the other images along
            evaluation.failed.append((example.name, _sentence(example, error)))
        if progress is not None:
            progress(done, len(examples))
    return evaluation


def _load(example: Example, scale: int) -> tuple[NDArray[np.uint8], Tensor]:
    """The low image as an upscaler takes it, and the truth, cut to a multiple of the scale: (1, 3, H, W) in [0, 1]."""
    truth = _as_tensor(_read(example.truth))
    if example.low is None:
        source, target = bicubic_pair(truth, scale)
        return (source[0] * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy(), target
    low, target = _read(example.low), crop_to_multiple(truth, scale)
    height, width = target.shape[2:]
    if low.shape[:2] != (height // scale, width // scale):
        raise ValueError(
            f"{example.low}: {low.shape[1]}x{low.shape[0]} pixels, but {example.truth} cut to a multiple of {scale} is "
            f"{width}x{height}, {scale} times {width // scale}x{height // scale}"
        )
    return low, target


def _read(path: Path) -> NDArray[np.uint8]:
    """An image file as uint8 (H, W, 3)."""
    image = images.read(path)
    if image.shape[2] == 4 and image[..., 3].min() < np.iinfo(image.dtype).max:
        raise ValueError(f"{path}: has transparent pixels, which measures know nothing of; put it on a background")
    return images.from_float(images.to_float(images.with_channels(image, 3)), np.uint8)


def _as_tensor(image: NDArray[np.uint8]) -> Tensor:
    """uint8 (H, W, 3) as float64 (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].double() / 255


def _enlarge(low: NDArray[np.uint8], truth: Tensor) -> Tensor:
    return round_to_8bit(imresize(_as_tensor(low), truth.shape[2], truth.shape[3]))


def _upscale(upscaler: Upscaler, low: NDArray[np.uint8]) -> Tensor:
    result = upscaler(low)
    return _as_tensor(images.with_channels(result.reshape(*result.shape[:2], -1), 3))


def _measure(
    name: str, result: Tensor, truth: Tensor, channel: Channel, border: int, lpips: Lpips | None
) -> dict[str, float]:
    if result.shape != truth.shape:
        sizes = [f"{image.shape[3]}x{image.shape[2]}" for image in (result, truth)]
        raise ValueError(f"{name} made {sizes[0]} pixels where {sizes[1]} were due")
    result, truth = crop_border(result, border), crop_border(truth, border)
    measures: dict[str, float] = {}
    if channel != "rgb":
        pair = luma(result), luma(truth)
        measures |= {"PSNR-Y": psnr(*pair).item(), "SSIM-Y": ssim(*pair).item()}
    if channel != "y":
        measures |= {"PSNR-RGB": psnr(result, truth).item(), "SSIM-RGB": ssim(result, truth).item()}
    return measures if lpips is None else measures | {lpips.name: lpips(result, truth).item()}


def _sentence(example: Example, error: Exception) -> str:
    text = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {' '.join(str(error).split())}"
    named = str(example.truth) in text or (example.low is not None and str(example.low) in text)
    return text if named else f"{example.truth}: {text}"
