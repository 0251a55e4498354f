"""Starts the ranks of a run on this machine, as torchrun does on several, and reports what ended them."""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from i2i.cli.errors import error_sentence
from i2i_runtime.files import write_atomically
from i2i_runtime.signals import ENDING, is_ignored

_ERROR_FILE = "TORCHELASTIC_ERROR_FILE"  # where torchrun and `launch` look for the error of a rank

# As many ranks as a machine without as many GPUs may have.
PER_CPU, FEW = 4, 16


def is_launched() -> bool:
    """Whether torchrun or `launch` has started this process; a cluster may have set `RANK` without either."""
    return "LOCAL_RANK" in os.environ


def watch_launcher() -> Callable[[], bool]:
    """A function that says whether the launcher of this process, if it has one, has died."""
    parent = os.getppid()
    return lambda: is_launched() and os.getppid() != parent


def is_main() -> bool:
    """Whether this process is rank 0, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def launch(count: int, arguments: Sequence[str]) -> int:
    """Run `i2i ARGUMENTS` as `count` ranks, or as one for each GPU if it is 0; returns the exit code.

    Raises ValueError with the error that ended the ranks, whichever of them had it.
    """
    import torch
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = ",".join(
        signal.Signals(number).name for number in ENDING if not is_ignored(number)
    )
    gpus = torch.cuda.device_count()
    if not count and not gpus:
        raise ValueError("--processes 0: one for each GPU, of which there is none here; give a number from 1")
    if count > (most := max(gpus, FEW, PER_CPU * (os.cpu_count() or 1))):
        raise ValueError(f"--processes {count}: more than this machine bears; allowed: up to {most}")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // (count or gpus))))
    for name in logging.root.manager.loggerDict:
        if name.startswith("torch.distributed.elastic"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    with TemporaryDirectory(prefix="i2i-ranks-") as folder:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count or gpus,
            logs_specs=DefaultLogsSpecs(log_dir=folder),
            run_id="i2i",
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            max_restarts=0,
        )
        try:
            elastic_launch(config, sys.executable)("-m", "i2i", *arguments)
        except ChildFailedError as error:
            return _exit_code(error.failures, _recorded_errors(Path(folder)))
        except SignalException as error:
            return 128 + error.sigval
    return 0


@contextmanager
def errors_left_to_launcher() -> Iterator[None]:
    """Record an error for the launcher of this process, if it has one, and exit: the launcher prints one error of all
    ranks, however many have it and in whatever order they come.
    """
    try:
        yield
    except Exception as error:
        if _ERROR_FILE not in os.environ or "--debug" in sys.argv:
            raise
        from i2i.training.distributed import RankFailed

        # "message" and "timestamp" are torch's, which torchrun reads.
        entry = {
            "message": error_sentence(error),
            "timestamp": time.time(),
            "is_consequence": isinstance(error, RankFailed),
        }
        with write_atomically(Path(os.environ[_ERROR_FILE])) as temporary:
            temporary.write_text(json.dumps(entry), encoding="utf-8")
        raise SystemExit(1) from None


def _recorded_errors(folder: Path) -> list[dict[str, Any]]:
    """Errors that ranks have recorded: causes before consequences for other ranks, the first before later ones."""
    errors = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("**/error.json"))]
    return sorted(errors, key=lambda error: (error["is_consequence"], error["timestamp"]))


def _exit_code(failures: dict[int, Any], errors: list[dict[str, Any]]) -> int:
    """The exit code of ranks that have failed. Raises ValueError with the error that one of them has recorded."""
    killed = {rank: failure for rank, failure in failures.items() if failure.exitcode < 0}
    if errors and not (killed and errors[0]["is_consequence"]):
        raise ValueError(errors[0]["message"])
    for rank, failure in killed.items():
        print(f"error: the process of rank {rank} was ended by {failure.signal_name()}", file=sys.stderr)
        return 128 - failure.exitcode
    return next(iter(failures.values())).exitcode
