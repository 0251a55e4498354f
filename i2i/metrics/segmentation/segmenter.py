"""Segmenters: networks that predict the class of each pixel, from an .onnx file or a Python function.

    segmenter = load_segmenter("segmenter.onnx", mean=IMAGENET_MEAN, std=IMAGENET_STD)
    segmenter(image)    # uint8 (H, W, 3) -> class indices (H, W)

A Python function runs with all rights of the caller, so it is only loaded where a user names it.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from i2i.metrics.segmentation.onnx_segmenter import OnnxSegmenter

# For values in [0, 1], as torchvision and most segmenters use them.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Segmenter(Protocol):
    """Predicts class indices (H, W) of an image, uint8 (H, W, 3); `classes` is their number, None where
    unknown, and `class_names` are their names, empty where unknown.
    """

    @property
    def name(self) -> str: ...
    @property
    def classes(self) -> int | None: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.integer]: ...


class PythonSegmenter:
    """Segmenter that calls a Python function and checks its result."""

    classes = None
    class_names: tuple[str, ...] = ()

    def __init__(self, name: str, function: Callable[[NDArray[np.uint8]], Any]) -> None:
        self.name, self._function = name, function

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.integer]:
        """Class indices (H, W) of an image, uint8 (H, W, 3). Raises ValueError for other results of the function."""
        result = np.asarray(self._function(image))
        if result.shape != image.shape[:2] or not np.issubdtype(result.dtype, np.integer):
            found = f"{result.dtype} of shape {result.shape}"
            raise ValueError(f"{self.name}: gave {found}; allowed: whole numbers of shape {image.shape[:2]}")
        return result


def load_segmenter(
    name: str,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    size: tuple[int, int] | None = None,
) -> Segmenter:
    """Load the segmenter `file.onnx`, with the options of `OnnxSegmenter`, `file.py:function` or `module:function`.

    Raises ValueError for other names, and where loading fails.
    """
    if Path(name).suffix.lower() == ".onnx":
        return OnnxSegmenter(Path(name), mean=mean, std=std, size=size)
    home, _, function = name.rpartition(":")
    if not home or not function.isidentifier():
        raise ValueError(f"segmenter {name!r}: allowed: a file.onnx, file.py:function or module:function")
    if mean is not None or std is not None or size is not None:
        raise ValueError(f"segmenter {name}: mean, std and size are for .onnx files; a function sees to that itself")
    return PythonSegmenter(name, _import_function(home, function, name))


def _import_function(home: str, function: str, name: str) -> Callable[..., Any]:
    try:
        module = _import_file(Path(home)) if home.endswith(".py") else importlib.import_module(home)
    except FileNotFoundError:
        raise ValueError(f"segmenter {name}: no file {home}") from None
    except Exception as error:  # the user's code may raise anything
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
