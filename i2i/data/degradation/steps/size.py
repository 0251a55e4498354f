"""Down-sampling by a filter that is drawn: what is found on the web was made small by many programs."""

import numpy as np
from torch import Tensor

from i2i.data.degradation.filters import FILTERS, Filter, resample
from i2i.data.degradation.steps.base import DegradationStep, Size
from i2i.registry import degradation_steps


@degradation_steps.register("downscale")
class Downscale(DegradationStep):
    """Down-sampling to the size of the source by one of `filters`, with antialiasing as in Pillow."""

    def __init__(self, *, filters: list[Filter] = list(FILTERS)) -> None:  # noqa: B006
        if not filters:
            raise ValueError(f"downscale: filters is empty; choose from: {', '.join(FILTERS)}")
        self.filters = filters

    def __call__(self, image: Tensor, rng: np.random.Generator, low: Size) -> Tensor:
        name = self.filters[rng.integers(len(self.filters))]
        return resample(image[None], *low, name)[0].clamp(0, 1)
