"""Label maps as images: class indices go in, and any generator sees one channel for each class.

Wang, Liu, Zhu, Tao, Kautz, Catanzaro 2018: High-Resolution Image Synthesis and Semantic Manipulation with Conditional
GANs, section 3.3, https://arxiv.org/abs/1711.11585.
"""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from i2i.label_maps import IGNORE, classes_of, instance_edges, one_hot
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.value_range import ValueRange
from i2i.recipe.components import Part
from i2i.recipe.ranges import Channels, Classes
from i2i.registry import generators

_DEEPEST = 2**16 - 1  # of an instance map
_SUPPLIED = ("in_channels", "out_channels")

InnerFactory = Annotated[Callable[..., ImageGenerator], Part(generators, _SUPPLIED, default="resnet")]


@generators.register("one-hot")
class OneHotGenerator(ImageGenerator):
    """Generator of images from label maps: another generator after the one-hot encoding of `classes` classes.

    Shapes: class indices 0..255 as grey (N, 1, H, W) in `value_range` -> as the inner generator. A pixel of 255, or of
    any index from `classes` on, is 0 in all channels. `value_range`, sizes and scale are those of the inner generator.
    With `instance_edges` instance maps of 0..65535 go in, and the inner generator sees their edges in one more channel.
    """

    def __init__(
        self,
        *,
        generator: InnerFactory,
        classes: Classes,
        instance_edges: bool = False,
        in_channels: Channels = 1,
        out_channels: Channels = 3,
    ) -> None:
        super().__init__()
        if not 2 <= classes < IGNORE:
            raise ValueError(f"generator one-hot: classes = {classes}; allowed: 2 to {IGNORE - 1}")
        if in_channels != 1:
            raise ValueError(f"generator one-hot: in_channels = {in_channels}; a label map has 1")
        self.encoded_channels = classes + instance_edges
        self.inner = generator(in_channels=self.encoded_channels, out_channels=out_channels)
        self.instance_maps = instance_edges
        self.label_classes, self.in_channels, self.out_channels = classes, in_channels, self.inner.out_channels
        self.value_range, self.batch_independent = self.inner.value_range, self.inner.batch_independent
        self.scale, self.multiple_of, self.min_size = self.inner.scale, self.inner.multiple_of, self.inner.min_size
        edges_reach = 2 * instance_edges  # of the pixels beside
        self.overlap = self.inner.overlap and self.inner.overlap + edges_reach
        self.frozen_overlap = self.inner.frozen_overlap and self.inner.frozen_overlap + edges_reach
        inner = {key: value for key, value in self.inner.spec.items() if key not in _SUPPLIED}
        channels = {"in_channels": in_channels, "out_channels": out_channels}
        edges = {"instance_edges": True} if instance_edges else {}
        self.spec = {"name": "one-hot", "generator": inner, "classes": classes, **edges, **channels}

    def encode(self, label_map: Tensor) -> Tensor:
        """One-hot encoding (N, encoded_channels, H, W), 0 or 1, of class indices as an image (N, 1, H, W) in
        `value_range`; after the classes come the edges of instances.
        """
        levels = self._levels(label_map)
        encoded = one_hot(self._classes(levels)[:, 0], self.label_classes).to(label_map.dtype)
        return torch.cat([encoded, instance_edges(levels)], 1) if self.instance_maps else encoded

    def _levels(self, label_map: Tensor) -> Tensor:
        """The whole numbers of an image in `value_range`."""
        return (ValueRange(*self.value_range).to_unit(label_map) * (_DEEPEST if self.instance_maps else IGNORE)).round()

    def _classes(self, levels: Tensor) -> Tensor:
        return classes_of(levels) if self.instance_maps else levels

    def grey(self, label_map: Tensor) -> Tensor:
        """Class indices of an image (N, 1, H, W) spread over all of `value_range`, for sheets; ignored is black."""
        value_range = ValueRange(*self.value_range)
        levels = self._classes(self._levels(label_map)) + 1
        return value_range.from_unit(torch.where(levels > self.label_classes, 0, levels) / self.label_classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.inner(self.encode(image))

    def check_size(self, height: int, width: int) -> None:
        self.inner.check_size(height, width)
