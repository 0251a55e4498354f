"""A budget of milliseconds for each frame of one size."""

import re
from dataclasses import dataclass

from i2i_runtime.card import LARGEST_SIDE

_BUDGET = re.compile(r"(\d+(?:\.\d+)?)(fps|ms)@(\d{1,5})x(\d{1,5})", re.IGNORECASE)
_MOST = 1e6  # frames per second, or milliseconds


@dataclass(frozen=True)
class Budget:
    """Milliseconds for a frame of so many pixels, the input's."""

    text: str
    milliseconds: float
    height: int
    width: int

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """The budget of "30fps@640x360" or "8ms@512x288", width before height. Raises ValueError for anything else."""
        found = _BUDGET.fullmatch(text.strip())
        number, unit = (float(found[1]), found[2].lower()) if found else (0.0, "")
        width, height = (int(found[3]), int(found[4])) if found else (0, 0)
        if not (0 < number <= _MOST and 0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
            raise ValueError(
                f"--budget {text}: not a speed at a size; for example 30fps@640x360, or 8ms@512x288 (width x height)"
            )
        milliseconds = 1000 / number if unit == "fps" else number
        return cls(text.strip().lower(), milliseconds, height, width)

    @property
    def size(self) -> str:
        """The frame's size as text, 640x360."""
        return f"{self.width}x{self.height}"

    def alternatives(self, milliseconds: float, margin: float, step: int) -> str:
        """Budgets in words that a network keeps which needs so many milliseconds: at this size, and at a smaller one,
        whose sides are multiples of `step`.
        """
        needed = milliseconds / (1 - margin)
        rate = 1000 / needed
        slower = f"{rate:.0f}fps@{self.size}" if rate >= 1 else f"{needed:.0f}ms@{self.size}"
        share = (self.milliseconds / needed) ** 0.5  # its time grows with the number of pixels
        width, height = (int(side * share) // step * step for side in (self.width, self.height))
        unit = self.text.partition("@")[0]
        return f"{slower}, or {unit}@{width}x{height}" if min(width, height) >= step else slower
