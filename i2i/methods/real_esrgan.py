"""Real-ESRGAN: Wang, Xie, Dong, Shan, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic
Data", 2021, section 4.1. https://arxiv.org/abs/2107.10833
"""

from i2i.data.batch import Pair
from i2i.data.degradation.sharpen import sharpen
from i2i.methods.base import AdversarialFactory, DiscriminatorFactory, Update
from i2i.methods.esrgan import ESRGAN
from i2i.methods.pair_pool import PairPool
from i2i.methods.rrdb_psnr import RRDBPSNR
from i2i.methods.upscaling import PerceptualFactory, PixelLossFactory, UpscalerFactory
from i2i.registry import methods


@methods.register("real-esrnet")
class RealESRNet(RRDBPSNR):
    """The first stage: pixel by pixel, towards sharpened targets.

    `pool` is how many pairs the pool mixes, a multiple of the batch size; 0 for none.
    """

    def __init__(
        self,
        *,
        generator: UpscalerFactory,
        pixel: PixelLossFactory,
        scale: int = 4,
        channels: int = 3,
        pool: int = 180,
    ) -> None:
        super().__init__(generator=generator, pixel=pixel, scale=scale, channels=channels)
        self.pool = PairPool(pool)

    def training_step(self, batch: Pair, update: Update) -> None:
        low, high = self.pool(batch)
        super().training_step(Pair(low, sharpen(high)), update)


@methods.register("real-esrgan")
class RealESRGAN(ESRGAN):
    """ESRGAN whose fakes are held to sharpened targets, while the discriminator sees the targets as they are.

    `pool` as in `RealESRNet`.
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
        pixel_weight: float = 1.0,
        perceptual_weight: float = 1.0,
        adversarial_weight: float = 0.1,
        pool: int = 180,
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
        self.play(update, low, wanted=sharpen(high), real=high)
