"""Exponential moving averages of weights (EMA)."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from i2i.losses.annealing import annealed
from i2i.recipe.sections import Warmup

_SHARE = 0.05  # of a run so far that is the longest half-life at first


def moving_average(decay: float, *, warmup: Warmup, steps: int) -> Callable[..., None]:
    """The averaging function of `AveragedModel` for a decay, which may warm up; `steps` is the length of the run.

    Without the warm-up a third of the average after 1000 steps of 0.999 are the weights that the run began with.
    """
    if not warmup:
        return get_ema_multi_avg_fn(decay)

    def average(averaged: Any, current: Any, count: Tensor) -> None:
        get_ema_multi_avg_fn(decay_at(int(count), decay, warmup=warmup, steps=steps))(averaged, current, count)

    return average


def decay_at(step: int, decay: float, *, warmup: Warmup, steps: int) -> float:
    """The decay of an average after so many steps of a run; see `train.ema_warmup`."""
    match warmup:
        case "cosine":
            share = annealed(0.0, 1.0, step / steps)
            return decay ** (1 / share) if share else 0.0
        case "proportional":
            return min(decay, 0.5 ** (1 / (_SHARE * step))) if step else 0.0
        case _:
            return min(decay, (1 + step) / (10 + step)) if warmup else decay
