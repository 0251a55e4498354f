"""Segmenter in an .onnx file, run by ONNX Runtime on the CPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i_runtime.engines.base import check_file, read_segmenter_card, refused
from i2i_runtime.files import printable
from i2i_runtime.images.prepare import preparation

_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxSegmenter:
    """Segmenter in an .onnx file with one input, the image, whose first output gives the classes.

    Input: RGB (1, 3, h, w) or (1, h, w, 3), uint8, or float: the image in [0, 1], normalised by `mean` and `std` of
    each channel (default: as it is). Output: logits (1, classes, h', w') or whole numbers (1, h', w'). Images are
    resized to the input's fixed size, or to `size` (width, height), and logits back, bilinearly; those of a file of
    ours to their size in training. Raises ValueError for a file with other inputs or outputs.
    """

    def __init__(
        self,
        path: Path,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        self.name = printable(path)
        self._session = _open_session(path)
        (self._input,) = self._session.get_inputs()
        self._is_float = self._input.type in _FLOATS
        self._channels_first = self._is_channels_first()
        self._mean, self._std = self._by_channel("mean", mean, 0.0), self._by_channel("std", std, 1.0)
        if not self._std.all():
            raise ValueError(f"{self.name}: std {std} has a 0; allowed: numbers other than 0")
        self._size = self._input_size(size)
        self._card = read_segmenter_card(path, self._session.get_modelmeta().custom_metadata_map)
        self._prepare = preparation(self._card.recipe) if self._card and not size else None

    @property
    def classes(self) -> int | None:
        """Number of classes: the channels of the logits, where the file declares them."""
        output = self._session.get_outputs()[0]
        is_logits = output.type in _FLOATS and len(output.shape) == 4
        return output.shape[1] if is_logits and isinstance(output.shape[1], int) else None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in order; empty where the file does not say."""
        return self._card.names if self._card else ()

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.integer]:
        """Class indices (H, W) of an image, uint8 (H, W, 3).

        Raises ValueError for sizes that the network cannot take, and outputs that are no label map.
        """
        height, width = image.shape[:2]
        try:
            result = self._session.run([self._session.get_outputs()[0].name], {self._input.name: self._batch(image)})[0]
        except Exception as error:  # each of ONNX Runtime's errors has a class of its own
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{self.name}: cannot segment {width}x{height} pixels ({reason}); give a size") from None
        if result.ndim == 4 and result.shape[1] > 1 and np.issubdtype(result.dtype, np.floating):
            return argmax_of_resized(result[0].astype(np.float32), height, width)
        if result.ndim == 4 and result.shape[1] == 1:
            result = result[:, 0]
        if result.ndim == 3 and np.issubdtype(result.dtype, np.integer):
            labels = result[0].astype(np.int32)
            return cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        raise ValueError(
            f"{self.name}: gives {result.dtype} of shape {result.shape}; allowed: logits (1, classes, h, w) of two or"
            " more classes, or whole numbers (1, h, w)"
        )

    def _is_channels_first(self) -> bool:
        """Layout of the input, by the position of the 3; by its type where no length is 3."""
        shape, kind = self._input.shape, self._input.type
        is_image = len(shape) == 4 and (self._is_float or kind == "tensor(uint8)") and _may_be(shape[0], 1)
        if is_image and (shape[1] == 3 or shape[3] == 3):
            return shape[1] == 3
        if not is_image or not _may_be(shape[1 if self._is_float else 3], 3):
            raise ValueError(
                f"{self.name}: takes {kind} {shape}; allowed: float or uint8, (1, 3, h, w) or (1, h, w, 3)"
            )
        return self._is_float

    def _by_channel(self, what: str, values: Sequence[float] | None, default: float) -> NDArray[np.float32]:
        if values is not None and not self._is_float:
            raise ValueError(f"{self.name}: {what} is for files that take float; this one takes uint8")
        if values is not None and (len(values) != 3 or not np.isfinite(values).all()):
            raise ValueError(f"{self.name}: {what} {tuple(values)}; allowed: three numbers, for red, green and blue")
        return np.array(values if values is not None else [default] * 3, np.float32)

    def _input_size(self, size: tuple[int, int] | None) -> tuple[int, int] | None:
        """Fixed (width, height) of the input, else `size`; None for any size."""
        rows, columns = self._input.shape[2:] if self._channels_first else self._input.shape[1:3]
        fixed = (columns, rows) if isinstance(rows, int) and isinstance(columns, int) else None
        if fixed and size and fixed != tuple(size):
            raise ValueError(f"{self.name}: size {size[0]}x{size[1]}; allowed for this file: {fixed[0]}x{fixed[1]}")
        if size and min(size) < 1:
            raise ValueError(f"{self.name}: size {size[0]}x{size[1]}; allowed: whole numbers from 1")
        return fixed or size

    def _batch(self, image: NDArray[Any]) -> NDArray[Any]:
        """Input of the network for one image."""
        image = image if self._prepare is None else self._prepare(image)
        if self._size and self._size != (image.shape[1], image.shape[0]):
            shrinks = self._size[0] < image.shape[1] or self._size[1] < image.shape[0]
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        values = (image.astype(np.float32) / 255 - self._mean) / self._std if self._is_float else image
        values = values.transpose(2, 0, 1) if self._channels_first else values
        return np.ascontiguousarray(values[None], _FLOATS.get(self._input.type, np.uint8))


def argmax_of_resized(logits: NDArray[np.float32], height: int, width: int) -> NDArray[np.integer]:
    """Class of the largest of the logits (classes, h, w), resized to (height, width) one by one to save memory."""
    largest = np.full((height, width), -np.inf, np.float32)
    labels = np.zeros((height, width), np.int32)
    for index, plane in enumerate(logits):
        plane = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
        is_larger = plane > largest
        largest[is_larger], labels[is_larger] = plane[is_larger], index
    return labels


def _may_be(length: object, expected: int) -> bool:
    """Compare a length of a shape, which is a name where it is dynamic."""
    return length == expected or not isinstance(length, int)


def _open_session(path: Path) -> Any:
    check_file(path)
    try:
        import onnxruntime
    except ImportError:
        raise ValueError("an .onnx file is run by ONNX Runtime: pip install onnxruntime (or onnxruntime-gpu)") from None
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # each of its errors has a class of its own
        raise refused(path, "ONNX Runtime", error) from None
    if len(session.get_inputs()) != 1:
        raise ValueError(f"{printable(path)}: takes {len(session.get_inputs())} inputs; allowed: one, the image")
    return session
