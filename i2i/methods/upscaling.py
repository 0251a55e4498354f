"""What all methods of super-resolution share: one generator that enlarges, trained on pairs."""

from collections.abc import Callable, Mapping
from typing import Annotated

from torch import nn

from i2i import registry
from i2i.data.batch import Pair
from i2i.losses.perceptual import Perceptual
from i2i.losses.pixel import PixelLoss
from i2i.methods.translation import Translation
from i2i.networks.generators.base import ImageGenerator
from i2i.recipe.components import Part

# Constructor parameters that are components, as in `i2i.methods.base`.
UpscalerFactory = Annotated[
    Callable[..., ImageGenerator], Part(registry.generators, ("in_channels", "out_channels", "scale"), default="rrdb")
]
PixelLossFactory = Annotated[Callable[[], PixelLoss], Part(registry.pixel_losses, default="l1")]
PerceptualFactory = Annotated[Callable[[], Perceptual], Part(registry.perceptual, default="vgg19")]


class Upscaling(Translation):
    """A generator that makes images `scale` times as high and wide; `source` is low, `target` is high resolution."""

    batch = Pair

    def __init__(self, generator: Callable[..., ImageGenerator], *, scale: int, channels: int) -> None:
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
