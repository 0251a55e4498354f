"""The DCGAN generator.

Radford, Metz, Chintala 2016: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks, section 3 and figure 1, https://arxiv.org/abs/1511.06434.
"""

import math
from itertools import pairwise
from typing import Literal, cast

import torch
from torch import Tensor, nn

from i2i.networks.generators.base import LatentGenerator
from i2i.networks.layers import (
    Initialisation,
    Norm,
    ResizeConvolution,
    Upsampling,
    at_least,
    has_bias,
    initialise,
    normalisation,
    upsample,
)
from i2i.recipe.ranges import Channels, Classes, Factor, Features, Pixels
from i2i.registry import generators

Prior = Literal["normal", "uniform"]

SMALLEST_SIZE = 32
_FIRST_SIZE = 4  # pixels of the first map


@generators.register("dcgan")
class DCGANGenerator(LatentGenerator):
    """DCGAN (Radford 2016): transposed 4x4 convolutions from 1x1 pixel to the image, with batch norm and ReLU.

    The first gives 4x4 pixels, the others double the size; the last ends in tanh. There is no fully connected layer.

    Shapes: z (N, latent), and labels int64 (N,) with `classes` -> (N, out_channels, size, size) in [-1, 1]; `size` is a
    power of two, at least 32. The paper's network is for 64 pixels; larger ones begin with more layers of 8 * features
    channels. A label becomes an embedding as long as the latent, concatenated with it (conditional GAN, Mirza and
    Osindero 2014, https://arxiv.org/abs/1411.1784). With `prior` "uniform", as published (section 4), w is uniform in
    [-1, 1]: normal latents, which seeds give, are mapped to it. `upsampling` "resize" repeats pixels and convolves
    them, 3x3, in about the same time, without a lattice (Odena et al. 2016, https://distill.pub/2016/deconv-checkerboard).
    """

    def __init__(
        self,
        *,
        size: Pixels = 64,
        out_channels: Channels = 3,
        classes: Classes = 0,
        latent: Features = 100,
        features: Features = 64,
        prior: Prior = "normal",
        norm: Norm = "batch",
        upsampling: Upsampling = "transposed",
        init: Initialisation = "normal",
        init_gain: Factor = 0.02,
    ) -> None:
        super().__init__()
        at_least(1, out_channels=out_channels, latent=latent, features=features)
        at_least(0, classes=classes)
        if size < SMALLEST_SIZE or size & (size - 1):
            raise ValueError(f"size = {size} is refused; allowed: a power of two, {SMALLEST_SIZE} or more")
        self.size, self.out_channels, self.latent, self.classes = size, out_channels, latent, classes
        self.prior = prior
        self.linear = prior == "uniform"
        self.batch_independent = norm != "batch"
        upsamplings = (size // _FIRST_SIZE).bit_length() - 1
        widths = [features * 2 ** min(level, 3) for level in reversed(range(upsamplings))]

        biased, inputs = has_bias(norm), latent * (2 if classes else 1)

        def doubling(width: int, narrower: int, bias: bool) -> nn.Module:
            if upsampling == "resize":
                return ResizeConvolution(width, narrower, bias=bias)
            return upsample(width, narrower, kernel=4, bias=bias, upsampling=upsampling)

        def block(convolution: nn.Module, width: int) -> nn.Sequential:
            return nn.Sequential(convolution, normalisation(norm, width), nn.ReLU(inplace=True))

        self.stem = block(nn.ConvTranspose2d(inputs, widths[0], _FIRST_SIZE, bias=biased), widths[0])
        self.blocks = nn.Sequential(*(block(doubling(*pair, biased), pair[1]) for pair in pairwise(widths)))
        self.head = nn.Sequential(doubling(widths[-1], out_channels, True), nn.Tanh())
        initialise(self, init, init_gain)
        self.embedding = nn.Embedding(classes, latent) if classes else None

    def map(self, z: Tensor, label: Tensor | None = None, *, truncation: float = 1.0) -> Tensor:
        # 2 Phi(z) - 1, where Phi is the distribution function of a normal latent.
        return torch.erf(z / math.sqrt(2)) if self.prior == "uniform" else z

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            w = torch.cat([w, self.embedding(label)], dim=1)
        return self.head(self.blocks(self.stem(w[:, :, None, None])))

    def latent_weights(self) -> list[Tensor]:
        return [cast(nn.ConvTranspose2d, self.stem[0]).weight[: self.latent].flatten(1).T]
