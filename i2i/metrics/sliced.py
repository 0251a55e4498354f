"""How far apart two sets of images are when nothing is at hand to tell features: in pixels, at several scales.

Sliced Wasserstein distance: Rabin et al. 2011; on images at several scales as in Karras et al. 2018, section 5,
https://arxiv.org/abs/1710.10196, here of whole images and not of patches, for sets that may be small.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

_DIRECTIONS = 128
_SMALLEST = 4  # pixels


def sliced_distance(fake: Tensor, real: Tensor) -> Tensor:
    """Mean over random directions, the same ones at every call, of the distance between the sorted projections.

    Two sets (N, C, H, W) of equally many images; in units of a pixel's value, 0 for a set with itself.
    """
    if fake.shape != real.shape:
        raise ValueError(f"sliced distance: shapes {tuple(fake.shape)} and {tuple(real.shape)}; allowed: the same")
    random = torch.Generator().manual_seed(0)
    fake, real, distances = fake.float(), real.float(), []
    while True:
        direction = torch.randn(fake[0].numel(), _DIRECTIONS, generator=random).to(fake.device)
        direction = direction / direction.norm(dim=0)
        projected = [images.flatten(1) @ direction for images in (fake, real)]
        distances.append((projected[0].sort(dim=0).values - projected[1].sort(dim=0).values).abs().mean())
        if min(fake.shape[-2:]) < 2 * _SMALLEST:
            return torch.stack(distances).mean()
        fake, real = (F.avg_pool2d(images, 2) for images in (fake, real))
