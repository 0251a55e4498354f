"""The degradation that most super-resolution papers train and evaluate on."""

import torch

from i2i.data.batch import HighResolution, Pair
from i2i.data.degradation.resize import bicubic_pair
from i2i.recipe.ranges import Scale
from i2i.registry import degradations


@degradations.register("bicubic")
class Bicubic:
    """Bicubic down-sampling by `scale` with antialiasing (MATLAB's imresize), rounded to 8 bit."""

    def __init__(self, *, scale: Scale = 4) -> None:
        if scale < 1:
            raise ValueError(f"bicubic: scale = {scale} is refused; allowed: 1 and more")
        self._scale = scale

    @torch.no_grad()
    def __call__(self, batch: HighResolution, *, training: bool = True) -> Pair:
        """Images (N, C, H, W) in [0, 1] -> pairs, the target cropped to a multiple of `scale`. Uses no random numbers.

        Raises ValueError for images smaller than `scale`.
        """
        return bicubic_pair(batch.image, self._scale)
