"""OpenVINO as an engine, on the CPU.

Settings of OpenVINO's CPU: https://docs.openvino.ai/2025/openvino-workflow/running-inference/inference-devices-and-modes/
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from i2i_runtime.bands import Subgraph
from i2i_runtime.bands.plan import BANDS
from i2i_runtime.engines.base import (
    CARD,
    NOISE_CARD,
    SEGMENTER_CARD,
    ExportedModel,
    ModelFile,
    TensorFacts,
    check_graph,
    check_threads,
    refused,
)
from i2i_runtime.images import Array
from i2i_runtime.interrupt import endable

_METADATA = "framework"  # where OpenVINO puts the metadata of an .onnx file


class OpenVino(ExportedModel):
    """An exported image generator in OpenVINO, in float32 and on the CPU; used like `Session`.

    `threads` is of one call, 0 for all cores; as many calls run at once as there are cores for. Raises ValueError for a
    file without a card or that OpenVINO cannot run, and where OpenVINO is not installed.
    """

    engine, provider, device = "openvino", "cpu", "cpu"

    def __init__(self, path: str | Path, *, threads: int = 0) -> None:
        file = ModelFile.read(path)
        core = _core()
        self._settings = _settings(threads)
        with _refusing(file.path):
            model = core.read_model(file.content)
        keys = [key for key in (CARD, NOISE_CARD, SEGMENTER_CARD, BANDS) if model.has_rt_info([_METADATA, key])]
        super().__init__(file, {key: model.get_rt_info([_METADATA, key]).value for key in keys})
        with _refusing(file.path):
            self._compiled = core.compile_model(model, "CPU", self._settings)
        check_graph(file.path, self.card, self.tensors()[0])
        # Requests that no call uses now; there come to be as many as there are calls at once.
        self._requests: list[Any] = []

    def tensors(self) -> tuple[list[TensorFacts], list[TensorFacts]]:
        inputs, outputs = (list(map(_facts, ends)) for ends in (self._compiled.inputs, self._compiled.outputs))
        return inputs, outputs

    def _run_graph(self, batch: Array) -> Array:
        try:
            request = self._requests.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        try:
            with endable(request.cancel):
                # Shared outputs are the request's own memory, which its next call overwrites.
                return np.array(request.infer({0: batch}, share_inputs=True, share_outputs=True)[0])
        finally:
            self._requests.append(request)

    def _open_subgraph(self, file: bytes) -> Subgraph:
        return _compile(file, self._settings)


def open_subgraph(file: bytes, *, threads: int = 0) -> Subgraph:
    """A subgraph's file in OpenVINO. Raises ValueError where OpenVINO is not installed."""
    return _compile(file, _settings(threads))


def _compile(file: bytes, settings: dict[str, Any]) -> Subgraph:
    core = _core()
    request = core.compile_model(core.read_model(file), "CPU", settings).create_infer_request()

    def run(inputs: dict[str, Array]) -> Array:
        with endable(request.cancel):
            return request.infer(inputs, share_inputs=True)[0]

    return run


@contextmanager
def _refusing(file: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # RuntimeErrors, mostly
        raise refused(file, "OpenVINO", error) from None


def _facts(tensor: Any) -> TensorFacts:
    shape = [side.get_length() if side.is_static else side.to_string() for side in tensor.partial_shape]
    return TensorFacts("/".join(sorted(tensor.names)), tensor.element_type.to_dtype().name, shape)


def _settings(threads: int) -> dict[str, Any]:
    check_threads(threads)
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "f32",  # by itself it takes bfloat16 where the processor has it
        "PERFORMANCE_HINT": "LATENCY",  # all its threads on one call
        "ENABLE_CPU_PINNING": False,  # the cores also read and write files
        # By itself it keeps what it has prepared for every size that it has met, without end, and is no faster for it.
        "CPU_RUNTIME_CACHE_CAPACITY": 0,
    }
    if threads:
        # A stream is what runs one call, and OpenVINO counts the threads of all streams.
        streams = max(1, (os.cpu_count() or 1) // threads)
        settings |= {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams * threads}
    return settings


def _core() -> Any:
    try:
        import openvino
    except ImportError:
        raise ValueError("--engine openvino needs OpenVINO: pip install openvino") from None
    return _shared_core(openvino)


@cache
def _shared_core(openvino: Any) -> Any:
    """OpenVINO's Core, one for the whole process, after a first small inference.

    The first inference must not run in two threads at once: they would deadlock with Python's lock (2026.4). Nor may
    a second Core be loaded: its CPU plugin swaps the thread's stack for signals, and two that are unloaded in the
    order of their loading leave a dangling one, so that the next signal ends the process.
    """
    core, opset8 = openvino.Core(), import_module("openvino.opset8")
    number = opset8.parameter([1], np.float32)
    core.compile_model(openvino.Model([opset8.relu(number)], [number]), "CPU").create_infer_request().infer(
        {0: np.zeros(1, np.float32)}, share_inputs=True, share_outputs=True
    )
    return core
