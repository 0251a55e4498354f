"""ESRGAN: Wang, Yu, Wu, Gu, Liu, Dong, Loy, Qiao, Tang, "ESRGAN: Enhanced Super-Resolution Generative Adversarial
Networks", 2018. https://arxiv.org/abs/1809.00219
"""

from i2i.data.batch import Pair
from i2i.losses.adversarial import reference_logits
from i2i.losses.penalties import penalty_terms
from i2i.methods.base import Update, adapt_augmentation
from i2i.methods.upscaling import AdversarialUpscaling
from i2i.registry import methods


@methods.register("esrgan")
class ESRGAN(AdversarialUpscaling):
    """ESRGAN (Wang 2018): super-resolution with a perceptual loss and a relativistic GAN.

    Options are those of `AdversarialUpscaling` (equation 3).
    """

    def training_step(self, batch: Pair, update: Update) -> None:
        low, high = batch
        fake = self.generator(low)
        terms = self.fidelity_terms(fake, high)
        if self.discriminator is None:
            update("generator", **terms)
            return
        real_logits = reference_logits(self.adversarial, self.discriminator, high)
        gan = self.adversarial.generator(self.discriminator(fake), real_logits)
        update("generator", **terms, gan=self.adversarial_weight * gan)

        fake = fake.detach()
        real_logits, fake_logits = self.discriminator(high), self.discriminator(fake)
        terms = self.adversarial.discriminator(real_logits, fake_logits)
        terms |= penalty_terms(self.adversarial, self.discriminator, high, fake, step=update.step)
        update("discriminator", **terms)
        self.adversarial.constrain(self.discriminator)
        adapt_augmentation(self.discriminator.augmentation, self.adversarial, real_logits, update)
