"""Post-training quantisation: convolutions in 8 bits, with ranges calibrated on images.

Jacob et al. 2018: Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference,
section 2 and 3, https://arxiv.org/abs/1712.05877.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, QuantType
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from i2i.export.graph import INPUT, check_one_file, quiet
from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.tiles import reflect_indices

MAX_IMAGES = 32
MAX_SIDE = 256  # pixels of the result
_OPERATORS = ["Conv"]

Float = NDArray[np.float32]


class Quantiser:
    """A float32 graph that can be had with any of its convolutions in 8 bits, with ranges calibrated once.

    Quantisation is per channel and symmetric around zero, as TensorRT needs it. Norms stay float32, and so do
    transposed convolutions, which ONNX Runtime does not have in 8 bits on a CPU, and the first and the last
    convolution, which read and write the image. Raises ValueError where that leaves none.
    """

    def __init__(self, model: ModelProto, batches: Iterable[Float]) -> None:
        check_one_file(model)
        convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
        self._ends, self.layers = convolutions[:1] + convolutions[-1:], convolutions[1:-1]
        if not self.layers:
            raise ValueError(
                "int8: the network has no convolution between the first and the last; leave the option out"
            )
        self._model = onnx.shape_inference.infer_shapes(model)
        self._ranges = _calibrate(model, batches)

    def quantise(self, floats: Collection[str] = ()) -> ModelProto:
        """The graph with all of `layers` in 8 bits but for `floats`."""
        model = ModelProto.FromString(self._model.SerializeToString())
        options = {"ActivationSymmetric": True, "WeightSymmetric": True}
        excluded, bits = [*self._ends, *floats], QuantType.QInt8
        with quiet():
            quantizer = QDQQuantizer(model, True, False, bits, bits, self._ranges, [], excluded, _OPERATORS, options)
            quantizer.quantize_model()
            quantizer.model.topological_sort()
        return quantizer.model.model


def _calibrate(model: ModelProto, batches: Iterable[Float]) -> TensorsData:
    """The smallest and the largest value of each tensor over images."""
    with TemporaryDirectory() as folder, quiet():
        file = Path(folder) / "model.onnx"
        onnx.save_model(model, file)
        augmented = str(Path(folder) / "augmented.onnx")
        calibrator = create_calibrator(file, _OPERATORS, augmented)
        calibrator.collect_data(_Reader(batches))
        return calibrator.compute_data()


def read_calibration(folder: Path, card: Card) -> list[Float]:
    """Centre crops (1, C, H, W) in [0, 1] of up to 32 images all over a folder, of a size that suits the card.

    For a file of one size with a larger batch each is repeated. Raises ValueError for fewer than two images: some are
    for calibration, the others for the proof.
    """
    files = images.list_images(folder)
    if len(files) < 2:
        raise ValueError(f"{folder}: {len(files)} images are too few to calibrate and to prove; allowed: from 2")
    count = min(len(files), MAX_IMAGES)
    chosen = [files[index * len(files) // count] for index in range(count)]
    return [_centre_crop(images.read(folder / file), card) for file in chosen]


def _centre_crop(image: images.Array, card: Card) -> Float:
    side = max(MAX_SIDE // card.scale, card.min_size)
    number, *max_sides = card.size or (1, side, side)
    min_sides = max_sides if card.size else [card.min_size] * 2
    rows, columns = (
        max(0, size - longest) // 2
        + reflect_indices(min(size, longest), multiple_of=card.multiple_of, min_size=shortest)
        for size, longest, shortest in zip(image.shape[:2], max_sides, min_sides, strict=True)
    )
    pixels = images.to_float(images.with_channels(image[np.ix_(rows, columns)], card.in_channels))
    return np.ascontiguousarray(np.repeat(pixels.transpose(2, 0, 1)[None], number, axis=0))


class _Reader(CalibrationDataReader):
    def __init__(self, batches: Iterable[Float]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, Float] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}
