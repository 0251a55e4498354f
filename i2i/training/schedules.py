"""Learning-rate schedules: functions of (step, steps of the run) that return the factor on the base rate."""

import math

from i2i.recipe.ranges import Every, Factor, Probability
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

    def __init__(self, *, constant: Probability = 0.5, stairs: Every = 100) -> None:
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
    """Half a cosine from the base rate to `floor` of it over the whole run, or over each of `periods` equal parts of
    it, starting anew (ESRGAN's first stage as published with BasicSR: 4 periods).
    """

    def __init__(self, *, periods: Every = 1, floor: Probability = 0.0) -> None:
        if periods < 1 or not 0 <= floor <= 1:
            raise ValueError(f"schedule cosine: periods {periods} must be 1 or more and floor {floor} lie in 0..1")
        self.periods, self.floor = periods, floor

    def __call__(self, step: int, steps: int) -> float:
        place = min(step, steps) * self.periods % steps / steps
        if not place and step:
            place = 1.0  # as published, a period ends with its floor, and the next begins at its second step
        return self.floor + (1.0 - self.floor) * 0.5 * (1.0 + math.cos(math.pi * place))


@schedules.register("multistep")
class MultiStep:
    """The base rate times `gamma` for every one of the `milestones` that is behind; they are shares of the run.

    ESRGAN as published: halved after 50, 100, 200 and 300 thousand of 400 thousand steps (section 4.1).
    """

    def __init__(self, *, milestones: list[Probability] = [0.125, 0.25, 0.5, 0.75], gamma: Factor = 0.5) -> None:  # noqa: B006
        if not all(0 <= milestone <= 1 for milestone in milestones):
            raise ValueError(f"schedule multistep: milestones {milestones} are shares of the run; allowed: 0 to 1")
        if not 0 < gamma <= 1:
            raise ValueError(f"schedule multistep: gamma = {gamma} is refused; allowed: above 0, up to 1")
        self.milestones, self.gamma = milestones, gamma

    def __call__(self, step: int, steps: int) -> float:
        return self.gamma ** sum(step >= round(milestone * steps) for milestone in self.milestones)
