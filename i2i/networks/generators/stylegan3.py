"""The StyleGAN3 generator.

Karras, Aittala, Laine, Härkönen, Hellsten, Lehtinen, Aila 2021: Alias-Free Generative Adversarial Networks, section 3
and appendices C and D, https://arxiv.org/abs/2106.12423.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from i2i.networks.alias_free import AliasFreeLayer, FourierFeatures, Signal
from i2i.networks.generators.styled import StyledGenerator
from i2i.networks.layers import at_least
from i2i.networks.stylegan2_layers import Mapping
from i2i.recipe.ranges import Channels, Classes, Factor, Features, FeaturesTimesSize, Layers, Pixels, Share
from i2i.registry import generators

_CRITICAL = 2  # layers at the end whose band ends at half their rate
_FIRST_CUTOFF, _FIRST_STOPBAND = 2.0, 2**2.1  # cycles per image
_LAST_STOPBAND = 2**0.3  # of the last cutoff
_MARGIN = 10  # samples beyond each side of the image
_OUTPUT_SCALE = 0.25


@generators.register("stylegan3")
class StyleGAN3Generator(StyledGenerator):
    """StyleGAN3 (Karras 2021): alias-free layers from Fourier features; details move with what they belong to.

    Shapes: z (N, latent), and labels int64 (N,) with `classes` -> w (N, layers + 2, style) -> (N, out_channels, size,
    size), about [-1, 1] but not bounded; `size` is a power of two, at least 16. `kind` "t" is equivariant to
    translation, "r" to rotation, too: its convolutions are 1x1 and its filters radial, and its published `features`
    and `base` are twice as large. A layer whose band ends at c cycles per image has base / 2c channels, at most
    `features`. In training mode a pass without gradients, such as that for the discriminator, moves the mean style and,
    by `magnitude_decay`, the average magnitudes of features.
    """

    mean_decay = 0.998

    def __init__(
        self,
        *,
        size: Pixels = 256,
        out_channels: Channels = 3,
        classes: Classes = 0,
        kind: Literal["t", "r"] = "t",
        latent: Features = 512,
        style: Features = 512,
        mapping_layers: Layers = 2,
        mapping_lr: Factor = 0.01,
        layers: Layers = 14,
        features: Features = 512,
        base: FeaturesTimesSize = 32768,
        magnitude_decay: Share = 0.999,
    ) -> None:
        super().__init__(style=style)
        at_least(1, out_channels=out_channels, latent=latent, style=style, features=features)
        at_least(0, classes=classes)
        at_least(_CRITICAL + 1, layers=layers)
        if size < 16 or size & (size - 1):
            raise ValueError(f"size = {size} is refused; allowed: a power of two, 16 or more")
        self.size, self.out_channels, self.classes, self.latent = size, out_channels, classes, latent
        self.layers = layers + 2  # the stem and the last layer, to RGB, have styles too
        self.magnitude_decay = magnitude_decay
        self.mapping = Mapping(latent=latent, classes=classes, width=style, layers=mapping_layers, rate=mapping_lr)
        signals = signals_of(size, layers=layers, features=features, base=base, out_channels=out_channels)
        self.stem = FourierFeatures(signals[0], style=style)
        self.body = nn.ModuleList()
        for number, after in enumerate(signals):
            self.body.append(
                AliasFreeLayer(
                    signals[max(number - 1, 0)],
                    after,
                    style=style,
                    kernel=1 if kind == "r" or number == layers else 3,
                    radial=kind == "r" and number < layers - _CRITICAL,
                    to_image=number == layers,
                )
            )

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        features = self.stem(w[:, 0])
        for number, layer in enumerate(cast(Iterable[AliasFreeLayer], self.body), 1):
            if self.averages_move():
                layer.observe(features, self.magnitude_decay)
            features = layer(features, w[:, number])
        return features * _OUTPUT_SCALE

    @contextmanager
    def moved(self, motion: Tensor) -> Iterator[None]:
        """A context in which images show the input moved; `motion` (3, 3) is the inverse of that, in images."""
        own = self.stem.transform.clone()
        self.stem.transform.copy_(motion)
        try:
            yield
        finally:
            self.stem.transform.copy_(own)

    def latent_weights(self) -> list[Tensor]:
        return [layer.affine.weight for layer in cast(Iterable[AliasFreeLayer], (self.stem, *self.body))]

    def averages_move(self) -> bool:
        return self.training and not torch.is_grad_enabled()


def signals_of(size: int, *, layers: int, features: int, base: int, out_channels: int) -> list[Signal]:
    """What each layer gives, the last of them the image (appendix C.1)."""
    exponents = np.minimum(np.arange(layers + 1) / (layers - _CRITICAL), 1)
    cutoffs = _FIRST_CUTOFF * (size / 2 / _FIRST_CUTOFF) ** exponents
    stopbands = _FIRST_STOPBAND * (size / 2 * _LAST_STOPBAND / _FIRST_STOPBAND) ** exponents
    rates = np.exp2(np.ceil(np.log2(np.minimum(2 * stopbands, size))))
    widths = np.maximum(stopbands, rates / 2) - cutoffs
    sizes = [*(rates[:-2] + 2 * _MARGIN), size, size]
    channels = [*np.rint(np.minimum(base / 2 / cutoffs, features))[:-1], out_channels]
    fields = zip(rates, cutoffs, widths, sizes, channels, strict=True)
    return [Signal(float(rate), float(cutoff), float(width), int(s), int(c)) for rate, cutoff, width, s, c in fields]
