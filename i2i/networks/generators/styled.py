"""Generators with a mapping network: the intermediate latent space w is one of styles.

Karras, Laine, Aila 2019: A Style-Based Generator Architecture for GANs, section 2 and appendix B,
https://arxiv.org/abs/1812.04948.
"""

from typing import ClassVar

import torch
from torch import Tensor

from i2i.networks.generators.base import LatentGenerator
from i2i.networks.stylegan2_layers import Mapping


class StyledGenerator(LatentGenerator):
    """A latent generator whose points w are styles (N, layers, style), and which knows the mean of them.

    A subclass sets `mapping`, of z to styles (N, style), and `layers`.
    """

    linear = True
    mean_decay: ClassVar[float] = 0.995  # of the mean style, at each call that moves it
    mapping: Mapping
    layers: int  # number of styles of an image
    mean_style: Tensor

    def __init__(self, *, style: int) -> None:
        super().__init__()
        self.register_buffer("mean_style", torch.zeros(style))

    def map(self, z: Tensor, label: Tensor | None = None, *, truncation: float = 1.0) -> Tensor:
        """Map latents to styles (N, layers, style), the same for all layers. A `truncation` below 1 scales their
        distance from the mean style, an average over the calls for which `averages_move` (2019, appendix B).
        """
        w = self.mapping(z, label)
        if self.averages_move():
            self.mean_style.lerp_(w.detach().mean(0).to(self.mean_style.dtype), 1 - self.mean_decay)
        if truncation < 1:
            w = self.mean_style.lerp(w, truncation)
        return w[:, None].expand(-1, self.layers, -1)

    def averages_move(self) -> bool:
        """Whether the running averages learn from the present call."""
        return self.training
