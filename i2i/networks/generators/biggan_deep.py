"""The BigGAN-deep generator: bottleneck blocks, whose batch norms are conditional on the class and on the whole latent.

Brock, Donahue, Simonyan 2019: Large Scale GAN Training for High Fidelity Natural Image Synthesis, appendix B, figure 16
and tables 7 to 9, https://arxiv.org/abs/1809.11096.
"""

from collections.abc import Iterable
from functools import partial
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.gan_layers import ConditionalBatchNorm, SelfAttention, StartingWeights, initialise_weights, one_of
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.generators.biggan import FIRST_SIZE, WIDTHS, double
from i2i.networks.layers import add_spectral_norm, at_least
from i2i.recipe.ranges import Channels, Classes, Features, Pixels, PixelsOrNone
from i2i.registry import generators

_REDUCTION = 4  # of the channels inside a block
_EPSILON = 1e-4  # of batch norm


@generators.register("biggan-deep")
class BigGANDeepGenerator(LatentGenerator):
    """BigGAN-deep (Brock 2019): two bottleneck blocks for each size, of which the second doubles it.

    A linear layer gives a map of 4x4 pixels; after the blocks come batch norm, ReLU, a convolution and tanh. The first
    layer and all norms are given the latent and, with classes, an embedding of the class that is as wide.

    Shapes: z (N, latent), and labels int64 (N,) with `classes` -> (N, out_channels, size, size) in [-1, 1].

    `attention` is the size in pixels of the map with self-attention, or 0. The defaults are those of the paper for
    ImageNet at 128 pixels.
    """

    batch_independent = False

    def __init__(
        self,
        *,
        size: Pixels = 128,
        out_channels: Channels = 3,
        classes: Classes = 0,
        latent: Features = 128,
        features: Features = 128,
        attention: PixelsOrNone = 64,
        spectral_norm: bool = True,
        init: StartingWeights = "orthogonal",
    ) -> None:
        super().__init__()
        at_least(1, out_channels=out_channels, latent=latent, features=features)
        at_least(0, classes=classes)
        one_of(WIDTHS, size=size)
        self.size, self.out_channels, self.latent, self.classes = size, out_channels, latent, classes
        widths = [features * width for width in WIDTHS[size]]
        sizes = [FIRST_SIZE * 2**level for level in range(1, len(widths))]
        one_of([0, *sizes], attention=attention)

        self.embedding = nn.Embedding(classes, latent) if classes else None
        condition = 2 * latent if classes else latent
        self.stem = nn.Linear(condition, widths[0] * FIRST_SIZE**2)
        self.blocks = nn.ModuleList()
        for (width, next_width), size_after in zip(pairwise(widths), sizes, strict=True):
            self.blocks.append(BottleneckBlock(width, width, condition))
            self.blocks.append(
                BottleneckBlock(width, next_width, condition, up=True, has_attention=size_after == attention)
            )
        self.head = nn.Sequential(
            nn.BatchNorm2d(widths[-1], eps=_EPSILON),
            nn.ReLU(),
            nn.Conv2d(widths[-1], out_channels, 3, padding=1),
            nn.Tanh(),
        )
        initialise_weights(self, init)
        if spectral_norm:
            add_spectral_norm(self)

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        condition = w if self.embedding is None else torch.cat([w, self.embedding(label)], dim=1)
        features = self.stem(condition).unflatten(1, (-1, FIRST_SIZE, FIRST_SIZE))
        for block in self.blocks:
            features = block(features, condition)
        return self.head(features)

    def latent_weights(self) -> list[Tensor]:
        tables = [block.tables() for block in cast(Iterable[BottleneckBlock], self.blocks)]
        return [torch.cat([self.stem.weight, *tables])[:, : self.latent]]


class BottleneckBlock(nn.Module):
    """A residual block: four times norm, ReLU, convolution, of which the outer ones are 1x1 (figure 16b).

    The way around it keeps the first `next_width` channels, and drops the others.
    """

    def __init__(
        self, width: int, next_width: int, condition: int, *, up: bool = False, has_attention: bool = False
    ) -> None:
        super().__init__()
        self.up, self.next_width, inner = up, next_width, width // _REDUCTION
        at_least(1, channels_inside_a_block=inner)
        table = partial(nn.Linear, condition, bias=False)
        self.norms = nn.ModuleList(
            ConditionalBatchNorm(channels, table, epsilon=_EPSILON) for channels in (width, inner, inner, inner)
        )
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(width, inner, 1),
                nn.Conv2d(inner, inner, 3, padding=1),
                nn.Conv2d(inner, inner, 3, padding=1),
                nn.Conv2d(inner, next_width, 1),
            ]
        )
        self.attention = SelfAttention(next_width) if has_attention else nn.Identity()

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        change, kept = features, features[:, : self.next_width]
        for number, (norm, convolution) in enumerate(zip(self.norms, self.convolutions, strict=True)):
            change = F.relu(norm(change, condition))
            change = convolution(double(change) if self.up and number == 1 else change)
        return self.attention(change + (double(kept) if self.up else kept))

    def tables(self) -> Tensor:
        """Weights (outputs, condition) of the linear layers that give gains and biases from conditions."""
        norms = cast(Iterable[ConditionalBatchNorm], self.norms)
        return torch.cat([cast(nn.Linear, layer).weight for norm in norms for layer in (norm.gain, norm.bias)])
