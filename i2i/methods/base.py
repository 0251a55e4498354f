"""What a training method is: one paper, its networks, its losses, and one step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from i2i import registry
from i2i.data.batch import Images
from i2i.losses.adversarial import Adversarial, Judge
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.generators.base import Generator, ImageGenerator, LatentGenerator
from i2i.networks.layers import TestTime
from i2i.recipe.components import Part

# Constructor parameters that are components; the method supplies the channels, the recipe everything else.
GeneratorFactory = Annotated[Callable[..., ImageGenerator], Part(registry.generators, ("in_channels", "out_channels"))]
DiscriminatorFactory = Annotated[Callable[..., Discriminator], Part(registry.discriminators, ("in_channels",))]
AdversarialFactory = Annotated[Callable[[], Adversarial], Part(registry.adversarial)]


def require_same_size(generator: ImageGenerator) -> None:
    """Raises ValueError for a generator that enlarges: a translation is as large as its source."""
    if generator.scale != 1:
        name = type(generator).__name__
        raise ValueError(f"method.generator: {name} enlarges {generator.scale} times; a translation needs scale 1")


class Update(Protocol):
    """What the trainer lends a method for one step."""

    step: int  # steps done so far

    def __call__(self, player: str, **terms: Tensor) -> None:
        """One optimiser step for `player` on the sum of `terms`; each term is logged under its name."""

    def accumulate(self, player: str, **terms: Tensor) -> None:
        """Back-propagate `terms` now and free their graph; the optimiser waits for the call. Same gradients, less
        memory.
        """

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all processes that train together; all of them have to ask."""


class Made(NamedTuple):
    """What a product makes, beside real images of that kind; each image (1, C, H, W) in the networks' range."""

    fake: list[Tensor]
    real: list[Tensor]
    # The discriminator's mean logit for each image; empty where there is none
    fake_logits: Tensor
    real_logits: Tensor
    kinds: Sequence[int] = ()  # the class of each, of both alike; empty where there are none


def judged(judge: Judge, images: Iterable[Tensor]) -> Tensor:
    """The mean logit for each image."""
    return torch.stack([judge(image).float().mean() for image in images])


class Method(nn.Module, ABC):
    """One paper. What must survive a resume is a parameter, a buffer or extra state; nothing a step computes is kept on
    self.
    """

    batch: ClassVar[type[NamedTuple]]
    test_time: TestTime = "eval"  # how the products run after training, see `i2i.networks.layers.set_test_time`

    @abstractmethod
    def players(self) -> Mapping[str, nn.Module]:
        """What each optimiser owns."""

    @abstractmethod
    def products(self) -> Mapping[str, Generator]:
        """Generators to average, sample, translate with and export; the first is the one meant where none is named."""

    @property
    def value_range(self) -> tuple[float, float]:
        """The range in which the networks want their images."""
        return next(iter(self.products().values())).value_range

    @abstractmethod
    def training_step(self, batch: Any, update: Update) -> None:
        """One step as in the paper's algorithm box."""

    @abstractmethod
    def check_size(self, *sizes: tuple[int, int]) -> None:
        """Raise ValueError where the networks cannot train on images of these (height, width), one for each field of
        the batch that is an image.
        """

    @abstractmethod
    def preview(self, held_out: Sequence[Any], products: Mapping[str, nn.Module]) -> list[dict[str, Tensor]]:
        """Rows of a sample sheet: of each the columns, name -> image (1, C, H, W) in the networks' range.

        `held_out` are batches of one image each.
        """

    @abstractmethod
    def score(self, held_out: Sequence[Any], products: Mapping[str, nn.Module]) -> Tensor:
        """How far off the products are on the held-out batches, as one number, lower is better; it says which
        checkpoint is the best.
        """

    def observed(self) -> Mapping[str, Tensor]:
        """Numbers that are no loss but worth a column of the log, by name."""
        return {}

    @abstractmethod
    def made(self, held_out: Sequence[Any], products: Mapping[str, nn.Module]) -> dict[str, Made]:
        """What each product makes of the held-out batches; the method is in evaluation mode."""


class Translation(Method):
    """A method whose products make images from images."""

    @abstractmethod
    def products(self) -> Mapping[str, ImageGenerator]: ...

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each image of a sample, in the order of the batch's fields."""
        return self._main_product.in_channels, self._main_product.out_channels

    @property
    def scale(self) -> int:
        """How many times as large as its source a target is."""
        return self._main_product.scale

    @property
    def _main_product(self) -> ImageGenerator:
        return next(iter(self.products().values()))


class Generation(Method):
    """A method whose product makes images from noise. Its images are of one square `size` in pixels, and of `classes`
    classes that the networks are told; 0 for none.
    """

    batch = Images
    size: int
    classes: int

    @abstractmethod
    def products(self) -> Mapping[str, LatentGenerator]: ...

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return next(iter(self.products().values())).out_channels
