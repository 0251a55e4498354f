"""What all methods of super-resolution share: one generator that enlarges, trained on pairs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i import registry
from i2i.data.batch import Pair
from i2i.losses.perceptual import Perceptual
from i2i.losses.pixel import PixelLoss
from i2i.methods.base import Made, Translation
from i2i.networks.generators.base import ImageGenerator
from i2i.recipe.components import Part

# Constructor parameters that are components, as in `i2i.methods.base`.
UpscalerFactory = Annotated[
    Callable[..., ImageGenerator], Part(registry.generators, ("in_channels", "out_channels", "scale"))
]
PixelLossFactory = Annotated[Callable[[], PixelLoss], Part(registry.pixel_losses)]
PerceptualFactory = Annotated[Callable[[], Perceptual], Part(registry.perceptual)]


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
        self.generator.check_size(*low)
        if high != (low[0] * self.scale, low[1] * self.scale):
            raise ValueError(
                f"scale {self.scale}: a source of height {low[0]} and width {low[1]} has a target of {high[0]} and "
                f"{high[1]}; allowed: exactly {self.scale} times the source"
            )

    def preview(self, held_out: Sequence[Pair], products: Mapping[str, nn.Module]) -> list[dict[str, Tensor]]:
        return [
            {
                "low": F.interpolate(low, scale_factor=self.scale, mode="nearest"),
                "fake": products["low_to_high"](low),
                "high": high,
            }
            for low, high in held_out
        ]

    def score(self, held_out: Sequence[Pair], products: Mapping[str, nn.Module]) -> Tensor:
        """Mean absolute distance of the fakes to their targets."""
        generator = products["low_to_high"]
        return torch.stack([F.l1_loss(generator(low), high).float() for low, high in held_out]).mean()

    def made(self, held_out: Sequence[Pair], products: Mapping[str, nn.Module]) -> dict[str, Made]:
        none = torch.empty(0)
        return {
            "low_to_high": Made(
                [products["low_to_high"](low) for low, _ in held_out], [high for _, high in held_out], none, none
            )
        }
