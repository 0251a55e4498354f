"""The contract of segmenters: networks that predict the class of each pixel of an image."""

from typing import ClassVar

from i2i.networks.product import Product


class Segmenter(Product):
    """A network of semantic segmentation; a subclass sets the attributes that differ from the defaults below.

    Shapes: (N, in_channels, H, W) in `value_range` -> logits (N, classes, H, W), for every H and W from `min_size`.
    """

    kind: ClassVar[str] = "segmenter"
    in_channels: int
    classes: int
    min_size: int = 1  # pixels

    def check_size(self, height: int, width: int) -> None:
        """Raises ValueError for a height and width, in pixels, that the network does not take."""
        if min(height, width) < self.min_size:
            raise ValueError(
                f"{type(self).__name__} can't take images of height {height} and width {width}; both must be at least "
                f"{self.min_size}"
            )
