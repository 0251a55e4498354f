"""The contract of a training method: one paper with its networks, its losses and one training step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from i2i import registry
from i2i.label_maps import IGNORE
from i2i.losses.adversarial import Adversarial, Logits, mean_by_image
from i2i.networks.augmentation.ada import AdaptiveAugmentation
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import TestTime
from i2i.networks.product import Product
from i2i.networks.segmenters.base import Segmenter
from i2i.networks.value_range import ValueRange
from i2i.recipe.components import Part, options_of

# Constructor parameters that are components; the method supplies the channels, the recipe everything else.
GeneratorFactory = Annotated[
    Callable[..., ImageGenerator], Part(registry.generators, ("in_channels", "out_channels"), default="resnet")
]
DiscriminatorFactory = Annotated[
    Callable[..., Discriminator],
    Part(registry.discriminators, ("in_channels",), ("condition_channels", "value_range"), default="patchgan"),
]
SegmenterFactory = Annotated[
    Callable[..., Segmenter], Part(registry.segmenters, ("in_channels", "classes"), default="unet")
]
AdversarialFactory = Annotated[Callable[[], Adversarial], Part(registry.adversarial, default="lsgan")]

Network = TypeVar("Network", bound=nn.Module)


class Update(Protocol):
    """The optimisers of all players; the trainer passes one to every training step."""

    step: int  # training steps done so far
    progress: float  # share of the run that is done

    def __call__(self, player: str, **terms: Tensor) -> None:
        """Back-propagate the sum of `terms`, take one optimiser step for `player`, and log each term by its name."""

    def accumulate(self, player: str, **terms: Tensor) -> None:
        """Back-propagate the sum of `terms` and free its graph; the gradients are added to those of the next update,
        which must be for `player`.
        """

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        """Sum of a tensor over all ranks: a collective, called by every rank."""


class Outputs(NamedTuple):
    """A product's images of held-out samples, and real images of that kind; each (1, C, H, W) in the networks' value
    range.
    """

    fake: list[Tensor]
    real: list[Tensor]
    # Mean logit of the discriminator for each image; empty where there is no discriminator
    fake_logits: Tensor = torch.empty(0)
    real_logits: Tensor = torch.empty(0)
    labels: Sequence[int] = ()  # class of each image, the same for fake and real; empty where there are no classes


class Method(nn.Module, ABC):
    """One paper: its networks, its losses and one training step.

    A method derives from `Translation`, `Generation` or `SemanticSegmentation`. It has to write four members: `batch`,
    `players`, `products` and `training_step`; the other ones have defaults there. What must survive a resume is a
    parameter, a buffer or extra state; nothing that a step computes is kept on self.
    """

    batch: ClassVar[type[NamedTuple]]
    default_recipe: ClassVar[Mapping[str, Any]] = {}  # sections that `i2i train` starts from without a recipe file
    needs_labels: ClassVar[Collection[str]] = ()  # fields of images that have to have label maps
    test_time: TestTime = "eval"  # how the products run after training, see `i2i.networks.layers.set_test_time`

    @abstractmethod
    def players(self) -> Mapping[str, nn.Module]:
        """Networks by the optimiser that owns them."""

    @abstractmethod
    def products(self) -> Mapping[str, Product]:
        """Generators, or segmenters, to average, use and export; the first is meant where none is named."""

    @abstractmethod
    def training_step(self, batch: Any, update: Update) -> None:
        """One step of the paper's algorithm."""

    @abstractmethod
    def check_size(self, *sizes: tuple[int, int]) -> None:
        """Raise ValueError where the networks cannot train on images of these (height, width), one for each image field
        of the batch.
        """

    @abstractmethod
    def preview(self, held_out: Sequence[Any], products: Mapping[str, nn.Module]) -> list[dict[str, Tensor]]:
        """Rows of a sample sheet: column title -> image (1, C, H, W) in the networks' value range. `held_out` are
        batches of one sample each.
        """

    @abstractmethod
    def outputs(self, held_out: Sequence[Any], products: Mapping[str, nn.Module]) -> dict[str, Outputs]:
        """Outputs of each product on held-out batches of one sample; the method is in evaluation mode."""

    def score(self, held_out: Sequence[Any], products: Mapping[str, nn.Module]) -> Tensor | None:
        """Error of the products on held-out batches as one number, lower is better: the checkpoint with the lowest is
        the best. With None the latest is the best.
        """
        return None

    def resting(self, step: int) -> Collection[str]:
        """Players that the training step after `step` steps does not update, as of a method that trains some of them
        first; a run warns of others without an update.
        """
        return ()

    def observed(self) -> Mapping[str, Tensor]:
        """Numbers to log beside the losses, by name; by default the probabilities of adaptive augmentations."""
        return {
            f"{name}.probability": module.probability
            for name, module in self.named_modules()
            if isinstance(module, AdaptiveAugmentation)
        }

    @property
    def value_range(self) -> ValueRange:
        """Value range of the networks' images."""
        return ValueRange(*next(iter(self.products().values())).value_range)

    def networks(self, kind: type[Network]) -> list[Network]:
        """Networks of one kind among the players, such as all discriminators; not those inside another of the kind."""
        return [network for player in self.players().values() for network in _outermost(player, kind)]


def scaled(factor: float, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Loss terms times a factor."""
    return {name: factor * term for name, term in terms.items()}


def check_discriminators(objective: Adversarial, *discriminators: Discriminator) -> None:
    """Raises ValueError for a discriminator with batch norm where the objective has a penalty on its gradient, and for
    adaptive augmentation where the objective's logits do not say how sure the discriminator is.
    """
    check_penalty("method.adversarial.penalty_weight", objective.penalty_weight, *discriminators)
    check_penalty("method.adversarial.r1_weight", objective.r1_weight, *discriminators)
    check_penalty("method.adversarial.r2_weight", objective.r2_weight, *discriminators)
    is_adaptive = any(isinstance(each.augmentation, AdaptiveAugmentation) for each in discriminators)
    if is_adaptive and objective.undecided is None:
        raise ValueError(
            f"method.discriminator.augment = ada needs an objective with a known logit between real and fake, which "
            f"{type(objective).__name__} has not; set method.discriminator.augment=diffaugment, or choose "
            "method.adversarial from: vanilla, lsgan, hinge"
        )


def adapt_augmentation(
    augmentation: nn.Module | None, objective: Adversarial, real_logits: Logits, update: Update
) -> None:
    """Adapt a discriminator's augmentation to the logits of real images of its update, where that is adaptive (ADA);
    a collective over ranks. To be called once for each update of a discriminator.
    """
    if isinstance(augmentation, AdaptiveAugmentation):
        undecided = objective.undecided or 0.0
        scales = real_logits if isinstance(real_logits, tuple) else (real_logits,)
        signs = mean_by_image(tuple((each.detach() - undecided).sign() for each in scales))
        augmentation.observe(signs)
        augmentation.adjust(update, len(signs))


def check_penalty(option: str, weight: float, *discriminators: Discriminator) -> None:
    """Raises ValueError for a discriminator with batch norm where `option` gives a gradient penalty this weight: the
    penalty would be on the gradient of a whole batch, not of one image.
    """
    for discriminator in discriminators if weight else ():
        if any(isinstance(layer, _BatchNorm) for layer in discriminator.modules()):
            kind: Any = type(discriminator)
            has_norm = "norm" in options_of(kind)
            remedy = "set method.discriminator.norm=instance" if has_norm else "choose another method.discriminator"
            raise ValueError(
                f"{option} = {weight:g}: a gradient penalty is on one image's own gradient, but {kind.__name__} has "
                f"batch norm, which mixes the images of a batch; {remedy}"
            )


def check_classes(classes: int) -> None:
    """Raises ValueError for a number of classes of pixels that label maps cannot have; 0 says that none were read."""
    if not 2 <= classes <= IGNORE:
        found = "is refused" if classes else "is not known: no label maps have been read"
        raise ValueError(f"method.classes = {classes} {found}; allowed: 2 to {IGNORE}")


def mean_logits(logits: Iterable[Logits]) -> Tensor:
    """Mean logit of each image (N,), from the logits of one image after another; empty (0,) where there are none."""
    means = [mean_by_image(each) for each in logits if each is not None]
    return torch.cat(means) if means else torch.empty(0)


def _outermost(module: nn.Module, kind: type[Network]) -> Iterator[Network]:
    if isinstance(module, kind):
        yield module
        return
    for child in module.children():
        yield from _outermost(child, kind)
