"""A discriminator of fully connected layers.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio 2014: Generative Adversarial Nets, section
5, https://arxiv.org/abs/1406.2661; numbers of the authors' code for MNIST, https://github.com/goodfeli/adversarial.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.discriminators.base import Discriminator
from i2i.networks.layers import at_least
from i2i.networks.linear_layers import Maxout
from i2i.recipe.ranges import Channels, Classes, Features, Layers, Pixels, Probability, Times
from i2i.registry import discriminators

_INPUT_DROPOUT = 0.4  # of that of the hidden layers: 0.2 where that is 0.5, as published


@discriminators.register("linear")
class LinearDiscriminator(Discriminator):
    """GAN (Goodfellow 2014): `layers` maxout layers of `features` units, and a fully connected one to a logit.

    Shapes: (N, in_channels, size, size) in any range, and labels int64 (N,) with `classes` -> logits (N, 1). Each
    maxout unit has `pieces`. In training `dropout` drops hidden units, and two fifths of it pixels. The label, one-hot,
    is concatenated with the pixels (Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784).
    """

    def __init__(
        self,
        *,
        in_channels: Channels = 1,
        size: Pixels = 28,
        classes: Classes = 0,
        features: Features = 240,
        layers: Layers = 2,
        pieces: Times = 5,
        dropout: Probability = 0.5,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, size=size, features=features, layers=layers, pieces=pieces)
        at_least(0, classes=classes)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout = {dropout} is refused; allowed: from 0 to below 1")
        self.in_channels, self.classes, self.size, self.min_size = in_channels, classes, size, size
        self.layers = nn.Sequential(nn.Dropout(_INPUT_DROPOUT * dropout))
        for inputs, outputs in pairwise([in_channels * size**2 + classes, *[features] * layers]):
            self.layers.extend([Maxout(inputs, outputs, pieces=pieces), nn.Dropout(dropout)])
        self.head = nn.Linear(features, 1)

    def check_size(self, height: int, width: int) -> None:
        """Raises ValueError for any other size."""
        if (height, width) != (self.size, self.size):
            raise ValueError(
                f"LinearDiscriminator of size {self.size} can't judge images of height {height} and width {width}; "
                f"resize or crop them to {self.size}x{self.size}, or set its option size"
            )

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        self.check_size(*image.shape[-2:])
        pixels = image.flatten(1)
        if label is not None and self.classes:
            pixels = torch.cat([pixels, F.one_hot(label, self.classes).to(pixels.dtype)], dim=1)
        return self.head(self.layers(pixels))
