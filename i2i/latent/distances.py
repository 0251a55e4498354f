"""Distances of images from those they are to be like, each by itself: in pixels, and in features of a classifier.

Those features after Abdal, Qin, Wonka 2019: Image2StyleGAN, section 4, https://arxiv.org/abs/1904.03189.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.losses.perceptual import VGG19, VGG19_WEIGHTS
from i2i.networks.value_range import ValueRange

# Two tensors of images (N, C, size, size) in the generator's range, and labels (N,) or None -> (N,), 0 for equal ones
Distance = Callable[[Tensor, Tensor, Tensor | None], Tensor]

SMALLEST_SEEN = 16  # pixels, of images that VGG19 is shown here
_COARSEST = 4  # pixels
_VGG_LAYERS = {"conv1_2": 1.0, "conv2_2": 1.0, "conv3_2": 1.0, "conv4_2": 1.0}


def pixel_distance(value_range: tuple[float, float]) -> Distance:
    """Mean squared difference of pixels, at full size and at every half of it down to 4 pixels, averaged; of images in
    [0, 1]. The coarse ones lead where the fine ones of shapes that do not overlap yet say nothing.
    """
    width = ValueRange(*value_range).width

    def distance(fake: Tensor, target: Tensor, labels: Tensor | None) -> Tensor:
        difference, found = (fake - target) / width, []
        while True:
            found.append(difference.square().flatten(1).mean(1))
            if min(difference.shape[2:]) < 2 * _COARSEST:
                return torch.stack(found).mean(0)
            difference = F.avg_pool2d(difference, 2)

    return distance


def vgg_distance(value_range: tuple[float, float], weights: Path | None = None) -> Distance | None:
    """Mean absolute difference of VGG19's features at four depths, averaged; each feature in units of its own size, so
    that all depths count.

    `weights` is torchvision's file; without it, the one in torch.hub's cache, or None where that is not there.
    Nothing is downloaded. Raises ValueError for a file that is not such.
    """
    file = weights or VGG19_WEIGHTS.cached
    if file is None:
        return None
    network = VGG19(layers=_VGG_LAYERS, weights=str(file), before_activation=False)
    to_unit = ValueRange(*value_range).to_unit

    def distance(fake: Tensor, target: Tensor, labels: Tensor | None) -> Tensor:
        network.to(fake.device)
        found, wanted = (network.features(to_unit(images)) for images in (fake, target))
        differences = [
            (found[name] - wanted[name]).abs().flatten(1).mean(1) / wanted[name].flatten(1).mean(1).clamp_min(1e-6)
            for name in _VGG_LAYERS
        ]
        return torch.stack(differences).mean(0)

    return distance


def weighted(*terms: tuple[float, Distance]) -> Distance:
    """The sum of distances, each times its weight."""
    return lambda fake, target, labels: sum(
        (weight * term(fake, target, labels) for weight, term in terms), torch.zeros(len(fake), device=fake.device)
    )
