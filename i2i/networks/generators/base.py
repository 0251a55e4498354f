"""The contract of generators, of images from images and of images from noise."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any, ClassVar

from torch import Tensor, nn

from i2i.networks.product import Product


class Generator(Product):
    """A network that generates images (N, out_channels, H, W) in `value_range`; a subclass sets the attributes that
    differ from the defaults below.
    """

    kind: ClassVar[str] = "generator"
    out_channels: int
    # In training mode a batch of two gives what two batches of one give (dropout aside), so calls may be batched.
    batch_independent: bool = True


class ImageGenerator(Generator):
    """A generator of images from images.

    Shapes: (N, in_channels, H, W) in `value_range` -> (N, out_channels, scale * H, scale * W) in `value_range`.
    H and W must be multiples of `multiple_of` and at least `min_size`, in pixels; `check_size` says so in a sentence.
    """

    in_channels: int
    scale: int = 1
    multiple_of: int = 1
    min_size: int = 1
    # Pixels of the image by which tiles overlap to give the result of the whole image: twice the radius of the
    # receptive field; 0 where the network needs the whole image.
    overlap: int = 0
    # The same once `freeze_norms` has frozen its norms; 0 where it needs the whole image even then, or it is not known.
    frozen_overlap: int = 0
    # Pixels of which the beginnings of tiles are a multiple; 0: of `multiple_of`.
    tile_step: int = 0
    # Whether it is used in the memory layout channels-last, which most networks are faster in.
    channels_last: bool = True
    # Classes of the label maps that it takes, as class indices 0..255 in one channel; 0 where it takes images.
    label_classes: int = 0
    # These are instance maps, `class * 1000 + instance` in 16 bits (`i2i.label_maps`).
    instance_maps: bool = False
    # Weights that are published for it restore or enlarge images: of a grey one they make a grey one.
    keeps_grey: bool = False

    def feature_layers(self) -> Iterable[nn.Module]:
        """Layers, applied one after another to the image, whose outputs are the `features`; none by default."""
        return ()

    def features(self, image: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Intermediate maps: the outputs of the `feature_layers` with these numbers, counted from 0, in this order.

        The forward pass stops after the last of them. An activation that works in place also changes the output of the
        layer before it, whichever other layers are returned. Raises ValueError for an unknown number.
        """
        outputs: dict[int, Tensor] = {}
        for number, module in enumerate(self._feature_modules(layers)):
            if number > max(layers) and not getattr(module, "inplace", False):
                break
            image = module(image)
            if number in layers:
                outputs[number] = image
        return [outputs[number] for number in layers]

    def forward_with_features(self, image: Tensor, layers: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        """The result for an image, and the `features` at these layers, in one forward pass."""
        modules, outputs = self._feature_modules(layers), dict[nn.Module, Tensor]()

        def keep(module: nn.Module, _: Any, output: Tensor) -> None:
            outputs[module] = output

        hooks = [modules[number].register_forward_hook(keep) for number in set(layers)]
        try:
            result = self.forward(image)  # a compiled call would not see the hooks
        finally:
            for hook in hooks:
                hook.remove()
        return result, [outputs[modules[number]] for number in layers]

    def feature_channels(self, layers: Sequence[int]) -> list[int]:
        """Channels of the `features` at these layers, from a pass without values."""
        size = math.ceil(self.min_size / self.multiple_of) * self.multiple_of
        network = deepcopy(self).to("meta")
        image = next(network.parameters()).new_empty(1, self.in_channels, size, size)
        return [each.shape[1] for each in network.features(image, layers)]

    def _feature_modules(self, layers: Sequence[int]) -> list[nn.Module]:
        modules = list(self.feature_layers())
        if not layers or not all(0 <= number < len(modules) for number in layers):
            raise ValueError(
                f"layers {list(layers)} of {type(self).__name__}: "
                + (f"choose from 0 to {len(modules) - 1}" if modules else "it has no feature_layers")
            )
        return modules

    def check_size(self, height: int, width: int) -> None:
        """Raises ValueError for a height and width, in pixels, that the network does not take."""
        if min(height, width) < self.min_size or height % self.multiple_of or width % self.multiple_of:
            raise ValueError(
                f"{type(self).__name__} can't take images of height {height} and width {width}; "
                f"both must be multiples of {self.multiple_of} and at least {self.min_size}"
            )


class LatentGenerator(Generator, ABC):
    """A generator of images from noise, in two parts: a mapping from latents z to points w of an intermediate latent
    space, and a synthesis of images from w. In many networks w is z.

    Shapes: z (N, latent) and, with `classes`, labels int64 (N,) -> (N, out_channels, size, size) in `value_range`.
    """

    latent: int  # dimensions of z
    size: int  # pixels, height and width
    classes: int = 0  # 0: it takes no labels
    # Interpolation between points w is linear; otherwise spherical, as suits normally distributed latents.
    linear: bool = False

    def map(self, z: Tensor, label: Tensor | None = None, *, truncation: float = 1.0) -> Tensor:
        """Map latents to points w (N, ...). `truncation` is for networks that know the mean of their w; for others the
        latents themselves are truncated.
        """
        return z

    @abstractmethod
    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        """Generate images from points w: (N, D), or (N, layers, D) where every layer has a point of its own."""

    def noise_maps(self) -> dict[str, Tensor]:
        """The constant noise (1, 1, S, S) that `synthesise` adds in eval mode, by the name of its buffer; none by
        default.
        """
        return {}

    def latent_weights(self) -> list[Tensor]:
        """Weights (outputs, D) of the layers that take w first, one for each of the layers that have a point of their
        own, else one; none, as by default, where directions cannot be factorised from them.
        """
        return []

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return self.synthesise(self.map(z, label), label)
