"""Averages of weights over a run."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


def moving_average(decay: float) -> Callable[..., None]:
    """Exponential, over ever more steps until it has the published decay: the weights that a run began with would be a
    third of an average over 1000 steps else.
    """

    def average(averaged: Any, current: Any, count: Tensor) -> None:
        steps = int(count)
        get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averaged, current, count)

    return average
