"""Generators of images from noise, trained against a discriminator by any objective.

Goodfellow et al. 2014: Generative Adversarial Nets, algorithm 1, https://arxiv.org/abs/1406.2661. With the networks and
numbers of their recipes it is DCGAN (Radford, Metz, Chintala 2016, https://arxiv.org/abs/1511.06434), WGAN-GP
(Gulrajani et al. 2017, algorithm 1, https://arxiv.org/abs/1704.00028) and BigGAN at small size (Brock, Donahue,
Simonyan 2019, https://arxiv.org/abs/1809.11096).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from i2i import registry
from i2i.data.batch import Images
from i2i.losses.adversarial import Judge
from i2i.losses.orthogonal import orthogonality
from i2i.losses.penalties import r1_penalty
from i2i.methods.base import AdversarialFactory, Outputs, Update, mean_logits
from i2i.methods.generation import Generation
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.layers import at_least
from i2i.recipe.components import Part
from i2i.registry import methods

# Constructor parameters that are components, as in `i2i.methods.base`.
LatentFactory = Annotated[
    Callable[..., LatentGenerator], Part(registry.generators, ("size", "out_channels", "classes"), default="dcgan")
]
LatentJudgeFactory = Annotated[
    Callable[..., Discriminator], Part(registry.discriminators, ("in_channels",), ("size", "classes"), default="dcgan")
]


@methods.register("dcgan")
@methods.register("wgan-gp")
@methods.register("biggan")
class GAN(Generation):
    """A generator and a discriminator that play against each other.

    `size` is of the images, in pixels. With `classes` both are told the class of every image. The discriminator takes
    `critic_steps` steps for one of the generator, which learns from the fakes that the last of them saw. `r1_weight`
    (gamma) adds the R1 penalty (Mescheder et al. 2018, https://arxiv.org/abs/1801.04406), at every `r1_every`-th step
    and as many times as large, and `orthogonal_weight` orthogonal regularisation of the generator; 0 leaves them out.
    """

    def __init__(
        self,
        *,
        generator: LatentFactory,
        discriminator: LatentJudgeFactory,
        adversarial: AdversarialFactory,
        size: int = 64,
        channels: int = 3,
        classes: int = 0,
        critic_steps: int = 1,
        r1_weight: float = 0.0,
        r1_every: int = 1,
        orthogonal_weight: float = 0.0,
    ) -> None:
        super().__init__()
        at_least(1, critic_steps=critic_steps, r1_every=r1_every)
        self.size, self.classes = size, classes
        self.generator = generator(size=size, out_channels=channels, classes=classes)
        self.discriminator = discriminator(in_channels=channels, size=size, classes=classes)
        if classes and self.discriminator.classes != classes:
            kind = type(self.discriminator).__name__
            raise ValueError(f"method.classes = {classes}: {kind} takes no labels; choose another method.discriminator")
        self.discriminator.check_size(size, size)
        self.adversarial = adversarial()
        self.critic_steps = critic_steps  # n_critic
        self.r1_weight = r1_weight  # gamma
        self.r1_every = r1_every
        self.orthogonal_weight = orthogonal_weight

    def players(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def products(self) -> Mapping[str, LatentGenerator]:
        return {"generator": self.generator}

    def training_step(self, batch: Images, update: Update) -> None:
        real, label = batch
        judge = self.judge_of(label)
        plays = (update.step + 1) % self.critic_steps == 0
        with torch.set_grad_enabled(plays):
            fake = self.generator(self.draw(label), self.label_or_none(label))
        terms = self.adversarial.discriminator(judge, real=real, fake=fake.detach())
        if self.r1_weight and update.step % self.r1_every == 0:
            terms["r1"] = 0.5 * self.r1_weight * self.r1_every * r1_penalty(judge, real)
        update("discriminator", **terms)
        self.adversarial.constrain(self.discriminator)
        if plays:
            terms = {"gan": self.adversarial.generator(judge, fake, real)}
            if self.orthogonal_weight:
                terms["orthogonal"] = self.orthogonal_weight * orthogonality(self.generator)
            update("generator", **terms)

    def draw(self, label: Tensor) -> Tensor:
        """Latents for as many images as there are labels, from torch's own random numbers."""
        return torch.randn(len(label), self.generator.latent, device=label.device)

    def judge_of(self, label: Tensor) -> Judge:
        """The discriminator, told the labels of what it sees."""
        return (lambda image: self.discriminator(image, label)) if self.classes else self.discriminator

    def outputs(self, held_out: Sequence[Images], products: Mapping[str, nn.Module]) -> dict[str, Outputs]:
        ((name, outputs),) = super().outputs(held_out, products).items()
        judge = self.judge_of(torch.cat([label for _, label in held_out]))

        def logits(images: list[Tensor]) -> Tensor:
            return mean_logits(judge(torch.cat(images)))

        return {name: outputs._replace(fake_logits=logits(outputs.fake), real_logits=logits(outputs.real))}
