"""Learning-rate schedules: the factor on the base rate at a step of a run."""

import math

from i2i.registry import schedules


@schedules.register("constant")
class Constant:
    """The base rate throughout."""

    def __call__(self, step: int, steps: int) -> float:
        return 1.0


@schedules.register("linear")
class Linear:
    """The base rate for a share of the run, then down to nearly zero in equal stairs (CycleGAN section 4; 100 + 100
    epochs as published).

    With `constant` 0.5 and 100 `stairs`, a run of 200 epochs trains epoch 101 at 100/101 of the rate and epoch 200 at
    1/101, as the published code does; a shorter run has the same shape.
    """

    def __init__(self, *, constant: float = 0.5, stairs: int = 100) -> None:
        if not 0 <= constant <= 1 or stairs < 1:
            raise ValueError(f"schedule linear: constant {constant} must lie in 0..1 and stairs {stairs} be 1 or more")
        self.constant, self.stairs = constant, stairs

    def __call__(self, step: int, steps: int) -> float:
        begin = round(self.constant * steps)
        if step < begin or begin == steps:
            return 1.0
        stair = min(self.stairs, (step - begin) * self.stairs // (steps - begin) + 1)
        return 1.0 - stair / (self.stairs + 1)


@schedules.register("cosine")
class Cosine:
    """Half a cosine from the base rate to zero over the whole run."""

    def __call__(self, step: int, steps: int) -> float:
        return 0.5 * (1.0 + math.cos(math.pi * min(step, steps) / steps))
