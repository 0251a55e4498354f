"""What every generator of images from images promises."""

from typing import Any

from torch import nn


class ImageGenerator(nn.Module):
    """A network from images to images; a subclass sets the attributes that differ from the defaults below.

    Shapes: (N, in_channels, H, W) in `value_range` -> (N, out_channels, scale * H, scale * W) in `value_range`.
    H and W must be multiples of `multiple_of` and at least `min_size`, in pixels; `check_size` says so in a sentence.
    """

    in_channels: int
    out_channels: int
    value_range: tuple[float, float] = (-1.0, 1.0)
    scale: int = 1
    multiple_of: int = 1
    min_size: int = 1
    # Pixels of the image that tiles must share to give the result of the whole: twice as many as the result depends on
    # to each side; 0 where it takes the whole image
    overlap: int = 0
    # When training, a batch of two gives what two batches of one give (but for dropout's draws): calls can be batched
    batch_independent: bool = True
    # The name and options that made it, as its weights file keeps them; set by whoever builds it from a recipe.
    spec: dict[str, Any]

    def check_size(self, height: int, width: int) -> None:
        """Raises ValueError if the network can't take images of this size, in pixels."""
        if min(height, width) < self.min_size or height % self.multiple_of or width % self.multiple_of:
            raise ValueError(
                f"{type(self).__name__} can't take images of height {height} and width {width}; "
                f"both must be multiples of {self.multiple_of} and at least {self.min_size}"
            )
