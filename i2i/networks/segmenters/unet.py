"""A small U-Net for semantic segmentation.

Ronneberger, Fischer, Brox 2015: U-Net: Convolutional Networks for Biomedical Image Segmentation,
https://arxiv.org/abs/1505.04597.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.layers import at_least
from i2i.networks.segmenters.base import Segmenter
from i2i.recipe.ranges import Channels, Classes, Features, Halvings
from i2i.registry import segmenters

_GROUPS = 8


@segmenters.register("unet")
class UnetSegmenter(Segmenter):
    """U-Net (Ronneberger 2015): `depth` down-samplings and up-samplings with skip connections, twice the features at
    each level up to `most_features`.

    Shapes: (N, in_channels, H, W) in [-1, 1] -> logits (N, classes, H, W); every H and W.
    Unlike the published network it pads its convolutions, so that the map has the image's size, halves by strided
    convolutions, and has group norm (Wu, He 2018, https://arxiv.org/abs/1803.08494), which is the same for a batch of
    any size, in training and afterwards.
    """

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        classes: Classes = 2,
        features: Features = 16,
        most_features: Features = 64,
        depth: Halvings = 4,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, features=features, most_features=most_features, depth=depth)
        at_least(2, classes=classes)
        self.in_channels, self.classes = in_channels, classes
        widths = [min(features * 2**level, max(features, most_features)) for level in range(depth + 1)]
        levels = [*pairwise(widths)]
        self.stem = _block(in_channels, widths[0])
        self.down = nn.ModuleList(
            nn.Sequential(_block(outer, inner, stride=2), _block(inner, inner)) for outer, inner in levels
        )
        self.up = nn.ModuleList(_block(inner + outer, outer) for outer, inner in reversed(levels))
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        levels = [self.stem(image)]
        for down in self.down:
            levels.append(down(levels[-1]))
        *skips, features = levels
        for up in self.up:
            skip = skips.pop()
            # Twice the size, or one pixel less where an odd one was halved.
            features = F.interpolate(features, size=skip.shape[-2:], mode="nearest")
            features = up(torch.cat([skip, features], dim=1))
        return self.head(features)


def _block(before: int, after: int, stride: int = 1) -> nn.Sequential:
    # A group has at least two channels: one pixel of one channel is its own mean.
    groups = max(count for count in range(1, _GROUPS + 1) if after % count == 0 and (after >= 2 * count or count == 1))
    convolution = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(groups, after), nn.ReLU(inplace=True))
