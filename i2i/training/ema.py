"""Exponential moving averages of weights (EMA)."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


def moving_average(decay: float, *, warmup: bool) -> Callable[..., None]:
    """The averaging function of `AveragedModel` for a decay, which may warm up: min(decay, (1 + steps) / (10 + steps)).

    Without the warm-up a third of the average after 1000 steps of 0.999 are the weights that the run began with.
    """
    if not warmup:
        return get_ema_multi_avg_fn(decay)

    def average(averaged: Any, current: Any, count: Tensor) -> None:
        steps = int(count)
        get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averaged, current, count)

    return average
