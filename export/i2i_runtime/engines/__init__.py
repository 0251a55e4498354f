"""What runs an exported file: ONNX Runtime, or OpenVINO, which was the faster one on the CPUs it was measured on."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from i2i_runtime.engines.base import Exported
from i2i_runtime.engines.onnxruntime import Session, in_order
from i2i_runtime.engines.openvino import OpenVino

Engine = Literal["auto", "onnxruntime", "openvino"]


def open_model(
    path: str | Path, *, engine: str = "auto", providers: Sequence[str] = ("auto",), threads: int = 0
) -> Exported:
    """The file in an engine, "auto" in the fastest there is: ONNX Runtime on a GPU, else OpenVINO, else ONNX Runtime.

    `engine` and `provider` of the result say what it is. `providers` and `threads` are those of `Session`; OpenVINO
    knows "cpu" alone, which "auto" includes. Raises ValueError like `Session`, and for an engine that is not known or
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
            pass  # there is no such GPU; or no such file, for which the next one has a sentence
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
) -> tuple[Exported, int]:
    """The file, and how many workers should share it, `workers` if that is given. Raises ValueError like `open_model`.

    On a CPU two images beside each other, each on half of the cores, are done sooner than one after the other on all.
    """
    cores = os.cpu_count() or 1
    on_cpu = workers if workers is not None else 1 if threads else min(2, cores)
    if on_cpu > 1 and not threads:
        threads = max(1, cores // on_cpu)  # of which a GPU that is found takes no notice
    session = open_model(path, engine=engine, providers=providers, threads=threads)
    return session, on_cpu if workers is not None or session.device == "cpu" else 1


def all_of(engine: str, providers: Sequence[str]) -> list[str]:
    """The names for `open_model` that "all" stands for, which are those that are installed; any other for itself."""
    on_cpu = bool({"auto", "cpu"} & set(providers))
    here = [name for name in ("onnxruntime", "openvino") if find_spec(name) and (on_cpu or name != "openvino")]
    return here if engine == "all" else [engine]


def name_of(session: Exported) -> str:
    """The engine and what it runs on, for people."""
    return f"{session.engine} {session.provider}"
