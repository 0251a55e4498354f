"""Value of a metric with its uncertainty."""

import math
from typing import NamedTuple


class MetricValue(NamedTuple):
    """Value of a metric, its standard error (NaN where none is known), and a caution to readers, if any."""

    value: float
    error: float = math.nan
    note: str = ""
