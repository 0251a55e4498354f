"""Options of augmentation that the table of every discriminator has, whatever class it names."""

from collections.abc import Callable
from typing import Literal

from i2i.networks.augmentation.ada import FULL_RANGE, AdaptiveAugmentation
from i2i.networks.augmentation.diffaugment import DiffAugment, Policy
from i2i.networks.discriminators.base import Discriminator
from i2i.recipe.ranges import ChannelsOrNone, ImagesSeen, Probability

_POLICY: list[Policy] = ["color", "translation", "cutout"]


def augmented(
    *,
    augment: Literal["none", "diffaugment", "ada"] = "none",
    augment_policy: list[Policy] = _POLICY,
    augment_target: Probability = 0.6,
    augment_images: ImagesSeen = FULL_RANGE,
    condition_channels: ChannelsOrNone = 0,
    value_range: tuple[float, float] = (-1.0, 1.0),
) -> Callable[[Discriminator], None]:
    """Augmentation of what a discriminator sees in training, real or fake: `augment` keeps it from learning a small
    data set by heart, and the generator learns through it.

    "diffaugment" (Zhao 2020, https://arxiv.org/abs/2006.10738) changes every image in the ways of `augment_policy`.
    "ada" (Karras 2020, https://arxiv.org/abs/2006.06676) changes images with a probability that starts at 0 and follows
    the overfitting, the mean sign of the logits of real images, so that this stays at `augment_target`; it rises to 1
    in `augment_images` images at the earliest. A condition that the discriminator sees beside the image is moved and
    cut as the image, but keeps its colours.
    """

    def add_augmentation(discriminator: Discriminator) -> None:
        if augment == "diffaugment":
            discriminator.augmentation = DiffAugment(
                augment_policy, condition_channels=condition_channels, value_range=value_range
            )
        elif augment == "ada":
            discriminator.augmentation = AdaptiveAugmentation(
                target=augment_target,
                full_range=augment_images,
                condition_channels=condition_channels,
                value_range=value_range,
            )

    return add_augmentation
