"""What every generator promises: of images from images, and of images from noise."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn


class Generator(nn.Module):
    """A network that makes images (N, out_channels, H, W) in `value_range`; a subclass sets what differs from the
    defaults below.
    """

    out_channels: int
    value_range: tuple[float, float] = (-1.0, 1.0)
    # When training, a batch of two gives what two batches of one give (but for dropout's draws): calls can be batched
    batch_independent: bool = True
    # The name and options that made it, as its weights file keeps them; set by whoever builds it from a recipe.
    spec: dict[str, Any]


class ImageGenerator(Generator):
    """A network from images to images.

    Shapes: (N, in_channels, H, W) in `value_range` -> (N, out_channels, scale * H, scale * W) in `value_range`.
    H and W must be multiples of `multiple_of` and at least `min_size`, in pixels; `check_size` says so in a sentence.
    """

    in_channels: int
    scale: int = 1
    multiple_of: int = 1
    min_size: int = 1
    # Pixels of the image that tiles must share to give the result of the whole: twice as many as the result depends on
    # to each side; 0 where it takes the whole image
    overlap: int = 0

    def feature_layers(self) -> Iterable[nn.Module]:
        """Layers that, one after another from the image on, give the maps of `features`; none by default."""
        return ()

    def features(self, image: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Intermediate maps: the outputs of the `feature_layers` with these numbers, counted from 0, in this order.

        The forward pass stops after the last of them. An activation that works in place also changes the output of the
        layer before it, whatever other layers are asked for. Raises ValueError for a number that there is not.
        """
        modules = list(self.feature_layers())
        if not layers or not all(0 <= number < len(modules) for number in layers):
            raise ValueError(
                f"layers {list(layers)} of {type(self).__name__}: "
                + (f"choose from 0 to {len(modules) - 1}" if modules else "it has no feature_layers")
            )
        outputs = []
        for number, module in enumerate(modules):
            if number > max(layers) and not getattr(module, "inplace", False):
                break
            image = module(image)
            outputs.append(image)
        return [outputs[number] for number in layers]

    def check_size(self, height: int, width: int) -> None:
        """Raises ValueError if the network can't take images of this size, in pixels."""
        if min(height, width) < self.min_size or height % self.multiple_of or width % self.multiple_of:
            raise ValueError(
                f"{type(self).__name__} can't take images of height {height} and width {width}; "
                f"both must be multiples of {self.multiple_of} and at least {self.min_size}"
            )


class LatentGenerator(Generator, ABC):
    """A network from latents to images, in two parts: `map` makes of a latent z the point w that an image is made of by
    `synthesise`. Of many networks w is z.

    Shapes: z (N, latent) and, where it has `classes`, labels int64 (N,) -> (N, out_channels, size, size) in
    `value_range`.
    """

    latent: int  # dimensions of z
    size: int  # pixels, height and width
    classes: int = 0  # 0: it takes no labels
    # Points w between two are on a line; otherwise, as for a normal distribution, on the arc of a sphere
    linear: bool = False

    def map(self, z: Tensor, label: Tensor | None = None, *, truncation: float = 1.0) -> Tensor:
        """The points w (N, ...) of latents. `truncation` is for networks that know the mean of their w; for others the
        latents themselves are truncated.
        """
        return z

    @abstractmethod
    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        """The images of points w."""

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return self.synthesise(self.map(z, label), label)
