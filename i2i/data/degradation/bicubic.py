"""What most super-resolution papers train and count on: bicubic with antialiasing, in files of 8 bit."""

import torch

from i2i.data.batch import HighResolution, Pair
from i2i.data.degradation.resize import bicubic_pair
from i2i.registry import degradations


@degradations.register("bicubic")
class Bicubic:
    """The source is `scale` times smaller, rounded to 8 bit; the target is the image, cut to a multiple of `scale`."""

    def __init__(self, *, scale: int = 4) -> None:
        if scale < 1:
            raise ValueError(f"bicubic: scale = {scale} is refused; allowed: 1 and more")
        self._scale = scale

    @torch.no_grad()
    def __call__(self, batch: HighResolution, *, training: bool = True) -> Pair:
        """Images in [0, 1]; draws nothing. Raises ValueError for images smaller than `scale`."""
        return bicubic_pair(batch.image, self._scale)
