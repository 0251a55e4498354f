"""A discriminator on frozen features of a pretrained network.

Sauer, Chitta, Müller, Geiger 2021: Projected GANs Converge Faster, https://arxiv.org/abs/2111.01007.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.discriminators.base import Discriminator
from i2i.networks.layers import add_spectral_norm
from i2i.networks.value_range import ValueRange
from i2i.pretrained import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    as_buffers,
    load_frozen,
    load_or_download,
    torchvision_weights,
)
from i2i.recipe.ranges import Channels, Features, Level, PixelsOrNone
from i2i.registry import discriminators

Backbone = Literal["squeezenet1_1", "efficientnet_b0"]

_LEVELS = 4  # of the feature pyramid (section 3.1)
_MOST_FEATURES = 512
_PROBE = 128  # pixels of an image by which the levels are found


@discriminators.register("projected")
class ProjectedDiscriminator(Discriminator):
    """Projected GAN (Sauer 2021): a small discriminator on each of four levels of a frozen network's features.

    Random convolutions, which are not trained, mix the channels of each level (CCM) and then the levels, from the
    coarsest on (CSM; section 3.2, `projection`), with `features` channels at the finest level and twice as many at each
    next one. The discriminators are strided convolutions with spectral norm, here without batch norm. `weights` is a
    file of torchvision's `backbone`, by default the published one, from torch.hub's cache or downloaded; it is not
    saved with a run. `resize` is the length in pixels to which the shorter side is resized first (the authors: 224); 0:
    as it is. The authors train with hinge loss and `augment` "diffaugment".

    Shapes: (N, 1 or 3, H, W) in the value range of the method's images -> for each level logits (N, 1, h, w), about as
    many as the coarsest map has pixels; H and W are at least 32. There is no condition.
    """

    min_size = 32
    scales = _LEVELS

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        backbone: Backbone = "squeezenet1_1",
        weights: str = "",
        features: Features = 64,
        projection: Literal["none", "ccm", "ccm+csm"] = "ccm+csm",
        resize: PixelsOrNone = 0,
        value_range: tuple[Level, Level] = (-1.0, 1.0),
    ) -> None:
        super().__init__()
        if in_channels not in (1, 3):
            raise ValueError(
                f"method.discriminator: projected sees images of 1 or 3 channels, not of {in_channels}, and no "
                "condition; set method.conditional=false (sim2real: method.label_aware=false), or choose another "
                "method.discriminator"
            )
        self.in_channels, self.value_range, self.resize = in_channels, ValueRange(*value_range), resize
        self.backbone = FeaturePyramid(backbone, weights)
        self.projection = as_buffers(RandomProjection(self.backbone.channels, features, projection), persistent=True)
        self.judges = nn.ModuleList(
            _judge(channels, halvings=_LEVELS - 1 - level) for level, channels in enumerate(self.projection.channels)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        image = self.value_range.to_unit(image)
        if self.resize:
            factor = self.resize / min(image.shape[-2:])
            image = F.interpolate(image, scale_factor=factor, mode="bilinear", align_corners=False)
        levels = self.projection(self.backbone(image))
        return tuple(judge(features) for judge, features in zip(self.judges, levels, strict=True))


class FeaturePyramid(nn.Module):
    """The last feature map of each size of a frozen torchvision classifier, the four smallest sizes, the finest first.

    Shapes: (N, 1 or 3, H, W) in [0, 1] -> four maps of `channels`. Its weights are neither trained nor saved. On the
    meta device none are read. Raises ValueError where there are none.
    """

    layers: nn.Sequential

    def __init__(self, backbone: Backbone, weights: str) -> None:
        super().__init__()
        from torchvision import models  # takes seconds

        with torch.random.fork_rng(devices=[]):
            network: Any = models.get_model(backbone, weights=None)
        if torch.get_default_device().type != "meta":
            _load(network, backbone, weights)
        self.layers = as_buffers(network.features)
        self.register_buffer("_mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("_deviation", torch.tensor(IMAGENET_DEVIATION).reshape(1, 3, 1, 1), persistent=False)

        shapes, image = [], torch.zeros(1, 3, _PROBE, _PROBE)
        with torch.no_grad():
            for layer in self.layers.eval():
                image = layer(image)
                shapes.append(image.shape)
        sizes = [shape[-1] for shape in shapes]
        self._last = [number for number, size in enumerate(sizes) if size not in sizes[number + 1 :]][-_LEVELS:]
        self.channels = [shapes[number][1] for number in self._last]

    def train(self, mode: bool = True) -> "FeaturePyramid":
        return super().train(False)  # batch norm keeps the published statistics

    def forward(self, image: Tensor) -> list[Tensor]:
        features = (image - self.get_buffer("_mean")) / self.get_buffer("_deviation")
        levels = []
        for number, layer in enumerate(self.layers):
            features = layer(features)
            if number in self._last:
                levels.append(features)
        return levels


class RandomProjection(nn.Module):
    """Random mixtures of the channels of each level (CCM), and of the levels (CSM), finest first; sizes stay.

    `channels` are those of the results.
    """

    def __init__(self, inputs: list[int], features: int, kind: Literal["none", "ccm", "ccm+csm"]) -> None:
        super().__init__()
        self.channels, self.mix_channels, self.mix_levels = inputs, nn.ModuleList(), nn.ModuleList()
        if kind == "none":
            return
        widths = [features * 2**level for level in range(len(inputs))]
        self.mix_channels.extend(nn.Conv2d(*pair, 1) for pair in zip(inputs, widths, strict=True))
        self.channels = widths
        if kind == "ccm+csm":
            # Each level's result is added to the next finer one, so it has the channels of that.
            self.channels = [widths[0], *widths[:-1]]
            self.mix_levels.extend(nn.Conv2d(*pair, 3, padding=1) for pair in zip(widths, self.channels, strict=True))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)  # section 3.2

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        if self.mix_channels:
            levels = [mix(level) for mix, level in zip(self.mix_channels, levels, strict=True)]
        if not self.mix_levels:
            return levels
        mixed: list[Tensor] = []
        for mix, level in zip(reversed(self.mix_levels), reversed(levels), strict=True):
            if mixed:
                level = level + F.interpolate(mixed[0], size=level.shape[-2:], mode="bilinear", align_corners=False)
            mixed.insert(0, mix(level))
        return mixed


def _judge(channels: int, *, halvings: int) -> nn.Sequential:
    """A discriminator of one level: strided convolutions with twice the channels each, then one to a logit a pixel."""
    layers: list[nn.Module] = []
    for _ in range(halvings):
        wider = min(2 * channels, _MOST_FEATURES)
        layers += [nn.Conv2d(channels, wider, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        channels = wider
    judge = nn.Sequential(*layers, nn.Conv2d(channels, 1, 3, padding=1))
    add_spectral_norm(judge)
    return judge


def _load(network: nn.Module, backbone: Backbone, file: str) -> None:
    """Load the file's or the published weights. Raises ValueError that says how to do without a download."""
    published = torchvision_weights(backbone)
    try:
        load_frozen(network, load_or_download(published, file), published.title)
    except ValueError as error:
        instead = "" if file else " with --set method.discriminator.weights=FILE"
        raise ValueError(f"method.discriminator.weights: {error}{instead}") from error
