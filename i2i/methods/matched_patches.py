"""Patches of real images that are like patches of translated ones, found by their colours.

Pasios, Nikolaidis 2026: HyPER-GAN: Hybrid Patch-Based Image-to-Image Translation for Real-Time Photorealism
Enhancement, section II-B, https://arxiv.org/abs/2603.10604. There, patches are matched by features of VGG-16 over all
real images; here, by colours of their parts, among a few of the batch's real images.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.methods.crops import Crops, draw_crops

CANDIDATES = 16  # patches of all real images that one patch of a translation has to choose from
_PARTS = 4  # of a patch's height and width, whose mean colours are compared


@torch.no_grad()
def match_patches(translated: Tensor, real: Tensor, count: int, size: int) -> tuple[Crops, Crops]:
    """`count` squares of the translated images (N, C, H, W), and for each the most similar one among `CANDIDATES` for
    each of the real images, all drawn anew.
    """
    chosen, offered = draw_crops(translated, count, size), draw_crops(real, CANDIDATES * count, size)
    distance = torch.cdist(_colours(chosen, translated), _colours(offered, real))
    nearest = distance.argmin(1)
    return chosen, Crops(offered.image[nearest], offered.top[nearest], offered.left[nearest], size)


def _colours(crops: Crops, images: Tensor) -> Tensor:
    """Mean colours of the parts of squares (K, C * parts), from images that are shrunk first, to save memory."""
    factor = max(1, crops.size // (4 * _PARTS))
    small = Crops(crops.image, crops.top // factor, crops.left // factor, crops.size // factor)
    return F.adaptive_avg_pool2d(small.of(F.avg_pool2d(images, factor)), _PARTS).flatten(1).float()
