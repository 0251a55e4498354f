"""Opens an exported file in the engine that is asked for, or in the fastest one that is installed."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from i2i_runtime.engines.base import ExportedModel
from i2i_runtime.engines.onnxruntime import Session, in_order
from i2i_runtime.engines.openvino import OpenVino
from i2i_runtime.translate import ImageModel

Engine = Literal["auto", "onnxruntime", "openvino"]


def is_exported(path: str | Path) -> bool:
    """Whether a path names an exported file; only its suffix is looked at."""
    return Path(path).suffix.lower() == ".onnx"


def open_model(
    path: str | Path, *, engine: str = "auto", providers: Sequence[str] = ("auto",), threads: int = 0
) -> ExportedModel:
    """Open an exported file; "auto" takes the fastest engine: ONNX Runtime on a GPU, else OpenVINO, else ONNX Runtime.

    `engine` and `provider` of the result say which one. `providers` and `threads` are those of `Session`; OpenVINO
    runs on "cpu" only, which "auto" includes. Raises ValueError like `Session`, and for an engine that is unknown or
    not installed.
    """
    if engine not in get_args(Engine):
        raise ValueError(f"engine {engine!r} is not known; choose from: {', '.join(get_args(Engine))}")
    names = in_order(providers)
    if engine == "openvino":
        if "cpu" not in names:
            raise ValueError(f"openvino runs on the CPU, not on {', '.join(names)}; use --engine onnxruntime")
        return OpenVino(path, threads=threads)
    if engine == "onnxruntime" or "cpu" not in names or find_spec("openvino") is None:
        return Session(path, providers=providers, threads=threads)
    if gpus := names[: names.index("cpu")]:
        try:
            return Session(path, providers=gpus, threads=threads)
        except ValueError:
            pass  # no such GPU; or no such file, and then the next engine raises
    try:
        return OpenVino(path, threads=threads)
    except ValueError:
        if find_spec("onnxruntime") is None:
            raise
        return Session(path, providers=["cpu"], threads=threads)


def open_for_folder(
    path: str | Path,
    *,
    engine: str = "auto",
    providers: Sequence[str] = ("auto",),
    threads: int = 0,
    workers: int | None = None,
) -> tuple[ExportedModel, int]:
    """The opened file, and how many threads should call it at once: `workers`, if given. Raises as `open_model` does.

    On a CPU two images at once, each on half of the cores, are done sooner than one after the other on all cores.
    """
    cores = os.cpu_count() or 1
    on_cpu = workers if workers is not None else 1 if threads else min(2, cores)
    if on_cpu > 1 and not threads:
        threads = max(1, cores // on_cpu)  # ignored on a GPU
    model = open_model(path, engine=engine, providers=providers, threads=threads)
    return model, on_cpu if workers is not None or model.device == "cpu" else 1


def expand_engine(engine: str, providers: Sequence[str]) -> list[str]:
    """The engines for `open_model` that a name stands for: "all" for the installed ones, any other for itself."""
    if engine != "all":
        return [engine]
    on_cpu = bool({"auto", "cpu"} & set(providers))
    return [name for name in ("onnxruntime", "openvino") if find_spec(name) and (on_cpu or name != "openvino")]


def describe(model: ImageModel) -> str:
    """Engine and provider of an opened model in words, such as "onnxruntime cpu"."""
    return f"{model.engine} {model.provider}"
