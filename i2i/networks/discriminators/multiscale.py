"""Multi-scale discriminators, PatchGANs on an image pyramid.

Wang, Liu, Zhu, Tao, Kautz, Catanzaro 2018: High-Resolution Image Synthesis and Semantic Manipulation with Conditional
GANs (pix2pixHD), section 3.2, https://arxiv.org/abs/1711.11585.
"""

from collections.abc import Iterator

from torch import Tensor, nn

from i2i.networks.discriminators.base import Discriminator
from i2i.networks.discriminators.patchgan import PatchGAN
from i2i.networks.layers import DiscriminatorNorm, Initialisation, at_least
from i2i.recipe.ranges import Channels, ChannelsOrNone, Factor, Features, Halvings
from i2i.registry import discriminators


@discriminators.register("multiscale")
class MultiscaleDiscriminator(Discriminator):
    """Pix2pixHD (Wang 2018): as many PatchGANs as `scales`, each on an image half as large as the one before.

    The first one sees texture, the last one, whose patches are the largest part of its image, sees how the whole is
    composed. The options of the PatchGANs are those of `patchgan`; they pad as that does, by one pixel, where the
    authors' pad by two.

    Shapes: (N, in_channels, H, W) in any range -> for each scale logits as of `patchgan`; H and W are at least
    3 * 2 ** (layers + scales - 1) (96 for 3 layers and 3 scales).
    """

    has_features = True

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        scales: Halvings = 3,
        features: Features = 64,
        layers: Halvings = 3,
        norm: DiscriminatorNorm = "instance",
        spectral_norm: bool = False,
        projection: bool = False,
        condition_channels: ChannelsOrNone = 0,
        init: Initialisation = "normal",
        init_gain: Factor = 0.02,
    ) -> None:
        super().__init__()
        at_least(1, scales=scales)
        self.in_channels, self.scales = in_channels, scales
        self.judges = nn.ModuleList(
            PatchGAN(
                in_channels=in_channels,
                features=features,
                layers=layers,
                norm=norm,
                spectral_norm=spectral_norm,
                projection=projection,
                condition_channels=condition_channels,
                init=init,
                init_gain=init_gain,
            )
            for _ in range(scales)
        )
        self.halve = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
        self.min_size = 3 * 2 ** (layers + scales - 1)

    def check_size(self, height: int, width: int) -> None:
        """Raises ValueError for images that are too small at the last scale."""
        try:
            super().check_size(height, width)
        except ValueError as error:
            raise ValueError(
                f"{error}; enlarge them, or set fewer method.discriminator.scales than {self.scales}"
            ) from None

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(judge(each) for judge, each in self._pyramid(image))

    def features(self, image: Tensor) -> list[Tensor]:
        return [feature for judge, each in self._pyramid(image) for feature in judge.features(each)]

    def _pyramid(self, image: Tensor) -> Iterator[tuple[PatchGAN, Tensor]]:
        """Each PatchGAN with the image of its scale, from the largest on."""
        for number, judge in enumerate(self.judges):
            image = self.halve(image) if number else image
            yield judge, image  # type: ignore[misc]
