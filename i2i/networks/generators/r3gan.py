"""The generator of R3GAN.

Huang, Gokaslan, Kuleshov, Tompkin 2024: The GAN is dead; long live the GAN! A Modern GAN Baseline, section 3 and
appendix, https://arxiv.org/abs/2501.05441.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from i2i.networks.generators.base import LatentGenerator
from i2i.networks.layers import at_least
from i2i.networks.r3gan_layers import ClassEmbedding, ResidualBlock, pointwise, scaled_normal
from i2i.networks.stylegan2_layers import FIRST_SIZE, FilteredUpsample, widths
from i2i.recipe.ranges import Channels, Classes, Features, FeaturesTimesSize, Layers, Pixels, Times
from i2i.registry import generators


@generators.register("r3gan")
class R3GANGenerator(LatentGenerator):
    """R3GAN (Huang 2024): residual blocks of grouped convolutions between filtered up-samplings; no norm, no style.

    Shapes: z (N, latent), and labels int64 (N,) with `classes` -> (N, out_channels, size, size), about [-1, 1] but not
    bounded; `size` is a power of two, at least 8. Maps of S pixels have base / S channels, at most `features`; each of
    them passes `blocks` residual blocks, whose 3x3 convolutions have `expansion` times the channels, in groups of
    `group`. A label becomes an embedding of `embedding` numbers, concatenated with z. The defaults are the published
    network for faces of 64 pixels.
    """

    def __init__(
        self,
        *,
        size: Pixels = 64,
        out_channels: Channels = 3,
        classes: Classes = 0,
        latent: Features = 64,
        features: Features = 768,
        base: FeaturesTimesSize = 24576,
        blocks: Layers = 2,
        expansion: Times = 2,
        group: Features = 16,
        embedding: Features = 64,
    ) -> None:
        super().__init__()
        at_least(1, out_channels=out_channels, latent=latent, blocks=blocks, expansion=expansion)
        at_least(0, classes=classes)
        self.size, self.out_channels, self.classes, self.latent = size, out_channels, classes, latent
        channels = widths(size, base=base, features=features)
        total = blocks * len(channels)

        def blocks_of(width: int) -> list[nn.Module]:
            return [ResidualBlock(width, expansion=expansion, group=group, blocks=total) for _ in range(blocks)]

        self.embedding = ClassEmbedding(classes, embedding) if classes else None
        self.basis = nn.Parameter(torch.randn(channels[0], FIRST_SIZE, FIRST_SIZE))
        inputs = latent + (embedding if classes else 0)
        self.stem = scaled_normal(nn.Linear(inputs, channels[0], bias=False))
        self.stages = nn.ModuleList([nn.Sequential(*blocks_of(channels[0]))])
        for width, next_width in pairwise(channels):
            change = [pointwise(width, next_width)] if width != next_width else []
            self.stages.append(nn.Sequential(*change, FilteredUpsample(), *blocks_of(next_width)))
        self.head = pointwise(channels[-1], out_channels)

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            w = torch.cat([w, self.embedding(label)], dim=1)
        features = self.basis * self.stem(w)[:, :, None, None]
        for stage in self.stages:
            features = stage(features)
        return self.head(features)

    def latent_weights(self) -> list[Tensor]:
        return [self.stem.weight[:, : self.latent]]
