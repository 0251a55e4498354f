"""The discriminator of Real-ESRGAN.

Schönfeld, Schiele, Khoreva 2020: A U-Net Based Discriminator for Generative Adversarial Networks,
https://arxiv.org/abs/2002.12655.
Wang, Xie, Dong, Shan 2021: Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data,
section 3.4, https://arxiv.org/abs/2107.10833.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.discriminators.base import Discriminator
from i2i.networks.layers import add_spectral_norm, at_least
from i2i.recipe.ranges import Channels, Features
from i2i.registry import discriminators

HALVINGS = 3


@discriminators.register("unet")
class UnetDiscriminator(Discriminator):
    """Real-ESRGAN (Wang 2021): a U-Net with spectral norm and a logit for each pixel.

    Three down-samplings, then three up-samplings, with the features of each level added on the way back.

    Shapes: (N, in_channels, H, W) in any range -> logits (N, 1, H, W); H and W are at least 8.
    Weights start as PyTorch's do, as published; all but the first and the last convolution have spectral norm.
    """

    min_size = 2**HALVINGS

    def __init__(self, *, in_channels: Channels = 3, features: Features = 64) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, features=features)
        self.in_channels = in_channels
        widths = [features * 2**level for level in range(HALVINGS + 1)]
        levels = range(HALVINGS)

        self.stem = _activated(nn.Conv2d(in_channels, features, 3, padding=1))
        self.down = nn.Sequential(*(_down(widths[level], widths[level + 1]) for level in levels))
        self.up = nn.Sequential(*(_flat(widths[level + 1], widths[level]) for level in reversed(levels)))
        self.refine = nn.Sequential(_flat(features, features), _flat(features, features))
        self.head = nn.Conv2d(features, 1, 3, padding=1)
        for part in (self.down, self.up, self.refine):
            add_spectral_norm(part)

    def forward(self, image: Tensor) -> Tensor:
        levels = [self.stem(image)]
        for down in self.down:
            levels.append(down(levels[-1]))
        *skips, image = levels
        for up in self.up:
            skip = skips.pop()
            # Twice the size, or one pixel more where an odd one was halved.
            image = F.interpolate(image, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            image = up(image) + skip
        return self.head(self.refine(image))


def _down(outer: int, inner: int) -> nn.Sequential:
    return _activated(nn.Conv2d(outer, inner, 4, stride=2, padding=1, bias=False))


def _flat(before: int, after: int) -> nn.Sequential:
    return _activated(nn.Conv2d(before, after, 3, padding=1, bias=False))


def _activated(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.LeakyReLU(0.2, inplace=True))
