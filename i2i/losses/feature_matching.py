"""Feature matching, a distance between images in the features of the discriminator that is being trained.

Wang, Liu, Zhu, Tao, Kautz, Catanzaro 2018: High-Resolution Image Synthesis and Semantic Manipulation with Conditional
GANs (pix2pixHD), section 3.2, equation 3, https://arxiv.org/abs/1711.11585.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.losses.precision import at_least_float32


def feature_matching(fakes: Sequence[Tensor], reals: Sequence[Tensor], *, scales: int = 1) -> Tensor:
    """Mean absolute difference of each layer's features, summed over layers, and the mean of that over scales; only
    fakes have gradients.
    """
    distances = [
        F.l1_loss(at_least_float32(fake), at_least_float32(real).detach())
        for fake, real in zip(fakes, reals, strict=True)
    ]
    return torch.stack(distances).sum() / scales
