"""The discriminator of BigGAN.

Brock, Donahue, Simonyan 2019: Large Scale GAN Training for High Fidelity Natural Image Synthesis, appendix B,
https://arxiv.org/abs/1809.11096; the projection is that of Miyato and Koyama 2018: cGANs with Projection Discriminator,
section 3, https://arxiv.org/abs/1802.05637.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from i2i.networks.discriminators.base import FixedSizeDiscriminator
from i2i.networks.gan_layers import (
    Minibatch,
    SelfAttention,
    StartingWeights,
    initialise_weights,
    minibatch_layer,
    one_of,
)
from i2i.networks.layers import add_spectral_norm, at_least
from i2i.recipe.ranges import Channels, Classes, Features, Pixels, PixelsOrNone
from i2i.registry import discriminators

# Channels after each block in units of features, by size (appendix B; 32 and 64: the authors' code).
_WIDTHS = {
    32: (4, 4, 4, 4),
    64: (1, 2, 4, 8, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
    512: (1, 1, 2, 4, 8, 8, 16, 16),
}
_LAST_SIZE = {32: 8}  # pixels of the map whose features are summed
_USUAL_LAST_SIZE = 4


@discriminators.register("biggan")
class BigGANDiscriminator(FixedSizeDiscriminator):
    """BigGAN (Brock 2019): residual blocks, and a projection of the class added to the logit.

    The blocks halve the size down to 4x4 (at 32 pixels to 8x8); ReLU, a sum over pixels and a linear layer follow. With
    `classes` the inner product of the sums with an embedding of the class is added.

    Shapes: (N, in_channels, size, size) in any range, and labels int64 (N,) with `classes` -> logits (N, 1).
    `attention` is the size in pixels of the map that has self-attention; 0: none. `minibatch` is the layer before the
    last, which compares the images of a batch. The defaults are those of the authors' code for CIFAR-10; at 128 pixels
    the paper has 96 features and attention at 64.
    """

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        size: Pixels = 32,
        classes: Classes = 0,
        features: Features = 64,
        attention: PixelsOrNone = 0,
        minibatch: Minibatch = "none",
        spectral_norm: bool = True,
        init: StartingWeights = "orthogonal",
    ) -> None:
        super().__init__(size)
        at_least(1, in_channels=in_channels, features=features)
        at_least(0, classes=classes)
        one_of(_WIDTHS, size=size)
        self.in_channels, self.classes = in_channels, classes
        widths = [features * width for width in _WIDTHS[size]]
        last_size = _LAST_SIZE.get(size, _USUAL_LAST_SIZE)
        sizes = [max(size // 2**level, last_size) for level in range(1, len(widths) + 1)]
        one_of(sorted({0, *sizes}), attention=attention)

        self.blocks = nn.Sequential()
        steps = zip(pairwise([in_channels, *widths]), pairwise([size, *sizes]), strict=True)
        for (width, next_width), (before, after) in steps:
            self.blocks.append(PreactivationBlock(width, next_width, first=before == size, halved=after < before))
            if attention == after < before:
                self.blocks.append(SelfAttention(next_width))
        self.minibatch, channels = minibatch_layer(minibatch, widths[-1], 1)
        self.head = nn.Linear(channels, 1)
        self.embedding = nn.Embedding(classes, widths[-1]) if classes else None
        initialise_weights(self, init)
        if spectral_norm:
            add_spectral_norm(self)
            if self.embedding is not None:
                parametrizations.spectral_norm(self.embedding)

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        self.check_size(*image.shape[-2:])
        sums = F.relu(self.blocks(image)).sum((2, 3))
        logits = self.head(self.minibatch(sums[:, :, None, None]).flatten(1))
        if self.embedding is not None:
            logits = logits + (self.embedding(label) * sums).sum(1, keepdim=True)
        return logits


class PreactivationBlock(nn.Module):
    """Residual block: twice ReLU and convolution, then 2x2 average pooling where the size is halved (figure 15c). The
    shortcut has a 1x1 convolution where the shape changes; the first block has no ReLU in front.
    """

    def __init__(self, width: int, next_width: int, *, first: bool, halved: bool) -> None:
        super().__init__()
        self.before = nn.Identity() if first else nn.ReLU()
        self.conv1 = nn.Conv2d(width, next_width, 3, padding=1)
        self.conv2 = nn.Conv2d(next_width, next_width, 3, padding=1)
        self.halve = nn.AvgPool2d(2) if halved else nn.Identity()
        self.shortcut = nn.Conv2d(width, next_width, 1) if halved or width != next_width else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        change = self.conv2(F.relu(self.conv1(self.before(features))))
        # A 1x1 convolution of averages is the average of 1x1 convolutions: a quarter of the work.
        return self.halve(change) + self.shortcut(self.halve(features))
