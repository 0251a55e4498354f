"""What every discriminator promises."""

from torch import nn


class Discriminator(nn.Module):
    """A judge of images; a subclass sets the attributes that differ from the defaults below.

    Shapes: (N, in_channels, H, W) -> logits of any shape that starts with N, high for real; no sigmoid.
    H and W are at least `min_size` pixels; `check_size` says so in a sentence. A conditional discriminator is one whose
    `in_channels` is the sum of both images' channels: the method concatenates them.
    """

    in_channels: int
    min_size: int = 1
    # In training mode a batch of two gives exactly what two batches of one give, so calls may be batched.
    batch_independent: bool = True

    def check_size(self, height: int, width: int) -> None:
        """Raises ValueError if the network can't judge images of this size, in pixels."""
        if min(height, width) < self.min_size:
            raise ValueError(
                f"{type(self).__name__} can't judge images of height {height} and width {width}; "
                f"both must be at least {self.min_size}"
            )
