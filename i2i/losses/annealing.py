"""Numbers that move along half a cosine over a run."""

import math


def annealed(first: float, last: float, progress: float) -> float:
    """A number that moves along half a cosine from `first` to `last`, where a share `progress` of the run is done."""
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))
