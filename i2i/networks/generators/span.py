"""The generator of SPAN: blocks whose attention has no parameters, of convolutions that train as branches.

Wan, Yu, Li, Chen, Zou, Liu, Yin, Zuo 2024: Swift Parameter-free Attention Network for Efficient Super-Resolution,
https://arxiv.org/abs/2311.12770; the network in its details after its code, https://github.com/hongyuanyu/SPAN.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import UpscalerInit, at_least, starts_from_nearest
from i2i.networks.reparameterised import ExpandedConvolution
from i2i.recipe.ranges import Channels, Factor, Features, Probability, Scale
from i2i.registry import generators

BLOCKS = 6
DIV2K_MEAN = (0.4488, 0.4371, 0.4040)  # of R, G and B in [0, 1]
NORM_RANGE = 255.0
# Each 3x3 convolution adds one pixel to the radius of the receptive field: the first, three in a block, the last two.
RADIUS = 1 + 3 * BLOCKS + 2


@generators.register("span")
class SPAN(ImageGenerator):
    """SPAN (Wan 2024): convolutions at the size of the input with parameter-free attention, then pixel shuffle.

    Shapes: (N, in_channels, H, W) in [0, 1] -> (N, out_channels, scale * H, scale * W), unbounded around [0, 1]; any H
    and W. Published networks have 48 features or 52. With `norm` the network takes images less `mean` and times
    `norm_range`, for 3 channels; those trained by neosr have it off.
    Initial weights are random as published, or with `init` "nearest" such that the result is the input, up-sampled by
    nearest neighbour: what the network would have to learn first.
    """

    value_range = (0.0, 1.0)
    keeps_grey = True
    overlap = 2 * RADIUS
    mean: Tensor | None

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        out_channels: Channels = 3,
        features: Features = 48,
        scale: Scale = 4,
        norm: bool = True,
        norm_range: Factor = NORM_RANGE,
        mean: tuple[Probability, Probability, Probability] = DIV2K_MEAN,
        init: UpscalerInit = "random",
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, out_channels=out_channels, features=features, scale=scale)
        if norm and in_channels != 3:
            raise ValueError(f"in_channels = {in_channels} is refused with norm, whose mean is of 3; set norm = false")
        self.in_channels, self.out_channels, self.scale = in_channels, out_channels, scale
        self.norm_range = norm_range
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) if norm else None)
        self.stem = ExpandedConvolution(in_channels, features)
        self.blocks = nn.Sequential(*(AttentionBlock(features) for _ in range(BLOCKS - 1)))
        self.last = AttentionBlock(features)
        self.trunk = ExpandedConvolution(features, features)
        self.merge = nn.Conv2d(4 * features, features, 1)
        self.head = nn.Conv2d(features, out_channels * scale**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(scale)
        if starts_from_nearest(init):
            self._start_from_nearest()

    @torch.no_grad()
    def _start_from_nearest(self) -> None:
        """Set weights with which the first features pass the image on, and the result is nothing but them."""
        channels, pixels = self.out_channels, self.scale**2
        if self.in_channels != channels or len(self.merge.weight) < channels:
            raise ValueError('init = "nearest" is refused; allowed: as many out_channels as in_channels, and features')
        for layer in (self.stem.project, self.stem.skip, self.merge):
            layer.weight[:channels], layer.get_parameter("bias")[:channels] = 0, 0
        for layer in (self.stem.skip, self.merge):
            layer.weight[:channels, :channels, 0, 0] = torch.eye(channels)
        self.head.weight.zero_()
        self.head.get_parameter("bias").zero_()
        passed = torch.eye(channels).repeat_interleave(pixels, 0)
        self.head.weight[:, :channels, 1, 1] = passed if self.mean is None else passed / self.norm_range
        if self.mean is not None:
            self.head.get_parameter("bias")[:] = self.mean.flatten().repeat_interleave(pixels)

    def forward(self, image: Tensor) -> Tensor:
        if self.mean is not None:
            image = (image - self.mean) * self.norm_range
        shallow = self.stem(image)
        early = self.blocks[0](shallow)
        late = self.blocks[1:](early)
        inner = self.last.inner(late)
        deep = self.trunk(self.last.attend(inner, late))
        return self.shuffle(self.head(self.merge(torch.cat([shallow, deep, early, inner], 1))))


class AttentionBlock(nn.Module):
    """Swift parameter-free attention block: three convolutions whose result, plus the input, is weighed by itself."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first, self.second, self.third = (ExpandedConvolution(features, features) for _ in range(3))

    def forward(self, image: Tensor) -> Tensor:
        return self.attend(self.inner(image), image)

    def inner(self, image: Tensor) -> Tensor:
        """The activated result of the first convolution."""
        return F.silu(self.first(image), inplace=True)

    def attend(self, inner: Tensor, image: Tensor) -> Tensor:
        """The block's result for its input and the `inner` result of that."""
        detail = self.third(F.silu(self.second(inner), inplace=True))
        # An odd function of the detail (section 3.2): attention that keeps its sign.
        return (detail + image) * (torch.sigmoid(detail) - 0.5)
