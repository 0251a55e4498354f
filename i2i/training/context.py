"""What all stages of a run share."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from i2i.training.distributed import World
from i2i.training.reporter import Reporter


class Interrupted(Exception):
    """A run was asked to stop and has saved its state; the message is the folder to resume."""


class RunContext(NamedTuple):
    """The run's folder, which `i2i train --resume` takes, and what its stages train with."""

    run: Path
    reporter: Reporter
    stop: Callable[[], bool]  # asked after every step
    world: World
    device: torch.device
