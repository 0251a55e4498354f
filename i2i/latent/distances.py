"""Distances between images, one for each pair: in pixels, and in features of a classifier.

Those features after Abdal, Qin, Wonka 2019: Image2StyleGAN, section 4, https://arxiv.org/abs/1904.03189.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.losses.perceptual import VGG19, VGG19_WEIGHTS
from i2i.networks.value_range import ValueRange

# Two batches of images (N, C, size, size) in the generator's range, and labels (N,) or None -> (N,), 0 for equal ones
Distance = Callable[[Tensor, Tensor, Tensor | None], Tensor]

VGG_MIN_SIZE = 16  # pixels of an image for the features of VGG19
_COARSEST = 4  # pixels
_VGG_LAYERS = {"conv1_2": 1.0, "conv2_2": 1.0, "conv3_2": 1.0, "conv4_2": 1.0}


def pixel_distance(value_range: tuple[float, float]) -> Distance:
    """Mean squared difference of pixels in [0, 1], averaged over the full size and all halvings of it down to 4 pixels:
    the coarse ones have a gradient where shapes do not overlap yet.
    """
    width = ValueRange(*value_range).width

    def distance(fake: Tensor, target: Tensor, labels: Tensor | None) -> Tensor:
        difference, levels = (fake - target) / width, []
        while True:
            levels.append(difference.square().flatten(1).mean(1))
            if min(difference.shape[2:]) < 2 * _COARSEST:
                return torch.stack(levels).mean(0)
            difference = F.avg_pool2d(difference, 2)

    return distance


def vgg_distance(value_range: tuple[float, float], weights: Path | None = None) -> Distance | None:
    """Mean absolute difference of VGG19's features at four depths, averaged, each relative to the features' mean.

    `weights` is torchvision's file, by default the one in torch.hub's cache; None where there is none. Nothing is
    downloaded. Raises ValueError for another file.
    """
    file = weights or VGG19_WEIGHTS.cached
    if file is None:
        return None
    network = VGG19(layers=_VGG_LAYERS, weights=str(file), before_activation=False)
    to_unit = ValueRange(*value_range).to_unit

    def distance(fake: Tensor, target: Tensor, labels: Tensor | None) -> Tensor:
        network.to(fake.device)
        fakes, targets = (network.features(to_unit(images)) for images in (fake, target))
        differences = [
            (fakes[name] - targets[name]).abs().flatten(1).mean(1) / targets[name].flatten(1).mean(1).clamp_min(1e-6)
            for name in _VGG_LAYERS
        ]
        return torch.stack(differences).mean(0)

    return distance


def weighted(*terms: tuple[float, Distance]) -> Distance:
    """Weighted sum of distances."""
    return lambda fake, target, labels: sum(
        (weight * term(fake, target, labels) for weight, term in terms), torch.zeros(len(fake), device=fake.device)
    )
