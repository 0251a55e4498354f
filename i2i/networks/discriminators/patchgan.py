"""PatchGAN, a discriminator of patches, and its smallest form, PixelGAN.

Isola, Zhu, Zhou, Efros 2017: Image-to-Image Translation with Conditional Adversarial Networks, sections 3.2.2 and
6.1.2, https://arxiv.org/abs/1611.07004.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.antialiasing import AntialiasedDownsample
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.discriminators.projection import ConditionProjection
from i2i.networks.layers import (
    DiscriminatorNorm,
    Initialisation,
    add_spectral_norm,
    at_least,
    has_bias,
    initialise,
    normalisation,
)
from i2i.recipe.ranges import Channels, ChannelsOrNone, Factor, Features, Halvings
from i2i.registry import discriminators


@discriminators.register("patchgan")
class PatchGAN(Discriminator):
    """PatchGAN (Isola 2017): a logit for each patch of an image, of 70x70 pixels for 3 layers.

    `layers` strided 4x4 convolutions, then two with stride 1. With `antialias`, as in CUT (Park 2020), the strided ones
    have stride 1, too, and a filter halves the size. With `projection` the convolutions see the image without its
    condition, of which an embedding is multiplied with their features (EPE, Richter 2021, section 3.3,
    https://arxiv.org/abs/2105.04619): a patch is to look like real ones of the same classes.

    Shapes: (N, in_channels, H, W) in any range -> logits (N, 1, H // 2 ** layers - 2, W // 2 ** layers - 2);
    H and W are at least 3 * 2 ** layers (24 for 3 layers).
    """

    has_features = True

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        features: Features = 64,
        layers: Halvings = 3,
        norm: DiscriminatorNorm = "batch",
        spectral_norm: bool = False,
        antialias: bool = False,
        projection: bool = False,
        condition_channels: ChannelsOrNone = 0,
        init: Initialisation = "normal",
        init_gain: Factor = 0.02,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, features=features, layers=layers)
        if projection and not condition_channels:
            raise ValueError("method.discriminator.projection: there is no condition to project; set it to false")
        self.in_channels = in_channels
        self.projected_channels = condition_channels if projection else 0
        self.min_size = 3 * 2**layers
        widths = [features * 2 ** min(level, 3) for level in range(layers + 1)]

        def layer(level: int, before: int, *between: nn.Module, bias: bool) -> nn.Sequential:
            halves = level < layers
            stride = 2 if halves and not antialias else 1
            convolution = nn.Conv2d(before, widths[level], 4, stride=stride, padding=1, bias=bias)
            filters = [AntialiasedDownsample()] if halves and antialias else []
            return nn.Sequential(convolution, *between, nn.LeakyReLU(0.2, inplace=True), *filters)

        def block(level: int) -> nn.Sequential:
            return layer(level, widths[level - 1], normalisation(norm, widths[level]), bias=has_bias(norm))

        self.stem = layer(0, in_channels - self.projected_channels, bias=True)
        self.blocks = nn.Sequential(*(block(level) for level in range(1, layers + 1)))
        self.head = nn.Conv2d(widths[-1], 1, 4, stride=1, padding=1)
        self.projection = ConditionProjection(widths[-1], condition_channels) if projection else None
        initialise(self, init, init_gain)
        if spectral_norm:
            add_spectral_norm(self)

    def forward(self, image: Tensor) -> Tensor:
        condition, image = image.tensor_split([self.projected_channels], dim=1)
        features = self.blocks(self.stem(image))
        logits = self.head(features)
        if self.projection is None:
            return logits
        projected = self.projection(features, condition)
        return logits + F.interpolate(projected, size=logits.shape[-2:], mode="bilinear", align_corners=False)

    def features(self, image: Tensor) -> list[Tensor]:
        features = [self.stem(image[:, self.projected_channels :])]
        for block in self.blocks:
            features.append(block(features[-1]))
        return features


@discriminators.register("pixelgan")
class PixelGAN(Discriminator):
    """PixelGAN (Isola 2017): a logit for each pixel, from its colour alone, by three 1x1 convolutions.

    Shapes: (N, in_channels, H, W) in any range -> logits (N, 1, H, W).
    """

    min_size = 2  # Instance norm of a single pixel would be nothing but zero.

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        features: Features = 64,
        norm: DiscriminatorNorm = "batch",
        spectral_norm: bool = False,
        init: Initialisation = "normal",
        init_gain: Factor = 0.02,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, features=features)
        self.in_channels = in_channels
        self.stem = nn.Sequential(nn.Conv2d(in_channels, features, 1), nn.LeakyReLU(0.2, inplace=True))
        self.block = nn.Sequential(
            nn.Conv2d(features, 2 * features, 1, bias=has_bias(norm)),
            normalisation(norm, 2 * features),
            nn.LeakyReLU(0.2, inplace=True),
        )
        # As published: whether the last convolution has a bias depends on the norm here, unlike in the PatchGAN.
        self.head = nn.Conv2d(2 * features, 1, 1, bias=has_bias(norm))
        initialise(self, init, init_gain)
        if spectral_norm:
            add_spectral_norm(self)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.block(self.stem(image)))
