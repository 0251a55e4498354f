"""ESRGAN: Wang, Yu, Wu, Gu, Liu, Dong, Loy, Qiao, Tang, "ESRGAN: Enhanced Super-Resolution Generative Adversarial
Networks", 2018. https://arxiv.org/abs/1809.00219
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from i2i.data.batch import Pair
from i2i.losses.adversarial import Judge
from i2i.methods.base import AdversarialFactory, DiscriminatorFactory, Update
from i2i.methods.upscaling import PerceptualFactory, PixelLossFactory, UpscalerFactory, Upscaling
from i2i.networks.discriminators.base import Discriminator
from i2i.registry import methods


@methods.register("esrgan")
class ESRGAN(Upscaling):
    """An upscaler whose fakes have the features of their targets, and the look of real images (equation 3).

    A weight of 0 leaves its term out, with the networks that only it needs.
    """

    def __init__(
        self,
        *,
        generator: UpscalerFactory,
        discriminator: DiscriminatorFactory,
        adversarial: AdversarialFactory,
        pixel: PixelLossFactory,
        perceptual: PerceptualFactory,
        scale: int = 4,
        channels: int = 3,
        pixel_weight: float = 1e-2,
        perceptual_weight: float = 1.0,
        adversarial_weight: float = 5e-3,
    ) -> None:
        super().__init__(generator, scale=scale, channels=channels)
        if not (pixel_weight or perceptual_weight or adversarial_weight):
            raise ValueError("method: all weights are 0, so there is nothing to learn; set one of them")
        if perceptual_weight and channels not in (1, 3):
            raise ValueError(
                f"method.channels = {channels}: the perceptual loss sees 1 or 3; set method.perceptual_weight=0"
            )
        self.discriminator = discriminator(in_channels=channels) if adversarial_weight else None
        self.adversarial = adversarial()
        self.pixel = pixel()
        self.perceptual = perceptual() if perceptual_weight else None
        self.pixel_weight = pixel_weight  # eta
        self.perceptual_weight = perceptual_weight
        self.adversarial_weight = adversarial_weight  # lambda

    def players(self) -> Mapping[str, nn.Module]:
        judges = {"discriminator": self.discriminator} if self.discriminator is not None else {}
        return {"generator": self.generator, **judges}

    def training_step(self, batch: Pair, update: Update) -> None:
        low, high = batch
        self.play(update, low, wanted=high, real=high)

    def play(self, update: Update, low: Tensor, *, wanted: Tensor, real: Tensor) -> None:
        """One step of both players: fakes of `low` learn to be like `wanted`, and to look like `real`."""
        fake = self.generator(low)
        terms = {}
        if self.pixel_weight:
            terms["pixel"] = self.pixel_weight * self.pixel(fake, wanted)
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual_weight * self.perceptual(fake, wanted)
        if self.discriminator is None:
            update("generator", **terms)
            return
        shown = fake.detach().requires_grad_()
        judge = _asked_once(self.discriminator, *((real, shown) if self.adversarial.compares else ()))
        gan = self.adversarial_weight * self.adversarial.generator(judge, shown, real)
        terms["gan"] = _passed_on(gan, shown, fake)
        update("generator", **terms)
        update("discriminator", **self.adversarial.discriminator(judge, real=real, fake=shown))
        self.adversarial.constrain(self.discriminator)

    def check_size(self, *sizes: tuple[int, int]) -> None:
        super().check_size(*sizes)
        _, high = sizes
        if self.perceptual is not None and min(high) < self.perceptual.min_size:
            raise ValueError(
                f"the perceptual loss can't see images of height {high[0]} and width {high[1]}; both must be at least "
                f"{self.perceptual.min_size}, or name no layers as deep in method.perceptual.layers"
            )


def _asked_once(discriminator: Discriminator, *together: Tensor) -> Judge:
    """A judge that looks at every batch once, and not once for each player: its weights change after both are done.

    At those that will surely be asked for it looks `together`, at once.
    """
    seen = dict(zip(together, discriminator.each(*together), strict=True)) if together else {}

    def judge(image: Tensor) -> Tensor:
        if image not in seen:
            seen[image] = discriminator(image)
        return seen[image]

    return judge


def _passed_on(term: Tensor, shown: Tensor, fake: Tensor) -> Tensor:
    """`term` of what was `shown` as a term of the `fake` that it shows, of equal value and gradient: going back through
    it leaves the discriminator's graph whole, for the discriminator.
    """
    (slope,) = torch.autograd.grad(term, shown, retain_graph=True)
    return term.detach() + (slope * (fake - shown.detach())).sum()
