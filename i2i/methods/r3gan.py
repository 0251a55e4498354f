"""R3GAN: Huang, Gokaslan, Kuleshov, Tompkin, "The GAN is dead; long live the GAN! A Modern GAN Baseline", 2024.
https://arxiv.org/abs/2501.05441
"""

from functools import partial
from typing import Literal

import torch

from i2i.data.batch import Images
from i2i.losses.adversarial import reference_logits
from i2i.losses.annealing import annealed
from i2i.losses.penalties import penalty_terms, squared_slope
from i2i.methods.base import AdversarialFactory, Update, adapt_augmentation, check_penalty
from i2i.methods.gan import GAN, LatentFactory, LatentJudgeFactory
from i2i.networks.augmentation.ada import AugmentationOfProbability
from i2i.recipe.ranges import Blocks, Channels, Classes, Pixels, Probability, Weight
from i2i.registry import methods


@methods.register("r3gan")
class R3GAN(GAN):
    """R3GAN (Huang 2024): images from noise by paired relativistic logits with R1 and R2, and no tricks besides.

    Both penalties are taken at every step. Their weight moves from `gamma` to `last_gamma` along half a cosine over the
    run; so do, in its recipe, the learning rate, Adam's second decay and the half-life of the moving average. As in the
    authors' code each player has real images of its own: the discriminator the first half of a batch, the generator
    the second (of one image, both that one), and as many fakes. `augment` "ada" augments what the discriminator sees
    by ADA's transforms, with a probability that moves from 0 to `last_augment` in the same way.
    `freeze_discriminator` is as in `GAN`.
    """

    def __init__(
        self,
        *,
        generator: LatentFactory,
        discriminator: LatentJudgeFactory,
        adversarial: AdversarialFactory,
        size: Pixels = 64,
        channels: Channels = 3,
        classes: Classes = 0,
        gamma: Weight = 2.0,
        last_gamma: Weight = 0.2,
        augment: Literal["none", "ada"] = "none",
        last_augment: Probability = 0.3,
        freeze_discriminator: Blocks = 0,
    ) -> None:
        super().__init__(
            generator=generator,
            discriminator=discriminator,
            adversarial=adversarial,
            size=size,
            channels=channels,
            classes=classes,
            freeze_discriminator=freeze_discriminator,
        )
        check_penalty("method.gamma", max(gamma, last_gamma), self.discriminator)
        if max(gamma, last_gamma) and (self.adversarial.r1_weight or self.adversarial.r2_weight):
            raise ValueError(
                "method.gamma is the weight of R1 and R2, as are r1_weight and r2_weight of method.adversarial; set "
                "these to 0"
            )
        self.gamma, self.last_gamma = gamma, last_gamma
        self.last_augment = last_augment
        if augment == "ada":
            if self.discriminator.augmentation is not None:
                raise ValueError(
                    "method.augment and method.discriminator.augment both augment; set one of them to none"
                )
            self.discriminator.augmentation = AugmentationOfProbability(value_range=self.generator.value_range)

    def training_step(self, batch: Images, update: Update) -> None:
        if isinstance(augmentation := self.discriminator.augmentation, AugmentationOfProbability):
            augmentation.probability.fill_(annealed(0.0, self.last_augment, update.progress))
        half = (len(batch.image) + 1) // 2
        self._train_discriminator(Images(*(field[:half] for field in batch)), update)
        self._train_generator(Images(*(field[half:] if half < len(field) else field for field in batch)), update)

    def _train_discriminator(self, batch: Images, update: Update) -> None:
        real, label = batch
        with torch.no_grad():
            fake = self.generator(self.draw_latents(label), self.label_or_none(label))
        real, fake = (image.detach().requires_grad_() for image in (real, fake))
        real_logits, fake_logits = self.judge(real, label), self.judge(fake, label)
        gamma = annealed(self.gamma, self.last_gamma, update.progress)
        terms = self.adversarial.discriminator(real_logits, fake_logits)
        if gamma:
            terms["r1"] = 0.5 * gamma * squared_slope(real_logits, real)
            terms["r2"] = 0.5 * gamma * squared_slope(fake_logits, fake)
        terms |= penalty_terms(self.adversarial, partial(self.judge, label=label), real, fake, step=update.step)
        update("discriminator", **terms)
        self.adversarial.constrain(self.discriminator)
        adapt_augmentation(self.discriminator.augmentation, self.adversarial, real_logits, update)

    def _train_generator(self, batch: Images, update: Update) -> None:
        real, label = batch
        judge = partial(self.judge, label=label)
        fake = self.generator(self.draw_latents(label), self.label_or_none(label))
        real_logits = reference_logits(self.adversarial, judge, real)
        update("generator", gan=self.adversarial.generator(judge(fake), real_logits))
