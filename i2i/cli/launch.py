"""Several processes that train one run together, on this machine; torchrun starts them on several machines."""

import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_HEAD_START = 3.0  # seconds; the others are ended before they are over


def launched() -> bool:
    """Whether `launch` or torchrun has started this process; a cluster may have set `RANK` without either."""
    return "LOCAL_RANK" in os.environ


def is_first() -> bool:
    """Whether this process speaks for all of them; also where it is the only one."""
    return os.environ.get("RANK", "0") == "0"


def launch(count: int, arguments: Sequence[str]) -> int:
    """Run `i2i ARGUMENTS` in so many processes, or in one for each GPU; returns the exit code. Raises ValueError."""
    import torch
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    gpus = torch.cuda.device_count()
    if not count and not gpus:
        raise ValueError("--processes 0: one for each GPU, of which there is none here; allowed: a number from 1")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // (count or gpus))))
    for name in logging.root.manager.loggerDict:
        if name.startswith("torch.distributed.elastic"):  # the processes speak for themselves
            logging.getLogger(name).setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count or gpus,
        run_id="i2i",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "i2i", *arguments)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        return failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
    except SignalException as error:
        return 128 + error.sigval
    return 0


@contextmanager
def first_speaks_first() -> Iterator[None]:
    """An error that all processes have is said once."""
    try:
        yield
    except Exception:
        if not is_first():
            time.sleep(_HEAD_START)
        raise
