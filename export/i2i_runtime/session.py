"""An exported .onnx file as a function on images, run by ONNX Runtime on what was asked for and on nothing else."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2i_runtime import tiles
from i2i_runtime.card import Card
from i2i_runtime.headers import shown
from i2i_runtime.images import Array, from_float, to_float
from i2i_runtime.tiles import Tiling
from i2i_runtime.translate import translate_image

CARD = "i2i_card"  # the key of a file's metadata under which its card stands, as JSON

# By the name that a user gives; TensorRT leaves what it cannot run to CUDA.
_PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}
_AUTO = ("cuda", "cpu")
# How ONNX Runtime says that memory ran out; it has no error class for it.
_OUT_OF_MEMORY = re.compile("failed to allocate|bad.?alloc|out of memory|bfcarena", re.IGNORECASE)
_SILENT, _WARNINGS = 4, 2  # ONNX Runtime's levels of logging


class Session:
    """An exported generator: called with an image of any size, or through `network` with batches, as a `Network`.

    `providers` are tried in order: "cpu", "cuda", "tensorrt", or "auto", which is CUDA where it works and else the CPU;
    `provider` says which one it is. ONNX Runtime would go on without a word on a CPU where a GPU cannot be used; here
    only what is named is used. `threads` is of the CPU, 0 for all cores. TensorRT keeps its engines, which take minutes
    to build, in the folder `engines`. Raises ValueError for a file without a card, and where no provider can be used.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        providers: Sequence[str] = ("auto",),
        threads: int = 0,
        engines: Path | None = None,
    ) -> None:
        self._session, self.provider = _open(Path(path), providers, threads, engines)
        self.device = "cpu" if self.provider == "cpu" else "cuda"
        self.card = _card(Path(path), self._session.get_modelmeta().custom_metadata_map)
        self._tiling = _tiling(self.card)
        self._buffers = None if self.device == "cpu" else Buffers(self._session, self.device)

    def __call__(self, image: Array) -> Array:
        """As `translate_image`: (H, W) or (H, W, 1|3|4), uint8, uint16 or float32 in [0, 1], to the same type."""
        is_whole = self.card.size is not None and image.shape[:2] == self.card.size[1:]
        return translate_image(
            self.network, self.card, image, tiling=Tiling(self.card, 0) if is_whole else self._tiling
        )

    def network(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, C, H, W) in [0, 1] to (N, C', scale * H, scale * W) in [0, 1]; sizes must suit the card.

        A file with ends of uint8 rounds to 8 bits on the way in and out. Raises ValueError for a size that a file of
        one size does not take, and MemoryError where the device has too little memory.
        """
        if self.card.size is None:
            return self._run(images)
        number, height, width = self.card.size
        self._check_size(*images.shape[2:])
        rows, columns = (
            tiles.reflected(have, multiple_of=1, min_size=wanted)
            for have, wanted in zip(images.shape[2:], (height, width), strict=True)
        )
        # The last batch is filled up with its first images.
        batches = [np.arange(start, start + number) % len(images) for start in range(0, len(images), number)]
        results = [self._run(images[batch][:, :, rows][..., columns]) for batch in batches]
        kept = [size * self.card.scale for size in images.shape[2:]]
        return np.concatenate(results)[: len(images), :, : kept[0], : kept[1]]

    def _check_size(self, height: int, width: int) -> None:
        _, most_high, most_wide = self.card.size or (0, height, width)
        # Where every pixel depends on the whole image, an image that is filled up becomes another picture.
        fits = (height, width) == (most_high, most_wide) or self.card.overlap
        if not fits or height > most_high or width > most_wide:
            raise ValueError(
                f"{self.card.product} was exported for {most_wide}x{most_high} pixels only, not for {width}x{height}; "
                "resize the image, or export without --static"
            )

    def _run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.card.io == "float":
            return self._run_as_stored(np.ascontiguousarray(images))
        pixels = np.ascontiguousarray(from_float(images, np.uint8).transpose(0, 2, 3, 1))
        return to_float(np.ascontiguousarray(self._run_as_stored(pixels).transpose(0, 3, 1, 2)))

    def _run_as_stored(self, batch: Array) -> Array:
        with _memory_errors():
            if self._buffers is None:
                return self._session.run(None, {self._session.get_inputs()[0].name: batch})[0]
            if self.card.io == "uint8":
                number, height, width, _ = batch.shape
                shape = (number, height * self.card.scale, width * self.card.scale, self.card.out_channels)
            else:
                number, _, height, width = batch.shape
                shape = (number, self.card.out_channels, height * self.card.scale, width * self.card.scale)
            return self._buffers.run(batch, shape)


class Buffers:
    """Memory of a device for one batch and its result, kept for as long as batches have the same shape."""

    def __init__(self, session: Any, device: str) -> None:
        self._session, self._device = session, device
        self._lock = Lock()
        self._shape: tuple[int, ...] = ()

    def run(self, batch: Array, result: tuple[int, ...]) -> Array:
        """The result, of the shape `result` and of the batch's type."""
        with self._lock:
            if batch.shape != self._shape:
                self._allocate(batch, result)
            self._input.update_inplace(batch)
            self._session.run_with_iobinding(self._binding)
            return np.array(self._output.numpy())  # which on a CPU is the buffer itself

    def _allocate(self, batch: Array, result: tuple[int, ...]) -> None:
        ort = _onnxruntime()
        self._shape = ()  # until both are there
        self._input, self._output = (
            ort.OrtValue.ortvalue_from_shape_and_type(shape, batch.dtype, self._device)
            for shape in (batch.shape, result)
        )
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(self._session.get_inputs()[0].name, self._input)
        self._binding.bind_ortvalue_output(self._session.get_outputs()[0].name, self._output)
        self._shape = batch.shape


def _open(path: Path, providers: Sequence[str], threads: int, engines: Path | None) -> tuple[Any, str]:
    """ONNX Runtime's session, and the name of the provider that it really has."""
    if not path.is_file():
        raise ValueError(f"{shown(path)}: no such file")
    names = [name for given in providers for name in (_AUTO if given == "auto" else (given,))]
    if unknown := [name for name in names if name not in _PROVIDERS]:
        raise ValueError(f"provider {unknown[0]!r} is not known; legal: auto, {', '.join(_PROVIDERS)}")
    reasons = []
    for name in dict.fromkeys(names):
        try:
            return _open_with(path, name, threads, engines), name
        except _Unusable as error:
            reasons.append(f"{name} cannot be used here ({error})")
    raise ValueError(f"{shown(path)}: {', '.join(reasons) or 'no provider is named'}; legal: cpu, or auto")


class _Unusable(Exception):
    """Why a provider cannot be used."""


def _open_with(path: Path, name: str, threads: int, engines: Path | None) -> Any:
    ort = _onnxruntime()
    wanted = _PROVIDERS[name]
    if missing := [provider for provider in wanted if provider not in ort.get_available_providers()]:
        raise _Unusable(f"this onnxruntime has no {missing[0]}; for GPUs install onnxruntime-gpu in its place")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    settings: dict[str, dict[str, Any]] = {provider: {} for provider in wanted}
    if engines is not None and name == "tensorrt":
        engines.mkdir(parents=True, exist_ok=True)
        settings[wanted[0]] = {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(engines)}
    if name == "cpu":
        try:
            return ort.InferenceSession(path, options, providers=list(wanted))
        except Exception as error:  # each of its errors has a class of its own
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{shown(path)}: not a file that ONNX Runtime can run ({reason})") from None
    with _quiet(ort):
        try:
            if hasattr(ort, "preload_dlls"):
                ort.preload_dlls()  # CUDA's libraries, where they came as wheels
            session = ort.InferenceSession(path, options, providers=list(settings.items()), enable_fallback=0)
        except Exception as error:
            raise _Unusable(" ".join(str(error).split())[:200]) from None
    if wanted[0] not in session.get_providers():
        raise _Unusable("it was left out without an error: no GPU, no driver, or other versions of CUDA and cuDNN")
    return session


def _tiling(card: Card) -> Tiling:
    """Tiles of the one size that a file takes, where that is more than they share."""
    if card.size is None or not card.overlap:
        return Tiling(card)
    try:
        return Tiling(card, min(card.size[1:]))
    except ValueError:
        return Tiling(card, 0)


def _card(path: Path, facts: dict[str, str]) -> Card:
    if CARD not in facts:
        raise ValueError(f"{shown(path)}: no card in it; a file that has one is made by: i2i export MODEL --out x.onnx")
    try:
        return Card.from_dict(json.loads(facts[CARD]))
    except ValueError as error:
        raise ValueError(f"{shown(path)}: {error}") from None


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ValueError("an .onnx file is run by ONNX Runtime: pip install onnxruntime (or onnxruntime-gpu)") from None
    return onnxruntime


@contextmanager
def _quiet(ort: Any) -> Iterator[None]:
    """Without ONNX Runtime's own coloured lines about a provider that cannot be used, for which there is a sentence."""
    ort.set_default_logger_severity(_SILENT)
    try:
        yield
    finally:
        ort.set_default_logger_severity(_WARNINGS)


@contextmanager
def _memory_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not _OUT_OF_MEMORY.search(str(error)):
            raise
        raise MemoryError(str(error).partition("\n")[0]) from None
