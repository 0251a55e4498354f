"""Projection of a condition: what the patches of an image show against what a label map says that they show.

Miyato, Koyama 2018: cGANs with Projection Discriminator, section 3, https://arxiv.org/abs/1802.05637; of label maps as
in Richter, Al Haija, Koltun 2021: Enhancing Photorealism Enhancement, section 3.3, https://arxiv.org/abs/2105.04619.
"""

import math

from torch import Tensor, nn
from torch.nn import functional as F


class ConditionProjection(nn.Module):
    """Inner product of a discriminator's features with a linear embedding of a condition, for each patch.

    Shapes: features (N, features, h, w), condition (N, channels, H, W) -> (N, 1, h, w). The condition of a patch is the
    mean over its part of the image: of a one-hot label map the share of each class. The product is divided by the
    root of the number of features, so that it starts as large for any of them.
    """

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(channels, features, 1, bias=False)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        shares = F.adaptive_avg_pool2d(condition, (features.shape[2], features.shape[3]))
        return (features * self.embedding(shares)).sum(1, keepdim=True) / math.sqrt(features.shape[1])
