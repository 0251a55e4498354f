"""Pix2Pix: Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks", 2017.
https://arxiv.org/abs/1611.07004
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.data.batch import Pair
from i2i.losses.adversarial import Judge
from i2i.methods.base import (
    AdversarialFactory,
    DiscriminatorFactory,
    GeneratorFactory,
    Outputs,
    Update,
    mean_logits,
)
from i2i.methods.translation import Translation, require_same_size
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import TestTime
from i2i.registry import methods


@methods.register("pix2pix")
class Pix2Pix(Translation):
    """A conditional GAN on pairs, held to the target by an L1 term (section 3).

    `conditional` shows the discriminator the source beside the target (section 3.1). `test_time` "published" keeps
    dropout on and uses the statistics of the image at hand in batch norm when the generator is used (section 3.4: "at
    inference time").
    """

    batch = Pair

    def __init__(
        self,
        *,
        generator: GeneratorFactory,
        discriminator: DiscriminatorFactory,
        adversarial: AdversarialFactory,
        source_channels: int = 3,
        target_channels: int = 3,
        l1_weight: float = 100.0,
        conditional: bool = True,
        test_time: TestTime = "published",
    ) -> None:
        super().__init__()
        self.generator = generator(in_channels=source_channels, out_channels=target_channels)
        require_same_size(self.generator)
        self.discriminator = discriminator(in_channels=target_channels + (source_channels if conditional else 0))
        self.adversarial = adversarial()
        self.l1_weight = l1_weight  # lambda
        self.conditional = conditional
        self.test_time = test_time

    def players(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def products(self) -> Mapping[str, ImageGenerator]:
        return {"source_to_target": self.generator}

    def training_step(self, batch: Pair, update: Update) -> None:
        source, target = batch
        fake = self.generator(source)

        judge = self._judge_of(source)
        terms = self.adversarial.discriminator(judge, real=target, fake=fake.detach())
        # Halved to slow the discriminator down (section 3.3).
        update("discriminator", **{name: 0.5 * term for name, term in terms.items()})
        self.adversarial.constrain(self.discriminator)
        gan = self.adversarial.generator(judge, fake, target)
        update("generator", gan=gan, l1=self.l1_weight * F.l1_loss(fake, target))

    def _judge_of(self, source: Tensor) -> Judge:
        """The discriminator, shown what was translated."""
        return lambda image: self.discriminator(torch.cat([source, image], dim=1) if self.conditional else image)

    def outputs(self, held_out: Sequence[Pair], products: Mapping[str, nn.Module]) -> dict[str, Outputs]:
        ((name, outputs),) = super().outputs(held_out, products).items()
        judges = [self._judge_of(source) for source, _ in held_out]

        def logits(images: list[Tensor]) -> Tensor:
            return mean_logits(judge(image) for judge, image in zip(judges, images, strict=True))

        return {name: outputs._replace(fake_logits=logits(outputs.fake), real_logits=logits(outputs.real))}
