"""Frozen norms of a generator: calibrated on frames, and compared with the image's own statistics on others.

An instance norm takes the mean and the variance of the image at hand. With those of many frames instead, the network
runs in tiles, and an engine folds the norms into convolutions.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from i2i.networks.frozen_norms import freeze_norms
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.value_range import ValueRange
from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.tiles import padded_axes

LEAST_PSNR = 25.0  # dB, about 14 grey levels: a tone that drifts, not other objects
_MAX_FRAMES = 40
_HELD_OUT_EVERY = 5  # so it needs as many


class Frames(NamedTuple):
    """Frames for frozen norms: arrays (height, width, channels) of any sizes, some for calibration, others held out."""

    calibration: Sequence[images.Array]
    held_out: Sequence[images.Array]


class Difference(NamedTuple):
    """The difference that frozen norms make to the translations of held-out frames."""

    frames: int  # that calibrated the norms
    held_out: int
    psnr: float  # dB, of all pixels
    worst_psnr: float  # of a frame
    levels: float  # mean absolute difference in grey levels of 255

    def sentence(self) -> str:
        """The difference in words."""
        return (
            f"norms frozen on {self.frames} frames; on {self.held_out} others {self.psnr:.1f} dB (worst frame "
            f"{self.worst_psnr:.1f} dB), {self.levels:.1f} grey levels of 255 from the image's own statistics"
        )

    def facts(self) -> dict[str, Any]:
        """The difference as JSON can hold it."""
        return {key: round(value, 2) for key, value in self._asdict().items()}


def read_frames(folder: Path, notify: Callable[[str], None] = lambda message: None) -> Frames:
    """Up to 40 frames all over a folder, of which every fifth is held out; damaged ones are left out and named by
    `notify`. Raises ValueError for fewer than five.
    """
    files, frames = images.list_images(folder), list[images.Array]()
    count = min(len(files), _MAX_FRAMES)
    for file in (files[index * len(files) // count] for index in range(count)):
        try:
            frames.append(images.read(folder / file))
        except ValueError as error:
            notify(f"warning: a frame is left out: {error}")
    if len(frames) < _HELD_OUT_EVERY:
        raise ValueError(f"{folder}: {len(frames)} frames are too few to freeze norms; allowed: from {_HELD_OUT_EVERY}")
    held_out = frames[_HELD_OUT_EVERY - 1 :: _HELD_OUT_EVERY]
    return Frames([frame for index, frame in enumerate(frames, start=1) if index % _HELD_OUT_EVERY], held_out)


def freeze(
    generator: ImageGenerator, card: Card, frames: Frames, *, least_psnr: float | None = None
) -> tuple[ImageGenerator, Difference]:
    """The generator, which `card` describes, with norms frozen on frames, and its difference on those held out.

    Raises ValueError for a generator without instance norms, and with the figures below `least_psnr` dB, by default 25.
    """
    frozen = freeze_norms(generator, _batches(generator, card, frames.calibration))
    value_range, errors = ValueRange(*generator.value_range), list[Tensor]()
    with torch.inference_mode():
        for batch in _batches(generator, card, frames.held_out):
            own, fixed = (value_range.to_unit(network(batch)).clamp(0, 1) for network in (generator, frozen))
            errors.append((fixed - own).double())
    squares, pixels = ([each.square().sum().item() for each in errors], [each.numel() for each in errors])
    difference = Difference(
        frames=len(frames.calibration),
        held_out=len(errors),
        psnr=_psnr(sum(squares) / sum(pixels)),
        worst_psnr=min(_psnr(square / count) for square, count in zip(squares, pixels, strict=True)),
        levels=255 * sum(each.abs().sum().item() for each in errors) / sum(pixels),
    )
    least = LEAST_PSNR if least_psnr is None else least_psnr
    if difference.psnr < least:
        raise ValueError(
            f"{card.product}: frozen norms would change its pictures too much: {difference.sentence()}, below "
            f"{least:g} dB; choose frames that are more alike, allow it (--frozen-psnr {int(difference.psnr)}), or go "
            "on training with them: i2i convert --to i2i --freeze-norms"
        )
    return frozen, difference


def _batches(generator: ImageGenerator, card: Card, frames: Sequence[images.Array]) -> Iterator[Tensor]:
    """Frames as the network takes them, one by one: padded by reflection, in its value range."""
    for frame in frames:
        rows, columns = padded_axes(card, *frame.shape[:2])
        pixels = images.to_float(images.with_channels(frame[np.ix_(rows, columns)], card.in_channels))
        batch = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))
        yield ValueRange(*generator.value_range).from_unit(batch)


def _psnr(mse: float) -> float:
    return -10 * float(np.log10(mse + 1e-20))
