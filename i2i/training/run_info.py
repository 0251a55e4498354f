"""The machine, the versions and the duration of a run: `RUN/run.json`, one entry for each start."""

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
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
def record_run_info(run: Path, device: torch.device, step: Callable[[], int]) -> Iterator[None]:
    """Add an entry with the machine, the versions, the duration of the block and how it ended. `step()` returns the
    number of steps done.
    """
    entry = {"began": datetime.now(UTC).isoformat(timespec="seconds"), "from_step": step(), **_environment(device)}
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
