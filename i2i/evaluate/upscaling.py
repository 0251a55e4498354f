"""Evaluation of upscalers by PSNR, SSIM and LPIPS, with the conventions of papers on super-resolution.

The ground truth is cropped to a multiple of the scale and downscaled by antialiased bicubic interpolation to 8 bit. The
result is rounded to 8 bit, and a border of `scale` pixels is left out. Bicubic upscaling is always measured too.

    from i2i import evaluate, load
    examples = evaluate.find_examples(Path("Set5"))
    evaluation = evaluate.evaluate_upscaling({"mine": load("runs/esrgan/photos/latest")}, examples, scale=4)
    evaluation.mean("mine")["PSNR-Y"]
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i.data.degradation.resize import bicubic_pair, crop_to_multiple, imresize, round_to_8bit
from i2i.evaluate.pairs import Pixels, Progress, files_by_stem
from i2i.metrics.lpips import Lpips
from i2i.metrics.psnr import crop_border, luma, psnr
from i2i.metrics.ssim import ssim
from i2i_runtime import images

BASELINE = "bicubic"

Channel = Literal["y", "rgb", "both"]
# uint8 (H, W, 3) -> uint8 (H * scale, W * scale, 3), such as a `Translator`
Upscaler = Callable[[NDArray[Any]], NDArray[Any]]


class UpscalingExample(NamedTuple):
    """Ground truth file, its name in messages, and the low-resolution file; None to downscale the truth."""

    name: Path
    truth: Path
    low: Path | None = None


class UpscalingScore(NamedTuple):
    """Measures of one model on one image: PSNR in dB, SSIM at most 1, LPIPS from 0."""

    model: str
    image: Path
    measures: dict[str, float]


@dataclass
class UpscalingEvaluation:
    """Scores of all models; an image that fails for one model counts for none, and is in `failed` with a sentence."""

    scores: list[UpscalingScore] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)

    def mean(self, model: str) -> dict[str, float]:
        """Mean of each measure over the images; empty where nothing was measured."""
        measured = [score.measures for score in self.scores if score.model == model]
        return {name: float(np.mean([each[name] for each in measured])) for name in (measured[0] if measured else ())}


def find_examples(truth: Path, low: Path | None = None, *, scale: int = 1) -> list[UpscalingExample]:
    """Examples of all images below `truth`, with those of the same stem, or stem and `x{scale}`, below `low`.

    Raises ValueError for a missing or empty folder, and for images that are not in `low`.
    """
    names = images.list_images(truth)
    if not names:
        raise ValueError(f"{truth}: no images in it; known suffixes: {' '.join(images.SUFFIXES)}")
    if low is None:
        return [UpscalingExample(name, truth / name) for name in names]
    files = files_by_stem(low)
    stems = [name.with_suffix("") for name in names]
    found = [files.get(stem) or files.get(stem.with_name(f"{stem.name}x{scale}")) for stem in stems]
    if missing := [str(truth / name) for name, file in zip(names, found, strict=True) if file is None]:
        rest = ", …" if len(missing) > 3 else ""
        raise ValueError(f"{low}: {len(missing)} of {len(names)} images are not in it: {', '.join(missing[:3])}{rest}")
    return [UpscalingExample(name, truth / name, file) for name, file in zip(names, found, strict=True)]


def common_scale(scales: Mapping[str, int], given: int | None = None) -> int:
    """Scale of all models, by their names, or the given one. Raises ValueError where they differ."""
    scale = given if given is not None else next(iter(scales.values()), None)
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
    examples: Sequence[UpscalingExample],
    *,
    scale: int,
    channel: Channel = "both",
    border: int | None = None,
    lpips: Lpips | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> UpscalingEvaluation:
    """PSNR and SSIM of each upscaler and of bicubic upscaling, on Y, RGB or both, for each example.

    `border` pixels are left out at each side, `scale` by default. Grey images are measured as RGB, 16-bit ones rounded
    to 8; images with transparent pixels, and those that cannot be read, are reported in the evaluation. `stop` is
    called before each image. Raises ValueError for wrong options.
    """
    border = scale if border is None else border
    _check_options(upscalers, examples, scale, border)
    measure = partial(_measure, channel=channel, border=border, lpips=lpips)
    evaluation = UpscalingEvaluation()
    for done, example in enumerate(examples, start=1):
        if stop is not None and stop():
            break
        try:
            low, truth = _load(example, scale)
            results = {BASELINE: _bicubic(low, truth), **{name: _run(run, low) for name, run in upscalers.items()}}
            scores = [
                UpscalingScore(name, example.name, measure(name, result, truth)) for name, result in results.items()
            ]
            evaluation.scores += scores
        except Exception as error:  # a network may raise anything, which is no matter for other images
            evaluation.failed.append((example.name, _sentence(example, error)))
        if progress is not None:
            progress(done, len(examples))
    return evaluation


def _check_options(
    upscalers: Mapping[str, Upscaler], examples: Sequence[UpscalingExample], scale: int, border: int
) -> None:
    if border < 0:
        raise ValueError(f"border: {border} pixels; allowed: whole numbers from 0")
    if scale == 1 and any(example.low is None for example in examples):
        raise ValueError("scale 1: downscaled once, the images stay what they are; give the low ones (--low)")
    if BASELINE in upscalers:
        raise ValueError(f"{BASELINE}: the name of what models are compared with; give this one another")


def _load(example: UpscalingExample, scale: int) -> tuple[Pixels, Tensor]:
    """Low-resolution image, uint8 (h, w, 3), and truth, (1, 3, H, W) in [0, 1], cropped to a multiple of the scale."""
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


def _read(path: Path) -> Pixels:
    """Read an image file as uint8 (H, W, 3). Raises ValueError for transparent pixels."""
    image = images.read(path)
    if image.shape[2] == 4 and image[..., 3].min() < np.iinfo(image.dtype).max:
        raise ValueError(f"{path}: has transparent pixels, which no metric is defined for; put it on a background")
    return images.from_float(images.to_float(images.with_channels(image, 3)), np.uint8)


def _as_tensor(image: Pixels) -> Tensor:
    """Image, uint8 (H, W, 3), as float64 (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].double() / 255


def _bicubic(low: Pixels, truth: Tensor) -> Tensor:
    return round_to_8bit(imresize(_as_tensor(low), truth.shape[2], truth.shape[3]))


def _run(upscaler: Upscaler, low: Pixels) -> Tensor:
    result = upscaler(low)
    return _as_tensor(images.with_channels(result.reshape(*result.shape[:2], -1), 3))


def _measure(
    name: str, result: Tensor, truth: Tensor, *, channel: Channel, border: int, lpips: Lpips | None
) -> dict[str, float]:
    if result.shape != truth.shape:
        sizes = [f"{image.shape[3]}x{image.shape[2]}" for image in (result, truth)]
        raise ValueError(f"{name} gave {sizes[0]} pixels instead of {sizes[1]}")
    result, truth = crop_border(result, border), crop_border(truth, border)
    measures: dict[str, float] = {}
    if channel != "rgb":
        pair = luma(result), luma(truth)
        measures |= {"PSNR-Y": psnr(*pair).item(), "SSIM-Y": ssim(*pair).item()}
    if channel != "y":
        measures |= {"PSNR-RGB": psnr(result, truth).item(), "SSIM-RGB": ssim(result, truth).item()}
    return measures if lpips is None else measures | {lpips.name: lpips(result, truth).item()}


def _sentence(example: UpscalingExample, error: Exception) -> str:
    text = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {' '.join(str(error).split())}"
    is_named = str(example.truth) in text or (example.low is not None and str(example.low) in text)
    return text if is_named else f"{example.truth}: {text}"
