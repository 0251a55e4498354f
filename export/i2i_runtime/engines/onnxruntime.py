"""ONNX Runtime as an engine, on the execution providers that are asked for and on no others."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from i2i_runtime.bands import Subgraph
from i2i_runtime.engines.base import CARD, ExportedModel, ModelFile, TensorFacts, check_graph, check_threads, refused
from i2i_runtime.files import printable
from i2i_runtime.images import Array
from i2i_runtime.interrupt import endable

__all__ = ["CARD", "Buffers", "Session", "in_order"]

# By the name in an option; TensorRT leaves operators that it cannot run to CUDA.
_PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}
_AUTO = ("cuda", "cpu")
_SILENT, _ERRORS, _WARNINGS = 4, 3, 2  # ONNX Runtime's levels of logging


class Session(ExportedModel):
    """An exported image generator in ONNX Runtime.

    `providers` are tried in order: "cpu", "cuda", "tensorrt", or "auto", which is CUDA where it works and else the CPU;
    `provider` is the one in use. ONNX Runtime itself would silently fall back to the CPU where a GPU cannot be used.
    `threads` is of the CPU, 0 for all cores. Raises ValueError for a file without a card, and where no provider can be
    used.
    """

    engine = "onnxruntime"

    def __init__(self, path: str | Path, *, providers: Sequence[str] = ("auto",), threads: int = 0) -> None:
        file = ModelFile.read(path)
        self._session, self.provider = open_session(file, providers, threads)
        self._threads = threads
        self.device = "cpu" if self.provider == "cpu" else "cuda"
        super().__init__(file, self._session.get_modelmeta().custom_metadata_map)
        check_graph(file.path, self.card, self.tensors()[0])
        self._buffers = None if self.device == "cpu" else Buffers(self._session, self.device)

    def tensors(self) -> tuple[list[TensorFacts], list[TensorFacts]]:
        return tensors_of(self._session)

    def _run_graph(self, batch: Array) -> Array:
        if self._buffers is None:
            return run_session(self._session, {self._session.get_inputs()[0].name: batch})
        if self.card.io == "uint8":
            number, height, width, _ = batch.shape
            shape = (number, height * self.card.scale, width * self.card.scale, self.card.out_channels)
        else:
            number, _, height, width = batch.shape
            shape = (number, self.card.out_channels, height * self.card.scale, width * self.card.scale)
        return self._buffers.run(batch, shape)

    def _open_subgraph(self, file: bytes) -> Subgraph:
        # TensorRT would take longer to build an engine for each subgraph than they take to run.
        provider = "cuda" if self.provider == "tensorrt" else self.provider
        return open_subgraph(file, provider=provider, threads=self._threads)


class Buffers:
    """Buffers on a device for one batch and its result, reused while batches have the same shape."""

    def __init__(self, session: Any, device: str) -> None:
        self._session, self._device = session, device
        self._lock = Lock()
        self._shape: tuple[int, ...] = ()

    def run(self, batch: Array, result: tuple[int, ...]) -> Array:
        """The output for a batch: of the shape `result` and of the batch's type."""
        with self._lock:
            if batch.shape != self._shape:
                self._allocate(batch, result)
            self._input.update_inplace(batch)
            with _endable_run() as options:
                self._session.run_with_iobinding(self._binding, options)
            return np.array(self._output.numpy())  # a copy: on a CPU it is the buffer itself

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


def open_session(file: ModelFile, providers: Sequence[str], threads: int = 0) -> tuple[Any, str]:
    """ONNX Runtime's session of any file, and the provider in use; options and errors are those of `Session`."""
    check_threads(threads)
    reasons = []
    for name in in_order(providers):
        try:
            return _open_with(file.content, name, threads, path=file.path), name
        except _Unusable as error:
            reasons.append(f"{name} cannot be used here ({error})")
    raise ValueError(
        f"{printable(file.path)}: {', '.join(reasons) or 'no provider is named'}; choose from: cpu, or auto"
    )


def run_session(session: Any, inputs: Mapping[str, Array]) -> Array:
    """The first output of a session; a signal can end the call, as `endable` says."""
    with _endable_run() as options:
        return session.run(None, inputs, options)[0]


@contextmanager
def _endable_run() -> Iterator[Any]:
    """The options of a run, which ends between two nodes, or two steps of a loop, where a signal asks for it."""
    options = _onnxruntime().RunOptions()
    options.log_severity_level = _SILENT  # it raises what it would print

    def end() -> None:
        options.terminate = True

    with endable(end):
        yield options


def tensors_of(session: Any) -> tuple[list[TensorFacts], list[TensorFacts]]:
    """The inputs and the outputs of a session's graph."""
    names = {"tensor(float)": "float32", "tensor(double)": "float64"}
    inputs, outputs = (
        [TensorFacts(each.name, names.get(each.type, each.type.partition("(")[2][:-1]), each.shape) for each in ends]
        for ends in (session.get_inputs(), session.get_outputs())
    )
    return inputs, outputs


def open_subgraph(file: bytes, *, provider: str, threads: int = 0) -> Subgraph:
    """A subgraph's file in ONNX Runtime. Raises ValueError where the provider cannot be used."""
    try:
        session = _open_with(file, provider, threads, path=Path("a subgraph"))
    except _Unusable as error:
        raise ValueError(f"{provider} cannot be used here ({error})") from None
    return partial(run_session, session)


def in_order(providers: Sequence[str]) -> list[str]:
    """The providers to try, each once, without "auto". Raises ValueError for an unknown one."""
    names = [name for given in providers for name in (_AUTO if given == "auto" else (given,))]
    if unknown := [name for name in names if name not in _PROVIDERS]:
        raise ValueError(f"provider {unknown[0]!r} is not known; choose from: auto, {', '.join(_PROVIDERS)}")
    return list(dict.fromkeys(names))


class _Unusable(Exception):
    """A provider cannot be used; the text says why."""


def _open_with(file: Path | bytes, name: str, threads: int, *, path: Path) -> Any:
    """ONNX Runtime's session of a file, or of its bytes, on one provider; `path` is for messages. Raises _Unusable."""
    ort = _onnxruntime()
    required = _PROVIDERS[name]
    if missing := [provider for provider in required if provider not in ort.get_available_providers()]:
        raise _Unusable(f"this onnxruntime has no {missing[0]}; for GPUs install onnxruntime-gpu in its place")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _ERRORS  # it warns of an input that has a default
    if name == "cpu":
        try:
            return ort.InferenceSession(file, options, providers=list(required))
        except Exception as error:  # each of its errors has a class of its own
            raise refused(path, "ONNX Runtime", error) from None
    with _quiet(ort):
        try:
            if hasattr(ort, "preload_dlls"):
                ort.preload_dlls()  # CUDA's libraries, where they came as wheels
            session = ort.InferenceSession(file, options, providers=list(required), enable_fallback=0)
        except Exception as error:
            raise _Unusable(" ".join(str(error).split())[:200]) from None
    if required[0] not in session.get_providers():
        raise _Unusable("it was left out without an error: no GPU, no driver, or other versions of CUDA and cuDNN")
    return session


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ValueError("an .onnx file is run by ONNX Runtime: pip install onnxruntime (or onnxruntime-gpu)") from None
    return onnxruntime


@contextmanager
def _quiet(ort: Any) -> Iterator[None]:
    """Silences ONNX Runtime's own lines about a provider that cannot be used; the error says it in a sentence."""
    ort.set_default_logger_severity(_SILENT)
    try:
        yield
    finally:
        ort.set_default_logger_severity(_WARNINGS)
