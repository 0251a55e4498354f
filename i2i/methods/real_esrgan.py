"""Real-ESRGAN: Wang, Xie, Dong, Shan, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic
Data", 2021, section 4.1. https://arxiv.org/abs/2107.10833
"""

from i2i.data.batch import Pair
from i2i.data.degradation.sharpen import sharpen
from i2i.losses.adversarial import reference_logits
from i2i.losses.penalties import penalty_terms
from i2i.methods.base import AdversarialFactory, DiscriminatorFactory, Update, adapt_augmentation
from i2i.methods.pair_pool import PairPool
from i2i.methods.upscaling import (
    AdversarialUpscaling,
    PerceptualFactory,
    PixelLossFactory,
    UpscalerFactory,
    Upscaling,
)
from i2i.recipe.ranges import Channels, Images, Scale, Weight
from i2i.registry import methods


@methods.register("real-esrnet")
class RealESRNet(Upscaling):
    """Real-ESRNet (Wang 2021): blind super-resolution with a pixel loss alone, the first stage of Real-ESRGAN.

    Targets are sharpened. `pool` is the size of the pool of pairs, a multiple of the batch size; 0 for none.
    """

    def __init__(
        self,
        *,
        generator: UpscalerFactory,
        pixel: PixelLossFactory,
        scale: Scale = 4,
        channels: Channels = 3,
        pool: Images = 180,
    ) -> None:
        super().__init__(generator, scale=scale, channels=channels)
        self.pixel = pixel()
        self.pool = PairPool(pool)

    def training_step(self, batch: Pair, update: Update) -> None:
        low, high = self.pool(batch)
        update("generator", pixel=self.pixel(self.generator(low), sharpen(high)))


@methods.register("real-esrgan")
class RealESRGAN(AdversarialUpscaling):
    """Real-ESRGAN (Wang 2021): blind super-resolution with a perceptual loss and a GAN.

    Fakes are compared with sharpened targets, but the discriminator sees the targets as they are. `pool` as in
    `RealESRNet`, the other options as in `AdversarialUpscaling`.
    """

    def __init__(
        self,
        *,
        generator: UpscalerFactory,
        discriminator: DiscriminatorFactory,
        adversarial: AdversarialFactory,
        pixel: PixelLossFactory,
        perceptual: PerceptualFactory,
        scale: Scale = 4,
        channels: Channels = 3,
        pixel_weight: Weight = 1.0,
        perceptual_weight: Weight = 1.0,
        adversarial_weight: Weight = 0.1,
        pool: Images = 180,
    ) -> None:
        super().__init__(
            generator=generator,
            discriminator=discriminator,
            adversarial=adversarial,
            pixel=pixel,
            perceptual=perceptual,
            scale=scale,
            channels=channels,
            pixel_weight=pixel_weight,
            perceptual_weight=perceptual_weight,
            adversarial_weight=adversarial_weight,
        )
        self.pool = PairPool(pool)

    def training_step(self, batch: Pair, update: Update) -> None:
        low, high = self.pool(batch)
        fake = self.generator(low)
        terms = self.fidelity_terms(fake, sharpen(high))
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
