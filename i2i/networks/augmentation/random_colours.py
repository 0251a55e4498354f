"""Random colours that keep shapes, so that a segmenter which sees them does not tell classes apart by colour alone.

Xu, Liu, Yang, Raffel, Niethammer 2021: Robust and Generalizable Visual Representation Learning via Random Convolutions,
section 3, https://arxiv.org/abs/2007.13003: with kernels of one pixel, blended with the image.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.networks.augmentation.base import Draws

_OFFSET = 0.25  # of a channel, at most, where black is -1 and white is 1
_STAINS, _STAIN_CELLS = 0.3, 8  # standard deviation of smooth noise, at most, and its cells along each side
_GRAIN = 0.15  # standard deviation of grey noise, at most


def random_colours(images: Tensor) -> Tensor:
    """Images (N, C, H, W) in [-1, 1] whose channels are mixed at random, of each image otherwise and by another share,
    with an offset of each channel, stains of colour, and grain; from torch's random numbers on their device.
    """
    count, channels, height, width = images.shape
    draws = Draws(count, images.device)

    def share() -> Tensor:
        return draws.uniform(0, 1)[..., None, None]

    kernels = F.normalize(draws.normal(1, channels**2).view(count, channels, channels), dim=2)
    mixed = torch.einsum("nij,njhw->nihw", kernels.to(images), images)
    images = images + share() * (mixed.to(images) - images)
    stains = draws.normal(_STAINS, channels * _STAIN_CELLS**2).view(count, channels, _STAIN_CELLS, _STAIN_CELLS)
    images = images + share() * F.interpolate(stains, size=(height, width), mode="bilinear")
    images = images + share() * draws.normal(_GRAIN, height * width).view(count, 1, height, width)
    return (images + draws.uniform(-_OFFSET, _OFFSET, channels)[..., None, None]).clamp(-1, 1)
