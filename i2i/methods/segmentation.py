"""Methods whose product predicts the class of each pixel of an image."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from i2i.data.batch import Segmentation
from i2i.data.labels.palette import PALETTE
from i2i.methods.base import Method, Outputs
from i2i.metrics.segmentation.iou import confusion_matrix, mean_iou
from i2i.networks.segmenters.base import Segmenter
from i2i.networks.value_range import ValueRange


class SemanticSegmentation(Method):
    """A method on images with label maps of `classes` classes."""

    batch = Segmentation
    needs_labels = ("image",)
    classes: int

    @abstractmethod
    def products(self) -> Mapping[str, Segmenter]: ...

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return next(iter(self.products().values())).in_channels

    def check_size(self, *sizes: tuple[int, int]) -> None:
        for segmenter in self.products().values():
            for size in sizes:
                segmenter.check_size(*size)

    def preview(self, held_out: Sequence[Segmentation], products: Mapping[str, nn.Module]) -> list[dict[str, Tensor]]:
        """Columns of each row: an image, its true label map, and that of each product, in colours."""
        rows = []
        for image, labels in held_out:
            row = {"image": image, "true": self._in_colour(labels)}
            for name, product in products.items():
                title = "predicted" if len(products) == 1 else name
                row[title] = self._in_colour(product(image).argmax(1))
            rows.append(row)
        return rows

    def score(self, held_out: Sequence[Segmentation], products: Mapping[str, nn.Module]) -> Tensor | None:
        """1 - mIoU over the pixels of all held-out images, as a mean over products; None without such images."""
        if not held_out:
            return None
        counts = np.zeros((len(products), self.classes, self.classes + 1), np.int64)
        for image, labels in held_out:
            truth = labels[0].cpu().numpy()
            for number, product in enumerate(products.values()):
                predicted = product(image).argmax(1)[0].cpu().numpy()
                counts[number] += confusion_matrix(predicted, truth, classes=self.classes)
        return torch.tensor(1 - float(np.mean([mean_iou(each) for each in counts])))

    def outputs(self, held_out: Sequence[Segmentation], products: Mapping[str, nn.Module]) -> dict[str, Outputs]:
        """None: label maps are no images."""
        return {}

    def _in_colour(self, labels: Tensor) -> Tensor:
        """Class indices (1, H, W) as an image (1, 3, H, W) in the networks' value range."""
        colours = torch.from_numpy(PALETTE).to(labels.device)[labels.long()]
        return ValueRange(*self.value_range).from_unit(colours.permute(0, 3, 1, 2).float() / 255)
