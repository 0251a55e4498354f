"""The discriminator of DCGAN.

Radford, Metz, Chintala 2016: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks, section 3, https://arxiv.org/abs/1511.06434.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from i2i.networks.discriminators.base import LAST_SIZE, FixedSizeDiscriminator
from i2i.networks.gan_layers import Minibatch, minibatch_layer
from i2i.networks.layers import (
    DiscriminatorNorm,
    Initialisation,
    add_spectral_norm,
    at_least,
    has_bias,
    initialise,
    normalisation,
)
from i2i.recipe.ranges import Channels, Classes, Factor, Features, Pixels
from i2i.registry import discriminators


@discriminators.register("dcgan")
class DCGANDiscriminator(FixedSizeDiscriminator):
    """DCGAN (Radford 2016): strided 4x4 convolutions down to 4x4, then one convolution to a logit.

    Shapes: (N, in_channels, size, size) in any range, and labels int64 (N,) with `classes` -> logits (N, 1, 1, 1);
    `size` is a power of two, at least 32. The paper's network is for 64 pixels; larger ones repeat its widest layer,
    8 * features. A label becomes one more channel of the image, a learned picture of its class (after Denton, Chintala,
    Szlam, Fergus 2015, https://arxiv.org/abs/1506.05751). `minibatch` is the layer before the last, which compares the
    images of a batch.
    """

    has_features = True

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        size: Pixels = 64,
        classes: Classes = 0,
        features: Features = 64,
        norm: DiscriminatorNorm = "batch",
        minibatch: Minibatch = "none",
        spectral_norm: bool = False,
        init: Initialisation = "normal",
        init_gain: Factor = 0.02,
    ) -> None:
        super().__init__(size)
        at_least(1, in_channels=in_channels, features=features)
        at_least(0, classes=classes)
        self.in_channels, self.classes = in_channels, classes
        widths = [features * 2 ** min(level, 3) for level in range(self.halvings)]

        def block(width: int, wider: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(width, wider, 4, stride=2, padding=1, bias=has_bias(norm)),
                normalisation(norm, wider),
                nn.LeakyReLU(0.2, inplace=True),
            )

        self.stem = nn.Sequential(
            nn.Conv2d(in_channels + (classes > 0), features, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)
        )
        self.blocks = nn.Sequential(*(block(*pair) for pair in pairwise(widths)))
        self.minibatch, channels = minibatch_layer(minibatch, widths[-1], LAST_SIZE**2)
        self.head = nn.Conv2d(channels, 1, LAST_SIZE)
        initialise(self, init, init_gain)
        if spectral_norm:
            add_spectral_norm(self)
        self.embedding = nn.Embedding(classes, size**2) if classes else None

    def features(self, image: Tensor) -> list[Tensor]:
        activations = [self.stem(image)]
        for block in self.blocks:
            activations.append(block(activations[-1]))
        return activations

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        self.check_size(*image.shape[-2:])
        if self.embedding is not None:
            image = torch.cat([image, self.embedding(label).view(-1, 1, self.size, self.size)], dim=1)
        return self.head(self.minibatch(self.blocks(self.stem(image))))
