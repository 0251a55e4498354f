"""The generator of SPADE, whose normalisation depends on the label map at each pixel.

Park, Liu, Wang, Zhu 2019: Semantic Image Synthesis with Spatially-Adaptive Normalization,
https://arxiv.org/abs/1903.07291.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import Initialisation, InstanceNorm2d, add_spectral_norm, at_least, initialise
from i2i.recipe.ranges import Channels, Factor, Features, Halvings
from i2i.registry import generators

# Channels of the first blocks in those of the last one (appendix A: 1024 and 64).
_WIDEST = 16

SpadeNorm = Literal["batch", "instance"]


@generators.register("spade")
class SpadeGenerator(ImageGenerator):
    """SPADE (Park 2019, section 3.2): residual blocks and up-samplings of a small label map, with norms by that map.

    Shapes: label maps, one-hot or any image, (N, in_channels, H, W) -> (N, out_channels, H, W) in [-1, 1]; H and W
    multiples of 2 ** depth and at least twice that. The published one has depth 5; its encoder of a style image is left
    out. `hidden` are the channels of the convolution that scale and shift share.
    """

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        out_channels: Channels = 3,
        features: Features = 64,
        depth: Halvings = 5,
        hidden: Features = 128,
        norm: SpadeNorm = "batch",
        spectral_norm: bool = True,
        init: Initialisation = "xavier",
        init_gain: Factor = 0.02,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, out_channels=out_channels, features=features, depth=depth, hidden=hidden)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.multiple_of = 2**depth
        self.min_size = 2 * self.multiple_of  # the first norm needs more than one pixel
        self.batch_independent = norm != "batch"
        # The last block has `features` channels, each one before it twice as many.
        widths = [features * min(_WIDEST, 2**level) for level in range(depth - 1, -1, -1)]

        def block(inner: int, outer: int) -> SpadeBlock:
            return SpadeBlock(inner, outer, in_channels, hidden=hidden, norm=norm)

        self.stem = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.first = block(widths[0], widths[0])
        self.middle = nn.ModuleList([block(widths[0], widths[0]), block(widths[0], widths[0])])
        self.up = nn.ModuleList(map(block, widths[:-1], widths[1:]))
        self.head = nn.Conv2d(widths[-1], out_channels, 3, padding=1)
        initialise(self, init, init_gain)
        if spectral_norm:
            for layer in (self.first, *self.middle, *self.up):
                add_spectral_norm(layer.layers)  # not of the norms, as published

    def forward(self, image: Tensor) -> Tensor:
        small = [side // self.multiple_of for side in image.shape[2:]]
        features = self.first(self.stem(F.interpolate(image, size=small, mode="nearest")), image)
        features = _double(features)
        for block in self.middle:
            features = block(features, image)
        for block in self.up:
            features = block(_double(features), image)
        return self.head(F.leaky_relu(features, 0.2)).tanh()


class SpadeBlock(nn.Module):
    """Residual block whose norms are SPADE's (figure 4): the skip connection is learnt where the width changes."""

    def __init__(self, inner: int, outer: int, label_channels: int, *, hidden: int, norm: SpadeNorm) -> None:
        super().__init__()
        middle = min(inner, outer)
        self.layers = nn.ModuleList([nn.Conv2d(inner, middle, 3, padding=1), nn.Conv2d(middle, outer, 3, padding=1)])
        widths = [inner, middle]
        self.learns_skip = inner != outer
        if self.learns_skip:
            self.layers.append(nn.Conv2d(inner, outer, 1, bias=False))
            widths.append(inner)
        self.norms = nn.ModuleList(Spade(width, label_channels, hidden=hidden, norm=norm) for width in widths)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        residual = features
        for number in range(2):
            normed = self.norms[number](residual, labels)
            residual = self.layers[number](F.leaky_relu(normed, 0.2))
        skip = self.layers[2](self.norms[2](features, labels)) if self.learns_skip else features
        return skip + residual


class Spade(nn.Module):
    """Spatially-adaptive normalisation (section 3.1, equations 1 to 3): features are normalised without weights, then
    scaled and shifted at each pixel by convolutions of the label map.

    Shapes: features (N, C, h, w), labels (N, label_channels, H, W) -> (N, C, h, w).
    """

    def __init__(self, features: int, label_channels: int, *, hidden: int, norm: SpadeNorm) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(features, affine=False) if norm == "batch" else InstanceNorm2d(features)
        self.shared = nn.Sequential(nn.Conv2d(label_channels, hidden, 3, padding=1), nn.ReLU())
        self.gamma = nn.Conv2d(hidden, features, 3, padding=1)
        self.beta = nn.Conv2d(hidden, features, 3, padding=1)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        shared = self.shared(F.interpolate(labels, size=features.shape[2:], mode="nearest"))
        # The published code scales by 1 + gamma, so that small weights leave the norm as it is.
        return self.norm(features) * (1 + self.gamma(shared)) + self.beta(shared)


def _double(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="nearest")
