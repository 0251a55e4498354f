"""The discriminator of GigaGAN, without text.

Kang, Zhu, Zhang, Park, Shechtman, Paris, Park 2023: Scaling up GANs for Text-to-Image Synthesis, section 3.3,
https://arxiv.org/abs/2303.05511.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.discriminators.base import Discriminator
from i2i.networks.discriminators.stylegan2 import DownsamplingBlock
from i2i.networks.gigagan_layers import L2Attention
from i2i.networks.layers import at_least
from i2i.networks.stylegan2_layers import EqualisedConv, ScaledLeakyReLU
from i2i.recipe.ranges import Blocks, Channels, Features, Halvings
from i2i.registry import discriminators


@discriminators.register("gigagan")
class GigaGANDiscriminator(Discriminator):
    """GigaGAN (Kang 2023, section 3.3): images of several sizes enter one network, and at every later level each of
    them gets logits.

    Shapes: (N, in_channels, H, W) in any range -> for each of `levels` halvings, and each of the `inputs` that have
    entered by then, logits (N, 1, h, w) at the size of that level; H and W are at least 2 ** levels. The inputs are the
    image and its halves: of real images as in the paper, of fakes too, whose generator gives one size here. The
    `attention` last levels have self-attention. Logits are of the paper's unconditional branch, a 1x1 convolution:
    what compares with the text, and the matching-aware loss, are left out.
    """

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        features: Features = 64,
        most_features: Features = 512,
        levels: Halvings = 4,
        inputs: Halvings = 3,
        attention: Blocks = 1,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, features=features, most_features=most_features, levels=levels)
        for name, value, least in (("inputs", inputs, 1), ("attention", attention, 0)):
            if not least <= value <= levels:
                raise ValueError(f"{name} = {value} is refused; allowed: from {least} to levels = {levels}")
        self.in_channels, self.min_size = in_channels, 2**levels
        self.inputs, self.scales = inputs, sum(min(level + 1, inputs) for level in range(levels))
        widths = [min(features * 2**level, most_features) for level in range(levels + 1)]
        self.stems = nn.ModuleList(
            nn.Sequential(EqualisedConv(in_channels, width, 1), ScaledLeakyReLU()) for width in widths[:inputs]
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                DownsamplingBlock(before, after), L2Attention(after) if level >= levels - attention else nn.Identity()
            )
            for level, (before, after) in enumerate(pairwise(widths))
        )
        self.judges = nn.ModuleList(EqualisedConv(width, 1, 1) for width in widths[1:])

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        logits: list[Tensor] = []
        features = image.new_empty(0)
        for level, (block, judge) in enumerate(zip(self.blocks, self.judges, strict=True)):
            if level < self.inputs:
                entering = self.stems[level](image)
                # Inputs of all sizes go through a level as one batch.
                features = torch.cat([features, entering]) if level else entering
                image = F.avg_pool2d(image, 2)
            features = block(features)
            logits += judge(features).chunk(min(level + 1, self.inputs))
        return tuple(logits)
