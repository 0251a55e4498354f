"""The contract of degradation steps."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from torch import Tensor

from i2i.recipe.ranges import Parameter, Probability

Range = tuple[Parameter, Parameter]  # the lower end, and the upper


class Size(NamedTuple):
    """Height and width in pixels of a low-resolution image."""

    height: int
    width: int


class DegradationStep(ABC):
    """One effect on an image, applied with a `probability`; what else is random is drawn from ranges."""

    probability: Probability = 1.0

    @abstractmethod
    def __call__(self, image: Tensor, rng: np.random.Generator, low: Size) -> Tensor:
        """Degrade an image (C, H, W) in [0, 1], of 1 or 3 channels: the same, not rounded; of size `low` by the step
        that makes it smaller.
        """


def check_range(step: str, name: str, value: Range, lowest: float, highest: float) -> None:
    """Raises ValueError for a range whose ends are not ordered or beyond what they may be."""
    if not lowest <= value[0] <= value[1] <= highest:
        raise ValueError(
            f"{step}: {name} = {list(value)} is refused; allowed: two numbers from {lowest:g} to {highest:g}, the "
            "lower one first"
        )
