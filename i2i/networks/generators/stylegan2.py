"""The StyleGAN2 generator.

Karras, Laine, Aittala, Hellsten, Lehtinen, Aila 2020: Analyzing and Improving the Image Quality of StyleGAN, sections 2
and 4, https://arxiv.org/abs/1912.04958.
"""

from itertools import chain, pairwise
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from i2i.networks.generators.styled import StyledGenerator
from i2i.networks.layers import at_least
from i2i.networks.modulated import AdaINLayer, DemodulatedLayer, StyledLayer, ToRGB
from i2i.networks.stylegan2_layers import FIRST_SIZE, EqualisedLinear, FilteredUpsample, Mapping, widths
from i2i.recipe.ranges import Channels, Classes, Factor, Features, FeaturesTimesSize, Layers, Pixels
from i2i.registry import did_you_mean, generators

Modulation = Literal["demodulated", "adain"]
_LAYERS = {"demodulated": DemodulatedLayer, "adain": AdaINLayer}


@generators.register("stylegan2")
class StyleGAN2Generator(StyledGenerator):
    """StyleGAN2 (Karras 2020): a mapping network, and two modulated convolutions at every size, with RGB skips.

    Shapes: z (N, latent), and labels int64 (N,) with `classes` -> w (N, layers, style) -> (N, out_channels, size,
    size), about [-1, 1] but not bounded; `size` is a power of two, at least 8. Maps of S pixels have base / S channels,
    at most `features`; the published `base` is 16384 for 256 pixels and 32768 for more. `mapping_lr` is relative to the
    optimiser's. `modulation` "adain" is that of 2019. Noise is random in training mode, constant in eval mode.
    """

    def __init__(
        self,
        *,
        size: Pixels = 256,
        out_channels: Channels = 3,
        classes: Classes = 0,
        latent: Features = 512,
        style: Features = 512,
        mapping_layers: Layers = 8,
        mapping_lr: Factor = 0.01,
        features: Features = 512,
        base: FeaturesTimesSize = 16384,
        modulation: Modulation = "demodulated",
    ) -> None:
        super().__init__(style=style)
        at_least(1, out_channels=out_channels, latent=latent, style=style)
        at_least(0, classes=classes)
        if modulation not in _LAYERS:
            raise ValueError(f"unknown modulation {modulation!r}; {did_you_mean(modulation, get_args(Modulation))}")
        self.size, self.out_channels, self.classes, self.latent = size, out_channels, classes, latent
        channels = widths(size, base=base, features=features)
        self.layers = 2 * len(channels)  # number of styles: of all convolutions, and of the last to RGB

        def layer(inputs: int, outputs: int, level: int, *, upsampling: bool = False) -> StyledLayer:
            return _LAYERS[modulation](inputs, outputs, FIRST_SIZE << level, style=style, upsampling=upsampling)

        self.mapping = Mapping(latent=latent, classes=classes, width=style, layers=mapping_layers, rate=mapping_lr)
        self.constant = nn.Parameter(torch.randn(1, channels[0], FIRST_SIZE, FIRST_SIZE))
        self.up = nn.ModuleList(
            layer(*pair, level, upsampling=True) for level, pair in enumerate(pairwise(channels), 1)
        )
        self.flat = nn.ModuleList(layer(width, width, level) for level, width in enumerate(channels))
        self.to_image = nn.ModuleList(ToRGB(width, out_channels, style=style) for width in channels)
        self.upsample = FilteredUpsample()

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        features = self.flat[0](self.constant.expand(w.shape[0], -1, -1, -1), w[:, 0])
        image = self.to_image[0](features, w[:, 1])
        for level, (up, flat) in enumerate(zip(self.up, self.flat[1:], strict=True), 1):
            features = flat(up(features, w[:, 2 * level - 1]), w[:, 2 * level])
            # ToRGB shares its style with the first layer of the next size.
            image = self.upsample(image) + self.to_image[level](features, w[:, 2 * level + 1])
        return image

    def noise_maps(self) -> dict[str, Tensor]:
        return {name: buffer for name, buffer in self.named_buffers() if name.endswith(".noise")}

    def latent_weights(self) -> list[Tensor]:
        # Of the convolutions, as SeFa has it; ToRGB but for the last shares its style with one.
        layers = [self.flat[0], *chain(*zip(self.up, self.flat[1:], strict=True)), self.to_image[-1]]
        return [cast(EqualisedLinear, layer.affine).weight for layer in layers]
