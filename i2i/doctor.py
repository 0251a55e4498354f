"""Checks of this machine: versions, devices, folders, disk, recipes and plugins."""

import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import NamedTuple

from i2i.data.cache import cache_folder
from i2i.extras import EXTRAS, install_hint
from i2i.recipe import list_recipes
from i2i_runtime.engines.conflicts import conflicts

_PACKAGES = (
    "torch",
    "torchvision",
    "kornia",
    "albumentations",
    "onnx",
    "onnxscript",
    "opencv-python-headless",
    "pillow",
    "pydantic",
    "safetensors",
    "tensorboard",
    "typer",
)
_DISK_NEEDED = 5e9  # bytes, about what a data set and one run of CycleGAN with its checkpoints take


class Finding(NamedTuple):
    """One check: what was checked, whether it is good, and a detail or the remedy."""

    what: str
    good: bool
    detail: str


def examine() -> list[Finding]:
    """All checks of this machine, in the order of the list."""
    packages = [*map(_package, _PACKAGES), *_conflicts()]
    extras = [_extra(*extra) for extra in EXTRAS.items()]
    return [_python(), *packages, *extras, _providers(), *_devices(), _cache(), _disk(), _recipes(), *_plugins()]


def _python() -> Finding:
    return Finding(
        "python", sys.version_info >= (3, 11), f"{sys.version.split()[0]} on {sys.platform}, {os.cpu_count()} cores"
    )


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False, f"not installed; pip install {name}")


def _extra(extra: str, name: str) -> Finding:
    """An optional package, which may be missing."""
    try:
        return Finding(f"extra {extra}", True, f"{name} {version(name)}")
    except PackageNotFoundError:
        return Finding(f"extra {extra}", True, f"not installed; {install_hint(extra)}")


def _providers() -> Finding:
    """Engines and providers that can run exported files here."""
    try:
        import onnxruntime
    except ImportError as error:
        return Finding("ONNX Runtime", False, f"cannot be imported ({error}); install it again")
    providers = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    return Finding("ONNX Runtime", True, f"{onnxruntime.__version__} with {', '.join(providers)}")


def _devices() -> list[Finding]:
    try:
        import torch
    except ImportError as error:
        return [Finding("torch", False, f"cannot be imported ({error}); install it again")]
    cuda = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    detail = (
        ", ".join(cuda)
        or f"none; training runs on the CPU with {torch.get_num_threads()} threads, which is slow at full size"
    )
    return [Finding("GPUs", True, detail)]


def _cache() -> Finding:
    folder = cache_folder("data")
    above = next(path for path in (folder, *folder.parents) if path.exists())
    detail = (
        f"{folder}" if os.access(above, os.W_OK) else f"{folder}: cannot be written; set I2I_DATA to another folder"
    )
    return Finding("data folder", os.access(above, os.W_OK), detail)


def _disk() -> Finding:
    free = shutil.disk_usage(os.curdir).free
    return Finding(
        "free disk",
        free > _DISK_NEEDED,
        f"{free / 1e9:.0f} GB free" + ("" if free > _DISK_NEEDED else "; checkpoints may not fit"),
    )


def _recipes() -> Finding:
    names = list_recipes()
    return Finding(
        "recipes", bool(names), f"{len(names)} packaged" if names else "none found; install the package again"
    )


def _plugins() -> list[Finding]:
    findings = []
    for entry in entry_points(group="i2i.plugins"):
        try:
            entry.load()
            findings.append(Finding(f"plugin {entry.name}", True, entry.value))
        except Exception as error:  # a plugin may raise anything
            findings.append(Finding(f"plugin {entry.name}", False, f"{type(error).__name__}: {error}"))
    return findings


def _conflicts() -> list[Finding]:
    return [Finding("packages", False, sentence) for sentence in conflicts()]
