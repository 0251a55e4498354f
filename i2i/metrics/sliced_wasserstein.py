"""Sliced Wasserstein distance of two sets of images, in pixels, at several scales; lower is better.

Rabin et al. 2011; at several scales as in Karras et al. 2018, section 5, https://arxiv.org/abs/1710.10196, but of whole
images instead of patches, so that it works for small sets.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

_DIRECTIONS = 128
_MIN_SIZE = 4  # pixels, height and width of the coarsest scale


def sliced_wasserstein_distance(fake: Tensor, real: Tensor) -> Tensor:
    """Mean distance of sorted projections onto fixed random directions, of two sets (N, C, H, W); from 0, a scalar.

    In units of a pixel's value. Raises ValueError for sets of different shapes.
    """
    if fake.shape != real.shape:
        raise ValueError(f"sliced distance: shapes {tuple(fake.shape)} and {tuple(real.shape)}; allowed: the same")
    random = torch.Generator().manual_seed(0)
    fake, real, distances = fake.float(), real.float(), []
    while True:
        direction = torch.randn(fake[0].numel(), _DIRECTIONS, generator=random).to(fake.device)
        direction = direction / direction.norm(dim=0)
        projected = [(images.flatten(1) @ direction).sort(dim=0).values for images in (fake, real)]
        distances.append((projected[0] - projected[1]).abs().mean())
        if min(fake.shape[-2:]) < 2 * _MIN_SIZE:
            return torch.stack(distances).mean()
        fake, real = (F.avg_pool2d(images, 2) for images in (fake, real))
