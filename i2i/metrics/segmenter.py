"""A network that says what each pixel of an image shows: an .onnx file, or a function in Python.

    segmenter = load_segmenter("segmenter.onnx", mean=IMAGENET_MEAN, std=IMAGENET_STD)
    segmenter(image)    # uint8 (H, W, 3) -> class indices (H, W)

A function is code that runs with all rights of the caller, which is why it is only ever loaded when it is named.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i_runtime.engines.base import check_file, refused
from i2i_runtime.files import printable

# What torchvision's and most other segmenters were trained with, for values in [0, 1].
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class Segmenter(Protocol):
    """uint8 (H, W, 3) -> class indices (H, W). `classes` is how many it tells apart, None where that is not known."""

    @property
    def name(self) -> str: ...
    @property
    def classes(self) -> int | None: ...
    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.integer]: ...


def load_segmenter(
    name: str,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    size: tuple[int, int] | None = None,
    threads: int = 0,
) -> Segmenter:
    """The segmenter in `segmenter.onnx`, `file.py:function` or `module:function`, which takes and gives what these do.

    The options are those of `OnnxSegmenter`. Raises ValueError for what is none of the three, or cannot be loaded.
    """
    if Path(name).suffix.lower() == ".onnx":
        return OnnxSegmenter(Path(name), mean=mean, std=std, size=size, threads=threads)
    home, _, function = name.rpartition(":")
    if not home or not function.isidentifier():
        raise ValueError(f"segmenter {name!r}: allowed: a file.onnx, file.py:function or module:function")
    if mean is not None or std is not None or size is not None:
        raise ValueError(f"segmenter {name}: mean, std and size are for .onnx files; a function sees to that itself")
    return PythonSegmenter(name, _find(home, function, name))


class OnnxSegmenter:
    """A segmenter in an .onnx file, run by ONNX Runtime on the CPU.

    It takes RGB (1, 3, h, w) or (1, h, w, 3), as uint8 or as float, which is the image in [0, 1] less `mean` and
    divided by `std` by channel (default: as it is). Its first output gives logits (1, classes, h', w') or whole numbers
    (1, h', w'). Images are resized to the size that it takes, or to `size` (width, height), and logits back,
    bilinearly. Raises ValueError for a file that takes or gives anything else.
    """

    def __init__(
        self,
        path: Path,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        size: tuple[int, int] | None = None,
        threads: int = 0,
    ) -> None:
        self.name = printable(path)
        self._session = _open(path, threads)
        (self._input,) = self._session.get_inputs()
        self._is_float = self._input.type in _FLOATS
        self._channels_first = self._takes_channels_first()
        self._mean, self._std = self._normalisation("mean", mean, 0.0), self._normalisation("std", std, 1.0)
        if not self._std.all():
            raise ValueError(f"{self.name}: std {std} has a 0; allowed: numbers other than 0")
        rows, columns = self._input.shape[2:] if self._channels_first else self._input.shape[1:3]
        fixed = (columns, rows) if isinstance(rows, int) and isinstance(columns, int) else None
        if fixed and size and fixed != tuple(size):
            raise ValueError(f"{self.name}: size {size[0]}x{size[1]}; allowed for this file: {fixed[0]}x{fixed[1]}")
        if size and min(size) < 1:
            raise ValueError(f"{self.name}: size {size[0]}x{size[1]}; allowed: whole numbers from 1")
        self._size = fixed or size

    @property
    def classes(self) -> int | None:
        """The channels of its logits, as the file declares them."""
        output = self._session.get_outputs()[0]
        is_logits = output.type in _FLOATS and len(output.shape) == 4
        return output.shape[1] if is_logits and isinstance(output.shape[1], int) else None

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.integer]:
        """uint8 (H, W, 3) -> (H, W). Raises ValueError for a result that is no label map, or sizes it cannot take."""
        height, width = image.shape[:2]
        try:
            result = self._session.run([self._session.get_outputs()[0].name], {self._input.name: self._batch(image)})[0]
        except Exception as error:  # each of ONNX Runtime's errors has a class of its own
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{self.name}: cannot segment {width}x{height} pixels ({reason}); give a size") from None
        if result.ndim == 4 and result.shape[1] > 1 and np.issubdtype(result.dtype, np.floating):
            return _largest(result[0].astype(np.float32), height, width)
        if result.ndim == 4 and result.shape[1] == 1:
            result = result[:, 0]
        if result.ndim == 3 and np.issubdtype(result.dtype, np.integer):
            labels = result[0].astype(np.int32)
            return cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        raise ValueError(
            f"{self.name}: gives {result.dtype} of shape {result.shape}; allowed: logits (1, classes, h, w) of two or"
            " more classes, or whole numbers (1, h, w)"
        )

    def _takes_channels_first(self) -> bool:
        """Told by where the 3 is, or by the type where it is nowhere."""
        shape, kind = self._input.shape, self._input.type
        allowed = len(shape) == 4 and (self._is_float or kind == "tensor(uint8)") and _may_be(shape[0], 1)
        if allowed and (shape[1] == 3 or shape[3] == 3):
            return shape[1] == 3
        if not allowed or not _may_be(shape[1 if self._is_float else 3], 3):
            raise ValueError(
                f"{self.name}: takes {kind} {shape}; allowed: float or uint8, (1, 3, h, w) or (1, h, w, 3)"
            )
        return self._is_float

    def _normalisation(self, what: str, values: Sequence[float] | None, default: float) -> NDArray[np.float32]:
        if values is not None and not self._is_float:
            raise ValueError(f"{self.name}: {what} is for files that take float; this one takes uint8")
        if values is not None and (len(values) != 3 or not np.isfinite(values).all()):
            raise ValueError(f"{self.name}: {what} {tuple(values)}; allowed: three numbers, for red, green and blue")
        return np.array(values if values is not None else [default] * 3, np.float32)

    def _batch(self, image: NDArray[Any]) -> NDArray[Any]:
        if self._size and self._size != (image.shape[1], image.shape[0]):
            shrinks = self._size[0] < image.shape[1] or self._size[1] < image.shape[0]
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        values = (image.astype(np.float32) / 255 - self._mean) / self._std if self._is_float else image
        values = values.transpose(2, 0, 1) if self._channels_first else values
        return np.ascontiguousarray(values[None], _FLOATS.get(self._input.type, np.uint8))


class PythonSegmenter:
    """A function as a segmenter, whose results are checked."""

    classes = None

    def __init__(self, name: str, function: Callable[[NDArray[np.uint8]], Any]) -> None:
        self.name, self._function = name, function

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.integer]:
        """uint8 (H, W, 3) -> (H, W). Raises ValueError for a result that is not whole numbers of that size."""
        result = np.asarray(self._function(image))
        if result.shape != image.shape[:2] or not np.issubdtype(result.dtype, np.integer):
            found = f"{result.dtype} of shape {result.shape}"
            raise ValueError(f"{self.name}: gave {found}; allowed: whole numbers of shape {image.shape[:2]}")
        return result


def _largest(logits: NDArray[np.float32], height: int, width: int) -> NDArray[np.integer]:
    """The class (height, width) of the largest of logits (classes, h, w), resized one by one, since all take much."""
    best = np.full((height, width), -np.inf, np.float32)
    found = np.zeros((height, width), np.int32)
    for index, plane in enumerate(logits):
        plane = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
        larger = plane > best
        best[larger], found[larger] = plane[larger], index
    return found


def _may_be(length: object, wanted: int) -> bool:
    """Of one of a shape's lengths, which is a name where it is dynamic."""
    return length == wanted or not isinstance(length, int)


def _open(path: Path, threads: int) -> Any:
    check_file(path)
    try:
        import onnxruntime
    except ImportError:
        raise ValueError("an .onnx file is run by ONNX Runtime: pip install onnxruntime (or onnxruntime-gpu)") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each of its errors has a class of its own
        raise refused(path, "ONNX Runtime", error) from None
    if len(session.get_inputs()) != 1:
        raise ValueError(f"{printable(path)}: takes {len(session.get_inputs())} inputs; allowed: one, the image")
    return session


def _find(home: str, function: str, name: str) -> Callable[..., Any]:
    try:
        module = _import_file(Path(home)) if home.endswith(".py") else importlib.import_module(home)
    except FileNotFoundError:
        raise ValueError(f"segmenter {name}: no file {home}") from None
    except Exception as error:  # whatever that code raises
        raise ValueError(f"segmenter {name}: cannot be imported ({type(error).__name__}: {error})") from error
    found = vars(module).get(function)
    if not callable(found):
        raise ValueError(f"segmenter {name}: no function {function!r} in {home}")
    return found


def _import_file(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"i2i_segmenter_{file.stem}", file)
    assert spec is not None and spec.loader is not None, "a name that ends in .py is a Python file"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
