"""Image generators that run over bands of rows, by name, and some that do not."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn

from i2i.checkpoints.card import card_of
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.unet import UnetGenerator
from i2i.networks.layers import set_test_time
from i2i_runtime.card import Card

GAIN = 0.3  # large enough that every layer matters


class Plugin(ImageGenerator):
    """A generator of given layers, in [0, 1]."""

    in_channels = out_channels = 3
    value_range = (0.0, 1.0)
    multiple_of = 4

    def __init__(self, *layers: nn.Module, scale: int = 1) -> None:
        super().__init__()
        self.layers, self.scale = nn.Sequential(*layers), scale

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)


class InPlace(Plugin):
    """A ReLU in place on a feature map that a later layer reads too."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 3, 3, padding=1), nn.InstanceNorm2d(3), nn.Conv2d(3, 3, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        first = self.layers[1](self.layers[0](image))
        second = self.layers[2](nn.functional.relu(first, inplace=True))
        second += first
        return second


def resnet(**options: Any) -> ImageGenerator:
    return ResnetGenerator(**{"features": 4, "blocks": 2, "init_gain": GAIN, **options})


def unet(**options: Any) -> ImageGenerator:
    return UnetGenerator(**{"features": 4, "depth": 4, "dropout": False, "init_gain": GAIN, **options})


# Kernels, strides and paddings of all kinds
LAYERS: dict[str, Callable[[], list[nn.Module]]] = {
    "stride 4": lambda: [nn.Conv2d(3, 6, 5, stride=4, padding=2, groups=3), nn.ConvTranspose2d(6, 3, 4, stride=4)],
    "oblong kernel": lambda: [nn.Conv2d(3, 4, (3, 5), padding=(1, 2)), nn.InstanceNorm2d(4), nn.Conv2d(4, 3, 1)],
    "bilinear": lambda: [
        nn.Conv2d(3, 3, 4, 4), nn.Upsample(scale_factor=4, mode="bilinear"), nn.Conv2d(3, 3, 3, 1, 1)
    ],
    "bilinear by an odd factor": lambda: [
        nn.Conv2d(3, 3, 3, padding=1), nn.Upsample(scale_factor=3, mode="bilinear"), nn.InstanceNorm2d(3),
        nn.Conv2d(3, 3, 3, 3),
    ],
    "affine norm": lambda: [nn.Conv2d(3, 4, 3, padding=1), nn.InstanceNorm2d(4, affine=True), nn.Conv2d(4, 3, 1)],
    "dilation": lambda: [nn.Conv2d(3, 3, 3, padding=2, dilation=2), nn.InstanceNorm2d(3)],
    "reflection": lambda: [
        nn.Conv2d(3, 3, 2, 2), nn.ReflectionPad2d(5), nn.Conv2d(3, 3, 11), nn.Upsample(scale_factor=2)
    ],
    "groups": lambda: [nn.Conv2d(3, 6, 4, stride=4), nn.ConvTranspose2d(6, 3, 4, stride=4, groups=3)],
    "output padding": lambda: [nn.Conv2d(3, 3, 3, 2, 1), nn.ConvTranspose2d(3, 3, 7, 2, 3, output_padding=1)],
    "larger inside": lambda: [
        nn.ConvTranspose2d(3, 4, 4, 2, 1), nn.InstanceNorm2d(4), nn.LeakyReLU(0.2), nn.Conv2d(4, 3, 4, 2, 1)
    ],
    "two convolutions": lambda: [
        nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1), nn.InstanceNorm2d(3), nn.Sigmoid()
    ],
}  # fmt: skip
GENERATORS: dict[str, Callable[[], ImageGenerator]] = {
    "resnet": resnet,
    "resnet, resized": lambda: resnet(features=3, blocks=1, upsampling="resize"),
    "resnet, anti-aliased": lambda: resnet(features=3, antialias_down=True, antialias_up=True),
    "resnet, residual": lambda: resnet(features=3, blocks=1, residual=True),
    "resnet, grey": lambda: resnet(features=3, blocks=0, in_channels=1),
    "unet": lambda: unet(norm="instance"),
    "unet, published": lambda: set_test_time(unet(), "published"),
    "in place": InPlace,
    "three times as large": lambda: Plugin(
        nn.Conv2d(3, 3, 3, padding=1), nn.InstanceNorm2d(3), nn.Upsample(scale_factor=3), scale=3
    ),
    **{name: lambda layers=layers: Plugin(*layers()) for name, layers in LAYERS.items()},
}


class Pooled(ResnetGenerator):
    """Every pixel depends on all."""

    def __init__(self) -> None:
        super().__init__(features=2, blocks=0)

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image) + image.mean()


class Bicubic(ResnetGenerator):
    """Up-sampling that is not local in the sense of a plan."""

    def __init__(self) -> None:
        super().__init__(features=2, blocks=0)
        self.up = nn.Sequential(nn.Conv2d(8, 2, 1), nn.Upsample(scale_factor=4, mode="bicubic"))


class Shrinking(Plugin):
    """A convolution without padding before a norm, padded after it: rows do not lie where the plan expects them."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 3, 3), nn.InstanceNorm2d(3), nn.ReflectionPad2d(1))


def card(generator: ImageGenerator) -> Card:
    return card_of(generator, {"product": "generator", "recipe": ""})


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Noise over a slope, so that no two parts have the same statistics."""
    slope = np.linspace(0, 0.6, height, dtype=np.float32)[:, None, None]
    return slope + np.random.default_rng(0).random((height, width, channels), np.float32) * 0.4
