"""Whether a file gives what the network gives: on pictures, at sizes and in batches that it was not made with."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from i2i.data.world import draw_scene
from i2i.export.graph import InUnitRange
from i2i_runtime.card import AnyCard, Card
from i2i_runtime.images import to_float, with_channels
from i2i_runtime.translate import Network

LIMIT = 1e-4  # of float32, largest error at the scale of the result
LEAST_PSNR = {"float16": 50.0, "int8": 35.0}  # dB, unless told
_ROUNDING = 2e-7  # two roundings of a float32 near 1
_HALF_A_LEVEL = 0.5 / 255
_NEAR = (96, 48)  # pixels: the largest that take a large network seconds
_SILENCE = 1e-20  # mean squared error that counts as none: 200 dB

Float = NDArray[np.float32]


class Proof(NamedTuple):
    """What was compared and what came out. Errors are in parts of `scale`, the spread of the result from its darkest to
    its lightest value, at most 1; what rounding to 8 bits explains is not counted.
    """

    max_error: float
    psnr: float  # dB
    scale: float
    limit: str
    holds: bool
    batches: tuple[tuple[int, ...], ...]  # shapes (N, C, H, W)
    runtime: str

    def facts(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return self._asdict() | {"batches": [list(shape) for shape in self.batches]}

    def sentence(self) -> str:
        """In words for who exports."""
        sizes = Counter[str]()
        for number, _, height, width in self.batches:
            sizes[f"{width}x{height}"] += number
        each = " and ".join(f"{number} of {size}" for size, number in sizes.items())
        what = each if len(sizes) < 3 else f"{sizes.total()} images"
        return (
            f"{self.runtime} against torch, {what}: largest error {self.max_error:.1e}, {self.psnr:.1f} dB "
            f"({'within' if self.holds else 'beyond'} {self.limit})"
        )


def prove(
    run: Network, card: Card, network: InUnitRange, batches: Sequence[Float], *, least_psnr: float | None = None
) -> Proof:
    """Compare `run`, the file that `card` is of, with `network` on images. float32 must not differ, anything less by
    `least_psnr` dB.
    """
    with torch.inference_mode():
        expected = [network(torch.from_numpy(batch)).numpy() for batch in batches]
    results = run_all(card, [partial(run, batch) for batch in batches])
    return compare(card, results, expected, sizes=[batch.shape for batch in batches], least_psnr=least_psnr)


def run_all(card: AnyCard, runs: Sequence[Callable[[], Float]]) -> list[Float]:
    """The results of calls of the file that `card` is of. Raises ValueError where it can't be run."""
    try:
        return [run() for run in runs]
    except Exception as error:  # each of its errors has a class of its own
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{card.product}: not exported, ONNX Runtime can't run it ({reason})") from error


def compare(
    card: AnyCard,
    results: Sequence[Float],
    expected: Sequence[Float],
    *,
    sizes: Sequence[tuple[int, ...]],
    least_psnr: float | None = None,
) -> Proof:
    """Compare what the file that `card` is of made with what was `expected`, both (N, C, H, W) in [0, 1]. `sizes` are
    those that the proof names.
    """
    # An untrained network's result is nearly one colour: there a small error is a large one.
    scale = min(1.0, max(_ROUNDING, *(float(np.ptp(each)) for each in expected)))
    errors = [_error(card, *pair) / scale for pair in zip(results, expected, strict=True)]
    largest = max(float(error.max()) for error in errors)
    psnr = -10 * float(np.log10(max(float(np.square(error).mean()) for error in errors) + _SILENCE))
    limit = LIMIT + _ROUNDING / scale
    least = LEAST_PSNR.get(card.precision) if least_psnr is None else least_psnr
    return Proof(
        max_error=largest,
        psnr=psnr,
        scale=scale,
        limit=f"{limit:.1e}" if least is None else f"{least:g} dB",
        holds=largest <= limit if least is None else psnr >= least,
        batches=tuple(sizes),
        runtime=f"ONNX Runtime {onnxruntime.__version__}",
    )


def refusal(card: AnyCard, proof: Proof) -> str:
    """The sentence for a file that doesn't do what it should."""
    return f"{card.product}: not exported, it would not give the same: {proof.sentence()}"


def pictures(card: Card) -> Iterator[Float]:
    """Two batches of drawn streets (light, edges, texture, noise) in [0, 1]: one and three images, of odd multiples of
    what sizes must be multiples of; or two of the size that the card says is the only one.
    """
    if card.size is not None:
        number, *size = card.size
        shapes = [(number, *size), (number, *size)]
    else:
        large, small = (_odd_multiple(near, card) for near in _NEAR)
        shapes = [(1, large, large + 2 * card.multiple_of), (3, small, small)]
    index = 0
    for number, height, width in shapes:
        yield np.stack([_picture(index + each, height, width, card.in_channels) for each in range(number)])
        index += number


def _odd_multiple(near: int, card: Card) -> int:
    times = -(-max(near, card.min_size) // card.multiple_of)
    return card.multiple_of * (times if times % 2 else times + 1)


def _picture(index: int, height: int, width: int, channels: int) -> Float:
    scene = draw_scene(size=max(height, width, 16), seed=0, index=index).real
    # The middle has more to see than the sky above it.
    top, left = (len(scene) - height) // 2, (len(scene) - width) // 2
    image = with_channels(scene[top : top + height, left : left + width], channels)
    return np.ascontiguousarray(to_float(image).transpose(2, 0, 1))


def _error(card: AnyCard, result: Float, expected: Float) -> NDArray[np.float64]:
    if result.shape != expected.shape or not np.isfinite(result).all():
        return np.full(expected.shape, np.inf)
    error = np.abs(result - expected.astype(np.float64))
    return np.maximum(error - _HALF_A_LEVEL, 0) if card.io == "uint8" else error
