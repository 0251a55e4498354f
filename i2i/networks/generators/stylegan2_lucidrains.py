"""The generator of stylegan2-pytorch by lucidrains (https://github.com/lucidrains/stylegan2-pytorch), for its weights.

It is a StyleGAN2 (Karras et al. 2020, https://arxiv.org/abs/1912.04958) with bilinear up-sampling before the
convolutions, noise whose strength each channel learns, and one style for each size.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.generators.styled import StyledGenerator
from i2i.networks.layers import at_least
from i2i.networks.modulated import demodulation
from i2i.networks.stylegan2_layers import FIRST_SIZE, Mapping
from i2i.recipe.ranges import Channels, Factor, Features, Layers, Pixels
from i2i.registry import generators

_SLOPE = 0.2


@generators.register("stylegan2-lucidrains")
class LucidrainsGenerator(StyledGenerator):
    """The StyleGAN2 of stylegan2-pytorch by lucidrains, so that its published weights work.

    Shapes: z (N, latent) -> w (N, layers, latent) -> (N, out_channels, size, size), about [0, 1] but not bounded;
    `size` is a power of two, at least 8. Maps of S pixels have capacity * 2 * size / S channels, at most `features`.
    Noise is random in training mode, constant in eval mode.
    """

    value_range = (0.0, 1.0)
    noise: Tensor

    def __init__(
        self,
        *,
        size: Pixels = 128,
        out_channels: Channels = 3,
        latent: Features = 512,
        mapping_layers: Layers = 8,
        mapping_lr: Factor = 0.1,
        capacity: Features = 16,
        features: Features = 512,
    ) -> None:
        super().__init__(style=latent)
        at_least(1, out_channels=out_channels, latent=latent, capacity=capacity, features=features)
        if size < 2 * FIRST_SIZE or size & (size - 1):
            raise ValueError(f"size = {size} is refused; allowed: a power of two, {2 * FIRST_SIZE} or more")
        self.size, self.out_channels, self.latent = size, out_channels, latent
        self.layers = size.bit_length() - 2
        channels = [min(capacity << level, features) for level in range(self.layers, 0, -1)]
        self.mapping = Mapping(latent=latent, classes=0, width=latent, layers=mapping_layers, rate=mapping_lr)
        self.register_buffer("noise", torch.rand(1, 1, size, size))
        self.constant = nn.Parameter(torch.randn(1, channels[0], FIRST_SIZE, FIRST_SIZE))
        self.stem = nn.Conv2d(channels[0], channels[0], 3, padding=1)
        self.blocks = nn.ModuleList(
            StyledBlock(*pair, out_channels, style=latent) for pair in pairwise([channels[0], *channels])
        )

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        noise = torch.rand(len(w), *self.noise.shape[1:]).to(self.noise) if self.training else self.noise
        features = self.stem(self.constant.expand(len(w), -1, -1, -1))
        features, image = self.blocks[0](features, w[:, 0], noise[..., :FIRST_SIZE, :FIRST_SIZE])
        for level, block in enumerate(self.blocks[1:], 1):
            size = FIRST_SIZE << level
            features, change = block(doubled(features), w[:, level], noise[..., :size, :size])
            image = blurred(doubled(image)) + change
        return image

    def noise_maps(self) -> dict[str, Tensor]:
        return {"noise": self.noise}

    def latent_weights(self) -> list[Tensor]:
        blocks = cast(Iterable[StyledBlock], self.blocks)
        return [torch.cat([block.first.affine.weight, block.second.affine.weight]) for block in blocks]


class StyledBlock(nn.Module):
    """Two modulated convolutions, and a modulated 1x1 convolution to an image.

    Shapes: features (N, inputs, S, S), w (N, style) and noise (N or 1, 1, S, S) -> (N, outputs, S, S) and (N,
    out_channels, S, S).
    """

    def __init__(self, inputs: int, outputs: int, out_channels: int, *, style: int) -> None:
        super().__init__()
        self.first, self.second = NoisyLayer(inputs, outputs, style), NoisyLayer(outputs, outputs, style)
        self.to_image = ModulatedConvolution(outputs, out_channels, 1, style)

    def forward(self, features: Tensor, w: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        features = self.second(self.first(features, w, noise), w, noise)
        return features, self.to_image(features, w)


class ModulatedConvolution(nn.Module):
    """A convolution of features that are scaled by one more than a style."""

    def __init__(self, inputs: int, outputs: int, kernel: int, style: int) -> None:
        super().__init__()
        self.affine = nn.Linear(style, inputs)
        self.weight = nn.Parameter(nn.init.kaiming_normal_(torch.empty(outputs, inputs, kernel, kernel)))

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        return self._convolved(features, 1 + self.affine(w))

    def _convolved(self, features: Tensor, style: Tensor) -> Tensor:
        return F.conv2d(features * style[..., None, None], self.weight, padding=self.weight.shape[-1] // 2)


class NoisyLayer(ModulatedConvolution):
    """A 3x3 one that is demodulated; then noise with a strength for each channel, a bias and a leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__(inputs, outputs, 3, style)
        self.strength, self.bias = (nn.Parameter(torch.zeros(outputs, 1, 1)) for _ in range(2))

    def forward(self, features: Tensor, w: Tensor, noise: Tensor) -> Tensor:  # type: ignore[override]
        style = 1 + self.affine(w)
        features = self._convolved(features, style) * demodulation(self.weight, style)[..., None, None]
        return F.leaky_relu(features + self.strength * noise + self.bias, _SLOPE)


def doubled(features: Tensor) -> Tensor:
    """Twice the height and width, bilinearly."""
    return F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)


def blurred(image: Tensor) -> Tensor:
    """Filtered by [1, 2, 1] / 4 in both directions."""
    taps, channels = torch.tensor([0.25, 0.5, 0.25], dtype=image.dtype, device=image.device), image.shape[1]
    kernel = torch.outer(taps, taps).expand(channels, 1, -1, -1)
    return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="reflect"), kernel, groups=channels)
