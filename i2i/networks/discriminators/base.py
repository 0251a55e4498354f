"""What every discriminator promises."""

from torch import Tensor, nn

SMALLEST_SIZE = 32
LAST_SIZE = 4  # where the strided convolutions of a discriminator of fixed size end


class Discriminator(nn.Module):
    """A judge of images; a subclass sets the attributes that differ from the defaults below.

    Shapes: (N, in_channels, H, W) -> logits of any shape that starts with N, high for real; no sigmoid.
    H and W are at least `min_size` pixels; `check_size` says so in a sentence. A conditional discriminator is one whose
    `in_channels` is the sum of both images' channels: the method concatenates them. One with `classes` is called with
    labels int64 (N,) as well. What gives the logits is called `head`: its input is what anomalies are scored by.
    """

    in_channels: int
    classes: int = 0  # 0: it takes no labels
    min_size: int = 1
    # In training mode a batch of two gives exactly what two batches of one give, so calls may be batched.
    batch_independent: bool = True

    def each(self, *batches: Tensor) -> list[Tensor]:
        """Logits of every batch, none of which sees the others: what calls one after another give."""
        return [self(batch) for batch in batches]

    def check_size(self, height: int, width: int) -> None:
        """Raises ValueError if the network can't judge images of this size, in pixels."""
        if min(height, width) < self.min_size:
            raise ValueError(
                f"{type(self).__name__} can't judge images of height {height} and width {width}; "
                f"both must be at least {self.min_size}"
            )


class FixedSizeDiscriminator(Discriminator):
    """One that judges images of one square size only: `halvings` strided convolutions down to 4x4, then one logit."""

    def __init__(self, size: int) -> None:
        super().__init__()
        if size < SMALLEST_SIZE or size & (size - 1):
            raise ValueError(f"size = {size} is refused; allowed: a power of two, {SMALLEST_SIZE} or more")
        self.size = self.min_size = size
        self.halvings = (size // LAST_SIZE).bit_length() - 1

    def check_size(self, height: int, width: int) -> None:
        """Raises ValueError for any size but its own."""
        if (height, width) != (self.size, self.size):
            raise ValueError(
                f"{type(self).__name__} of size {self.size} can't judge images of height {height} and width {width}; "
                f"resize or crop them to {self.size}x{self.size}, or set its option size"
            )
