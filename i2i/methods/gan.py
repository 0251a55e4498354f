"""Generative adversarial networks of images from noise: what DCGAN, WGAN-GP, BigGAN and StyleGAN2 share.

Goodfellow et al. 2014: Generative Adversarial Nets, algorithm 1, https://arxiv.org/abs/1406.2661.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn

from i2i import registry
from i2i.data.batch import Images
from i2i.losses.adversarial import Logits, mean_by_image, reference_logits
from i2i.losses.orthogonal import orthogonal_penalty
from i2i.losses.penalties import lazy_r1, penalty_terms
from i2i.methods.base import (
    AdversarialFactory,
    Outputs,
    Update,
    adapt_augmentation,
    check_discriminators,
    check_penalty,
)
from i2i.methods.generation import Generation
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.layers import at_least
from i2i.recipe.components import Part
from i2i.recipe.ranges import Blocks, Channels, Classes, Every, Pixels, Steps, Times, Weight

# Constructor parameters that are components, as in `i2i.methods.base`.
LatentFactory = Annotated[
    Callable[..., LatentGenerator], Part(registry.generators, ("size", "out_channels", "classes"), default="dcgan")
]
LatentJudgeFactory = Annotated[
    Callable[..., Discriminator],
    Part(
        registry.discriminators,
        ("in_channels",),
        ("size", "classes", "condition_channels", "value_range"),
        default="dcgan",
    ),
]

_WARM_STEPS, _WARM_EVERY = 25, 500  # steps of the generator


class GAN(Generation):
    """A generator of images from noise and a discriminator, with any adversarial objective.

    `size` is of the images, in pixels. With `classes` both networks get the class of every image. The discriminator
    takes `critic_steps` steps for one of the generator, whose own fakes are drawn anew, with classes of equal
    probability; with `reuse_fakes` it learns from those of the discriminator's last step, which saves their generation.
    `warm_critic_steps` replace `critic_steps` for the first 25 steps of the generator and every 500th (Arjovsky 2017,
    the authors' code, https://github.com/martinarjovsky/WassersteinGAN); 0: never. `r1_weight` (gamma) adds the R1
    penalty (Mescheder et al. 2018, https://arxiv.org/abs/1801.04406) at every `r1_every`-th step, and as many times as
    large; `orthogonal_weight` (beta) adds orthogonal regularisation of the generator; 0 leaves them out.
    `freeze_discriminator` is the number of the discriminator's first blocks, those nearest the image, that keep the
    weights that a run starts from (Freeze-D, Mo et al. 2020, https://arxiv.org/abs/2002.10964).
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
        critic_steps: Times = 1,
        warm_critic_steps: Steps = 0,
        reuse_fakes: bool = False,
        r1_weight: Weight = 0.0,
        r1_every: Every = 1,
        orthogonal_weight: Weight = 0.0,
        freeze_discriminator: Blocks = 0,
    ) -> None:
        super().__init__()
        at_least(1, critic_steps=critic_steps, r1_every=r1_every)
        at_least(0, warm_critic_steps=warm_critic_steps)
        self.size, self.classes = size, classes
        self.generator = generator(size=size, out_channels=channels, classes=classes)
        self.discriminator = discriminator(
            in_channels=channels, size=size, classes=classes, value_range=self.generator.value_range
        )
        if classes and self.discriminator.classes != classes:
            kind = type(self.discriminator).__name__
            raise ValueError(f"method.classes = {classes}: {kind} takes no labels; choose another method.discriminator")
        self.discriminator.check_size(size, size)
        self.adversarial = adversarial()
        if r1_weight and self.adversarial.r1_weight:
            raise ValueError("method.r1_weight and method.adversarial.r1_weight are one penalty; set one of them to 0")
        self.discriminator.freeze(freeze_discriminator)
        check_discriminators(self.adversarial, self.discriminator)
        check_penalty("method.r1_weight", r1_weight, self.discriminator)
        self.critic_steps = critic_steps  # n_critic
        self.warm_critic_steps = warm_critic_steps
        self.reuse_fakes = reuse_fakes
        self.r1_weight = r1_weight  # gamma
        self.r1_every = r1_every
        self.orthogonal_weight = orthogonal_weight  # beta

    def players(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def products(self) -> Mapping[str, LatentGenerator]:
        return {"generator": self.generator}

    def training_step(self, batch: Images, update: Update) -> None:
        real, label = batch
        judge = partial(self.judge, label=label)
        trains_generator = is_generator_step(update.step, self.critic_steps, self.warm_critic_steps)
        with torch.set_grad_enabled(trains_generator and self.reuse_fakes):
            fake = self.generator(self.draw_latents(label), self.label_or_none(label))

        real_logits, fake_logits = judge(real), judge(fake.detach())
        terms = self.adversarial.discriminator(real_logits, fake_logits)
        terms |= penalty_terms(self.adversarial, judge, real, fake, step=update.step)
        terms |= lazy_r1(judge, real, weight=self.r1_weight, every=self.r1_every, step=update.step)
        update("discriminator", **terms)
        self.adversarial.constrain(self.discriminator)
        adapt_augmentation(self.discriminator.augmentation, self.adversarial, real_logits, update)

        if trains_generator:
            if not self.reuse_fakes:
                fake_label = torch.randint(self.classes, label.shape, device=label.device) if self.classes else label
                fake = self.generator(self.draw_latents(label), self.label_or_none(fake_label))
            else:
                fake_label = label
            real_logits = reference_logits(self.adversarial, judge, real)
            terms = {"gan": self.adversarial.generator(self.judge(fake, fake_label), real_logits)}
            if self.orthogonal_weight:
                # Halved: the authors' code adds 2 beta (W W^T * (1 - I)) W to the gradient, half of equation 3's.
                terms["orthogonal"] = 0.5 * self.orthogonal_weight * orthogonal_penalty(self.generator)
            update("generator", **terms)

    def draw_latents(self, label: Tensor) -> Tensor:
        """Latents (N, latent), one for each label, from torch's random numbers."""
        return torch.randn(len(label), self.generator.latent, device=label.device)

    def judge(self, image: Tensor, label: Tensor) -> Logits:
        """Logits of images, for their labels where there are classes."""
        return self.discriminator(image, label) if self.classes else self.discriminator(image)

    def outputs(self, held_out: Sequence[Images], products: Mapping[str, nn.Module]) -> dict[str, Outputs]:
        ((name, outputs),) = super().outputs(held_out, products).items()
        label = torch.cat([label for _, label in held_out])
        fake_logits, real_logits = (mean_by_image(self.judge(torch.cat(images), label)) for images in outputs[:2])
        return {name: outputs._replace(fake_logits=fake_logits, real_logits=real_logits)}


def is_generator_step(step: int, critic_steps: int, warm_critic_steps: int = 0) -> bool:
    """True for a step, counted from 0, at whose end the generator is trained as well; see `GAN`."""
    if not warm_critic_steps:
        return (step + 1) % critic_steps == 0
    done = step + 1
    if done <= _WARM_STEPS * warm_critic_steps:
        return done % warm_critic_steps == 0
    done -= _WARM_STEPS * warm_critic_steps
    until_next = (_WARM_EVERY - _WARM_STEPS) * critic_steps
    if done <= until_next:
        return done % critic_steps == 0
    # Then periods of one generator step after the many, and of all others up to the next of that kind
    done = (done - until_next - 1) % (warm_critic_steps + (_WARM_EVERY - 1) * critic_steps) + 1
    return done == warm_critic_steps or (done > warm_critic_steps and (done - warm_critic_steps) % critic_steps == 0)
