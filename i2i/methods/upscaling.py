"""Super-resolution: what ESRGAN, Real-ESRGAN and their first stages share."""

from collections.abc import Callable, Mapping
from typing import Annotated

from torch import Tensor, nn

from i2i import registry
from i2i.data.batch import Pair
from i2i.losses.perceptual import Perceptual
from i2i.losses.pixel import PixelLoss
from i2i.methods.base import AdversarialFactory, DiscriminatorFactory, check_discriminators
from i2i.methods.translation import Translation
from i2i.networks.generators.base import ImageGenerator
from i2i.recipe.components import Part
from i2i.recipe.ranges import Channels, Scale, Weight

# Constructor parameters that are components, as in `i2i.methods.base`.
UpscalerFactory = Annotated[
    Callable[..., ImageGenerator], Part(registry.generators, ("in_channels", "out_channels", "scale"), default="rrdb")
]
PixelLossFactory = Annotated[Callable[[], PixelLoss], Part(registry.pixel_losses, default="l1")]
PerceptualFactory = Annotated[Callable[[], Perceptual], Part(registry.perceptual, default="vgg19")]


class Upscaling(Translation):
    """A generator that makes images `scale` times as high and wide, trained on pairs of low and high resolution."""

    batch = Pair

    def __init__(self, generator: Callable[..., ImageGenerator], *, scale: Scale, channels: Channels) -> None:
        super().__init__()
        self.generator = generator(in_channels=channels, out_channels=channels, scale=scale)

    def players(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator}

    def products(self) -> Mapping[str, ImageGenerator]:
        return {"low_to_high": self.generator}

    def check_size(self, *sizes: tuple[int, int]) -> None:
        low, high = sizes
        if high != (low[0] * self.scale, low[1] * self.scale):
            raise ValueError(
                f"scale {self.scale}: a source of height {low[0]} and width {low[1]} has a target of {high[0]} and "
                f"{high[1]}; allowed: exactly {self.scale} times the source"
            )
        super().check_size(*sizes)


class AdversarialUpscaling(Upscaling):
    """An upscaler with a pixel, a perceptual and an adversarial loss; a weight of 0 leaves out the loss and the network
    that only it needs. The weights are those of ESRGAN.
    """

    def __init__(
        self,
        *,
        generator: UpscalerFactory,
        discriminator: DiscriminatorFactory,
        adversarial: AdversarialFactory,
        pixel: PixelLossFactory,
        perceptual: PerceptualFactory,
        scale: Scale = 4,
        channels: Channels = 3,
        pixel_weight: Weight = 1e-2,
        perceptual_weight: Weight = 1.0,
        adversarial_weight: Weight = 5e-3,
    ) -> None:
        super().__init__(generator, scale=scale, channels=channels)
        if not (pixel_weight or perceptual_weight or adversarial_weight):
            raise ValueError("method: all weights are 0, so there is nothing to learn; set one of them")
        if perceptual_weight and channels not in (1, 3):
            raise ValueError(
                f"method.channels = {channels}: the perceptual loss takes 1 or 3; set method.perceptual_weight=0"
            )
        self.discriminator = (
            discriminator(in_channels=channels, value_range=self.generator.value_range) if adversarial_weight else None
        )
        self.adversarial = adversarial()
        if self.discriminator is not None:
            check_discriminators(self.adversarial, self.discriminator)
        self.pixel = pixel()
        self.perceptual = perceptual() if perceptual_weight else None
        self.pixel_weight = pixel_weight  # eta
        self.perceptual_weight = perceptual_weight
        self.adversarial_weight = adversarial_weight  # lambda

    def players(self) -> Mapping[str, nn.Module]:
        discriminator = {"discriminator": self.discriminator} if self.discriminator is not None else {}
        return {"generator": self.generator, **discriminator}

    def fidelity_terms(self, fake: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Loss terms of the generator without the adversarial one."""
        terms = {}
        if self.pixel_weight:
            terms["pixel"] = self.pixel_weight * self.pixel(fake, target)
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual_weight * self.perceptual(fake, target)
        return terms

    def check_size(self, *sizes: tuple[int, int]) -> None:
        super().check_size(*sizes)
        _, (height, width) = sizes
        if self.perceptual is not None and min(height, width) < self.perceptual.min_size:
            raise ValueError(
                f"the perceptual loss can't take images of height {height} and width {width}; both must be at least "
                f"{self.perceptual.min_size}, or name no layers as deep in method.perceptual.layers"
            )
