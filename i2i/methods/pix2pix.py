"""Pix2Pix: Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks", 2017.
https://arxiv.org/abs/1611.07004
"""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.data.batch import Pair
from i2i.losses.adversarial import Logits, reference_logits
from i2i.losses.feature_matching import feature_matching
from i2i.losses.penalties import penalty_terms
from i2i.methods.base import (
    AdversarialFactory,
    DiscriminatorFactory,
    GeneratorFactory,
    Update,
    adapt_augmentation,
    check_discriminators,
    scaled,
)
from i2i.methods.translation import Translation, require_same_size
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.one_hot import OneHotGenerator
from i2i.networks.layers import TestTime
from i2i.recipe.ranges import Channels, Classes, Weight
from i2i.registry import methods


@methods.register("pix2pix")
class Pix2Pix(Translation):
    """Pix2Pix (Isola 2017): paired translation with a conditional GAN and an L1 loss.

    `conditional`: the discriminator sees the source beside the target (section 3.1). `test_time` "published" keeps
    dropout on and takes batch norm's statistics from the image at hand when the generator is used (section 3.4).
    `feature_matching_weight` adds the distance of fake and target in the discriminator's features (pix2pixHD, Wang
    2018, equation 3, https://arxiv.org/abs/1711.11585: 10, with the discriminator `multiscale`); 0 leaves it out.
    With `classes`, sources are label maps of so many classes, and 0 is as many as they show; both networks see them
    one-hot encoded, as in pix2pixHD, and `source_channels` does not count. With `instance_edges` sources are instance
    maps, `class * 1000 + instance` as in Cityscapes, and both networks see the edges of instances, too (section 3.3).
    """

    batch = Pair

    def __init__(
        self,
        *,
        generator: GeneratorFactory,
        discriminator: DiscriminatorFactory,
        adversarial: AdversarialFactory,
        source_channels: Channels = 3,
        target_channels: Channels = 3,
        l1_weight: Weight = 100.0,
        feature_matching_weight: Weight = 0.0,
        conditional: bool = True,
        test_time: TestTime = "published",
        classes: Classes | None = None,
        instance_edges: bool = False,
    ) -> None:
        super().__init__()
        if instance_edges and classes is None:
            raise ValueError("method.instance_edges: sources are label maps then; set method.classes, 0 to count them")
        if classes is None:
            self.generator = generator(in_channels=source_channels, out_channels=target_channels)
        else:
            self.generator = OneHotGenerator(
                generator=generator, classes=classes, instance_edges=instance_edges, out_channels=target_channels
            )
            source_channels = self.generator.encoded_channels
        require_same_size(self.generator)
        condition_channels = source_channels if conditional else 0
        self.discriminator = discriminator(
            in_channels=condition_channels + target_channels,
            condition_channels=condition_channels,
            value_range=self.generator.value_range,
        )
        self.adversarial = adversarial()
        check_discriminators(self.adversarial, self.discriminator)
        if feature_matching_weight and not self.discriminator.has_features:
            name = type(self.discriminator).__name__
            raise ValueError(
                f"method.feature_matching_weight: {name} gives no features; choose method.discriminator from: "
                "patchgan, multiscale"
            )
        self.l1_weight = l1_weight  # lambda
        self.feature_matching_weight = feature_matching_weight  # lambda of pix2pixHD
        self.conditional = conditional
        self.test_time = test_time

    def players(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def products(self) -> Mapping[str, ImageGenerator]:
        return {"source_to_target": self.generator}

    def training_step(self, batch: Pair, update: Update) -> None:
        source, target = batch
        judge = partial(self.judge, source)
        fake = self.generator(source)

        # Fakes first, as published: the running statistics of batch norm depend on it.
        fake_logits, real_logits = judge(fake.detach()), judge(target)
        terms = self.adversarial.discriminator(real_logits, fake_logits)
        terms |= penalty_terms(self.adversarial, judge, target, fake, step=update.step)
        # Halved to slow the discriminator down (section 3.3).
        update("discriminator", **scaled(0.5, terms))
        self.adversarial.constrain(self.discriminator)
        adapt_augmentation(self.discriminator.augmentation, self.adversarial, real_logits, update)

        real_logits = reference_logits(self.adversarial, judge, target)
        update(
            "generator",
            gan=self.adversarial.generator(judge(fake), real_logits),
            l1=self.l1_weight * F.l1_loss(fake, target),
            **self._match_features(source, fake, target),
        )

    def judge(self, source: Tensor, image: Tensor) -> Logits:
        """Logits of real or fake targets, seen beside their source where the discriminator is conditional."""
        return self.discriminator(self._with_condition(source, image))

    def _with_condition(self, source: Tensor, image: Tensor) -> Tensor:
        if isinstance(self.generator, OneHotGenerator):
            source = self.generator.encode(source)
        return torch.cat([source, image], dim=1) if self.conditional else image

    def _match_features(self, source: Tensor, fake: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Weighted feature matching as a loss term of the generator, where it has a weight."""
        if not self.feature_matching_weight:
            return {}
        inputs = (self._with_condition(source, image) for image in (fake, target))
        fakes, reals = self.discriminator.matched_features(*inputs)
        distance = feature_matching(fakes, reals, scales=self.discriminator.scales)
        return {"features": self.feature_matching_weight * distance}

    def logits(self, product: str, source: Tensor, image: Tensor) -> Logits:
        return self.judge(source, image)

    def preview(self, held_out: Sequence[Pair], products: Mapping[str, nn.Module]) -> list[dict[str, Tensor]]:
        """As of any translation; label maps are shown in even steps of grey."""
        rows = super().preview(held_out, products)
        if isinstance(self.generator, OneHotGenerator):
            for row in rows:
                row["source"] = self.generator.grey(row["source"])
        return rows
