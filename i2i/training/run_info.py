"""The machine, the versions and the duration of a run: `RUN/run.json`, one entry for each start."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from i2i import __version__
from i2i.training.context import Interrupted
from i2i_runtime.files import write_atomically

RUN_INFO = "run.json"


@contextmanager
def record_run_info(
    run: Path, device: torch.device, data: Mapping[str, Any], step: Callable[[], int]
) -> Iterator[None]:
    """Add an entry with the machine, the versions, the data, the duration of the block and how it ended. `step()`
    returns the number of steps done.
    """
    began = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {"began": began, "from_step": step(), **_environment(device), "data": dict(data)}
    earlier, begin = read_run_info(run), time.monotonic()
    _write(run / RUN_INFO, [*earlier, entry])
    try:
        yield
        entry["ended"] = "finished"
    except BaseException as error:
        stopped = isinstance(error, Interrupted | KeyboardInterrupt)
        entry["ended"] = "stopped" if stopped else str(error) or type(error).__name__
        raise
    finally:
        entry |= {"to_step": step(), "seconds": round(time.monotonic() - begin, 1)}
        with suppress(OSError):  # a full disk has its own sentence
            _write(run / RUN_INFO, [*earlier, entry])


def read_run_info(run: Path) -> list[dict[str, Any]]:
    """The entries, oldest first; none where the file is missing or damaged."""
    try:
        entries = json.loads((run / RUN_INFO).read_text(encoding="utf-8"))["starts"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [entry for entry in entries if isinstance(entry, dict)]


def fingerprint(files: Any) -> dict[str, Any]:
    """The number of files in nested sequences of paths, and a hash of their names below their common folder, their
    sizes and their order.
    """
    paths = list(_flattened(files))
    folder = os.path.commonpath([path.parent for path in paths])
    digest = hashlib.sha256()
    for path in paths:
        digest.update(os.fsencode(f"{os.path.relpath(path, folder)} {path.stat().st_size}\n"))
    return {"files": len(paths), "listing": digest.hexdigest()[:16]}


def _flattened(files: Any) -> Iterator[Path]:
    if isinstance(files, Path):
        yield files
    else:
        for each in files:
            yield from _flattened(each)


def changes_since_last_start(run: Path, device: torch.device, data: Mapping[str, Any]) -> list[str]:
    """Differences from the last start of a run by which it goes on otherwise: data, threads, device, torch."""
    entries = read_run_info(run)
    before, now = entries[-1] if entries else {}, {**_environment(device), "data": dict(data)}
    facts = {
        "data": [_listing(entry) for entry in (before, now)],
        "threads": [entry.get("machine", {}).get("threads") for entry in (before, now)],
        "device": [entry.get("device") for entry in (before, now)],
        "torch": [entry.get("versions", {}).get("torch") for entry in (before, now)],
    }
    changes = [f"{name}: {last}, now {this}" for name, (last, this) in facts.items() if last not in (None, this)]
    return changes


def _listing(entry: Mapping[str, Any]) -> str | None:
    data = entry.get("data")
    return f"{data['files']} files (listing {data['listing']})" if data else None


def _environment(device: torch.device) -> dict[str, Any]:
    on_cuda = device.type == "cuda"
    versions = {
        "i2i": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }
    return {
        "device": torch.cuda.get_device_name(device) if on_cuda else str(device),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
        },
        "versions": versions | ({"cuda": torch.version.cuda} if on_cuda else {}),
    }


def _write(file: Path, entries: list[dict[str, Any]]) -> None:
    with write_atomically(file) as temporary:
        temporary.write_text(json.dumps({"starts": entries}, indent=1) + "\n", encoding="utf-8")
