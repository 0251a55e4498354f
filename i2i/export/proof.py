"""Compares an exported file with the network in torch, on images whose sizes and batches were not traced."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from i2i.data.world import draw_scene
from i2i.export.graph import InUnitRange
from i2i.label_maps import INSTANCES
from i2i_runtime.card import BaseCard, Card
from i2i_runtime.images import to_float, with_channels
from i2i_runtime.translate import Network

LIMIT = 1e-4  # of float32, largest error at the scale of the result
LEAST_PSNR = {"float16": 50.0, "int8": 35.0}  # dB
_ROUNDING = 2e-7  # two roundings of a float32 near 1
_HALF_A_LEVEL = 0.5 / 255
_SIDES = (96, 48)  # pixels, about: the largest that take a large network seconds
_SMALLEST_MSE = 1e-20  # 200 dB

Float = NDArray[np.float32]


class Proof(NamedTuple):
    """The differences between an exported file and its network, and whether they are within the limit.

    Errors are relative to `scale`, the range from the darkest to the lightest value of the result, at most 1. For uint8
    files half a grey level is subtracted, which rounding explains.
    """

    max_error: float
    psnr: float  # dB
    scale: float
    limit: str
    holds: bool
    batches: tuple[tuple[int, ...], ...]  # shapes (N, C, H, W)
    runtime: str

    def facts(self) -> dict[str, Any]:
        """The proof as JSON can hold it."""
        return self._asdict() | {"batches": [list(shape) for shape in self.batches]}

    def sentence(self) -> str:
        """The proof in words, for whoever exports."""
        sizes = Counter[str]()
        for number, _, height, width in self.batches:
            sizes[f"{width}x{height}"] += number
        listed = " and ".join(f"{number} of {size}" for size, number in sizes.items())
        compared = listed if len(sizes) < 3 else f"{sizes.total()} images"
        return (
            f"{self.runtime} against torch, {compared}: largest error {self.max_error:.1e}, {self.psnr:.1f} dB "
            f"({'within' if self.holds else 'beyond'} {self.limit})"
        )


def prove(
    run: Network,
    card: Card,
    network: InUnitRange,
    batches: Sequence[Float],
    *,
    least_psnr: float | None = None,
    engine: str = "onnxruntime",
) -> Proof:
    """Compare `run`, the file that `card` describes in `engine`, with `network` on batches (N, C, H, W) in [0, 1].

    A float32 file must agree to LIMIT, one of lower precision must reach `least_psnr` dB. Raises ValueError where the
    file can't be run.
    """
    with torch.inference_mode():
        expected = [network(torch.from_numpy(batch)).numpy() for batch in batches]
    results = run_all(card, [partial(run, batch) for batch in batches])
    sizes = [batch.shape for batch in batches]
    return compare(card, results, expected, sizes=sizes, least_psnr=least_psnr, engine=engine)


def run_all(card: BaseCard, runs: Sequence[Callable[[], Float]]) -> list[Float]:
    """The results of calls of the file that `card` describes. Raises ValueError where it can't be run."""
    try:
        return [run() for run in runs]
    except Exception as error:  # each of its errors has a class of its own
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{card.product}: not exported, ONNX Runtime can't run it ({reason})") from error


def compare(
    card: BaseCard,
    results: Sequence[Float],
    expected: Sequence[Float],
    *,
    sizes: Sequence[tuple[int, ...]],
    least_psnr: float | None = None,
    engine: str = "onnxruntime",
) -> Proof:
    """Compare results of the file that `card` describes with those of torch, `expected`: (N, C, H, W) in [0, 1].

    `sizes` are the shapes that the proof names, and `engine` is what ran the file.
    """
    # The result of an untrained network is nearly one colour, where a small absolute error is a large relative one.
    scale = min(1.0, max(_ROUNDING, *(float(np.ptp(each)) for each in expected)))
    errors = [_error(card, *pair) / scale for pair in zip(results, expected, strict=True)]
    largest = max(float(error.max()) for error in errors)
    psnr = -10 * float(np.log10(max(float(np.square(error).mean()) for error in errors) + _SMALLEST_MSE))
    limit = LIMIT + _ROUNDING / scale
    least = LEAST_PSNR.get(card.precision) if least_psnr is None else least_psnr
    return Proof(
        max_error=largest,
        psnr=psnr,
        scale=scale,
        limit=f"{limit:.1e}" if least is None else f"{least:g} dB",
        holds=largest <= limit if least is None else psnr >= least,
        batches=tuple(sizes),
        runtime=f"OpenVINO {version(engine)}" if engine == "openvino" else f"ONNX Runtime {onnxruntime.__version__}",
    )


def refusal(card: BaseCard, proof: Proof) -> str:
    """The sentence for a file whose proof does not hold."""
    return f"{card.product}: not exported, it would not give the same: {proof.sentence()}"


def pictures(card: Card) -> Iterator[Float]:
    """Two batches of rendered streets (light, edges, texture, noise) in [0, 1], or of label maps, of one and of three.

    Their sides are odd multiples of the card's `multiple_of`; for a file of fixed size both have that size.
    """
    if card.size is not None:
        number, *size = card.size
        shapes = [(number, *size), (number, *size)]
    else:
        large, small = (_odd_multiple(side, card) for side in _SIDES)
        shapes = [(1, large, large + 2 * card.multiple_of), (3, small, small)]
    index = 0
    for number, height, width in shapes:
        scenes = range(index, index + number)
        options: Any = {"label_classes": card.label_classes, "instance_maps": card.instance_maps}
        yield np.stack([picture(each, height, width, card.in_channels, **options) for each in scenes])
        index += number


def _odd_multiple(side: int, card: Card) -> int:
    times = -(-max(side, card.min_size) // card.multiple_of)
    return card.multiple_of * (times if times % 2 else times + 1)


def picture(
    index: int, height: int, width: int, channels: int, *, label_classes: int = 0, instance_maps: bool = False
) -> Float:
    """A rendered street, or its label or instance map for a network that takes these, (channels, height, width) in
    [0, 1].
    """
    drawn = draw_scene(size=max(height, width, 16), seed=0, index=index)
    scene = drawn.labels[..., None] % label_classes if label_classes else drawn.real
    if instance_maps:  # two instances of each class, in the left half and in the right one
        halves = np.arange(scene.shape[1]) * 2 // scene.shape[1]
        scene = np.where(scene, scene.astype(np.uint16) * INSTANCES + halves[:, None].astype(np.uint16), scene)
    # The middle has more detail than the sky above it.
    top, left = (len(scene) - height) // 2, (len(scene) - width) // 2
    image = with_channels(scene[top : top + height, left : left + width], channels)
    return np.ascontiguousarray(to_float(image).transpose(2, 0, 1))


def _error(card: BaseCard, result: Float, expected: Float) -> NDArray[np.float64]:
    if result.shape != expected.shape or not np.isfinite(result).all():
        return np.full(expected.shape, np.inf)
    error = np.abs(result - expected.astype(np.float64))
    return np.maximum(error - _HALF_A_LEVEL, 0) if card.io == "uint8" else error
