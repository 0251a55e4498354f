"""Convolutions in 8 bits, with ranges measured on real images.

Jacob et al. 2018: Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference,
section 2 and 3, https://arxiv.org/abs/1712.05877.
"""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from i2i.export.graph import INPUT, quiet
from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.tiles import reflect_indices

MOST_IMAGES = 32
LARGEST_SIDE = 256  # pixels of the result

Float = NDArray[np.float32]


def to_int8(model: ModelProto, batches: Iterable[Float]) -> ModelProto:
    """The graph with all convolutions but the first and the last in 8 bits, by the ranges that the batches give.

    Per channel and symmetric around zero, which is what TensorRT takes. The rest stays float32: norms, and transposed
    convolutions, of which ONNX Runtime has none in 8 bits on a CPU. First and last see and make the image itself.
    """
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    with TemporaryDirectory() as workshop, quiet():
        file = Path(workshop) / "model.onnx"
        quantize_static(
            model,
            file,
            _Reader(batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=convolutions[:1] + convolutions[-1:],
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options={"ActivationSymmetric": True, "WeightSymmetric": True},
        )
        quantised = onnx.load(file)
    if not any(node.op_type == "QuantizeLinear" for node in quantised.graph.node):
        raise ValueError("int8: the network has no convolution between the first and the last; leave the option out")
    return quantised


def read_calibration(folder: Path, card: Card) -> list[Float]:
    """Up to 32 images from all over the folder, each (1, C, H, W) in [0, 1]: its middle, of a size that suits the card.

    For a file of one size with larger batches, each as often as that.
    Raises ValueError for fewer than two: some are for ranges, the others for proof.
    """
    files = images.list_images(folder)
    if len(files) < 2:
        raise ValueError(f"{folder}: {len(files)} images are too few to measure ranges and prove them; allowed: from 2")
    step = max(1, len(files) // MOST_IMAGES)
    return [_taken(images.read(folder / file), card) for file in files[::step][:MOST_IMAGES]]


def _taken(image: images.Array, card: Card) -> Float:
    largest = max(LARGEST_SIDE // card.scale, card.min_size)
    number, *sides = card.size or (1, largest, largest)
    least = sides if card.size else [card.min_size] * 2
    rows, columns = (
        max(0, have - most) // 2 + reflect_indices(min(have, most), multiple_of=card.multiple_of, min_size=fewest)
        for have, most, fewest in zip(image.shape[:2], sides, least, strict=True)
    )
    pixels = images.to_float(images.with_channels(image[np.ix_(rows, columns)], card.in_channels))
    return np.ascontiguousarray(np.repeat(pixels.transpose(2, 0, 1)[None], number, axis=0))


class _Reader(CalibrationDataReader):
    def __init__(self, batches: Iterable[Float]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, Float] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}
