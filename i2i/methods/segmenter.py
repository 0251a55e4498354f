"""Semantic segmentation by a fully convolutional network: Long, Shelhamer, Darrell, "Fully Convolutional Networks for
Semantic Segmentation", 2015. https://arxiv.org/abs/1411.4038
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from i2i.data.batch import Segmentation
from i2i.label_maps import one_hot
from i2i.losses.segmentation import balanced_weights, cross_entropy
from i2i.methods.base import SegmenterFactory, Update, check_classes
from i2i.methods.segmentation import SemanticSegmentation
from i2i.networks.segmenters.base import Segmenter
from i2i.recipe.ranges import Channels, Classes
from i2i.registry import methods


@methods.register("segmenter")
class SegmenterTraining(SemanticSegmentation):
    """Segmenter (Long 2015): cross-entropy of each pixel's class, on images with label maps; 255 is ignored.

    `classes` 0 is as many as the label maps show. `class_weights` "balanced" weighs a pixel by how rare its true class
    is, as ENet does (Paszke 2016, section 5.2): by 1 / ln(1.02 + p), with the share p of the pixels seen so far. The
    score is 1 - mIoU on held-out images.
    """

    def __init__(
        self,
        *,
        segmenter: SegmenterFactory,
        classes: Classes = 0,
        channels: Channels = 3,
        class_weights: Literal["none", "balanced"] = "none",
    ) -> None:
        super().__init__()
        check_classes(classes)
        self.classes, self.is_balanced = classes, class_weights == "balanced"
        self.segmenter = segmenter(in_channels=channels, classes=classes)
        self.pixels: Tensor  # of each class, seen so far
        self.register_buffer("pixels", torch.zeros(classes, dtype=torch.int64))

    def players(self) -> Mapping[str, nn.Module]:
        return {"segmenter": self.segmenter}

    def products(self) -> Mapping[str, Segmenter]:
        return {"segmenter": self.segmenter}

    def training_step(self, batch: Segmentation, update: Update) -> None:
        image, labels = batch
        weights = self.count_pixels(labels, update) if self.is_balanced else None
        update("segmenter", cross_entropy=cross_entropy(self.segmenter(image), labels, weights))

    def count_pixels(self, labels: Tensor, update: Update) -> Tensor:
        """Collective: add the pixels of a batch's label maps to those seen so far; the weights of the classes."""
        counts = one_hot(labels, self.classes).sum((0, 2, 3), dtype=torch.int64)
        self.pixels = self.pixels + update.all_reduce_sum(counts)
        return balanced_weights(self.pixels / self.pixels.sum().clamp(min=1))
