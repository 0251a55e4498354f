"""The discriminator of R3GAN.

Huang, Gokaslan, Kuleshov, Tompkin 2024: The GAN is dead; long live the GAN! A Modern GAN Baseline, section 3 and
appendix, https://arxiv.org/abs/2501.05441.
"""

import math
from itertools import pairwise

from torch import Tensor, nn

from i2i.networks.discriminators.base import FixedSizeDiscriminator
from i2i.networks.layers import at_least
from i2i.networks.r3gan_layers import ClassEmbedding, ResidualBlock, pointwise, scaled_normal
from i2i.networks.stylegan2_layers import FIRST_SIZE, FilteredDownsample, widths
from i2i.recipe.ranges import Channels, ChannelsOrNone, Classes, Features, FeaturesTimesSize, Layers, Pixels, Times
from i2i.registry import discriminators


@discriminators.register("r3gan")
class R3GANDiscriminator(FixedSizeDiscriminator):
    """R3GAN (Huang 2024): the generator in reverse; no norm, and no comparison of the images of a batch.

    Shapes: (N, in_channels, size, size), and labels int64 (N,) with `classes` -> logits (N, 1); `size` is a power of
    two, at least 32. Widths and blocks are those of the generator of that name. With `classes` the logit is the inner
    product of the last features, `embedding` of them (0: as many as the last map has channels), with an embedding of
    the label.
    """

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        size: Pixels = 64,
        classes: Classes = 0,
        features: Features = 768,
        base: FeaturesTimesSize = 24576,
        blocks: Layers = 2,
        expansion: Times = 2,
        group: Features = 16,
        embedding: ChannelsOrNone = 0,
    ) -> None:
        super().__init__(size)
        at_least(1, in_channels=in_channels, blocks=blocks, expansion=expansion)
        at_least(0, classes=classes, embedding=embedding)
        self.in_channels, self.classes = in_channels, classes
        last, *_ = channels = widths(size, base=base, features=features)
        total = blocks * len(channels)

        def blocks_of(width: int) -> list[nn.Module]:
            return [ResidualBlock(width, expansion=expansion, group=group, blocks=total) for _ in range(blocks)]

        self.stem = pointwise(in_channels, channels[-1])
        self.stages = nn.Sequential()
        for width, next_width in pairwise(reversed(channels)):
            change = [pointwise(width, next_width)] if width != next_width else []
            self.stages.append(nn.Sequential(*blocks_of(width), FilteredDownsample(), *change))
        self.stages.append(nn.Sequential(*blocks_of(last)))
        outputs = (embedding or last) if classes else 1
        self.head = nn.Sequential(
            scaled_normal(nn.Conv2d(last, last, FIRST_SIZE, groups=last, bias=False)),
            nn.Flatten(),
            scaled_normal(nn.Linear(last, outputs, bias=False)),
        )
        self.embedding = ClassEmbedding(classes, outputs, 1 / math.sqrt(outputs)) if classes else None

    def blocks_in_order(self) -> list[nn.Module]:
        return [self.stem, *self.stages]

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        self.check_size(*image.shape[-2:])
        logits = self.head(self.stages(self.stem(image)))
        return logits if self.embedding is None else (logits * self.embedding(label)).sum(1, keepdim=True)
