"""The first stage of ESRGAN, for the highest PSNR: Wang et al., "ESRGAN: Enhanced Super-Resolution Generative
Adversarial Networks", 2018, section 4.1. https://arxiv.org/abs/1809.00219
"""

from i2i.data.batch import Pair
from i2i.methods.base import Update
from i2i.methods.upscaling import PixelLossFactory, UpscalerFactory, Upscaling
from i2i.recipe.ranges import Channels, Scale
from i2i.registry import methods


@methods.register("rrdb-psnr")
class RRDBPSNR(Upscaling):
    """RRDB-PSNR (Wang 2018): super-resolution with a pixel loss alone, the first stage of ESRGAN."""

    def __init__(
        self, *, generator: UpscalerFactory, pixel: PixelLossFactory, scale: Scale = 4, channels: Channels = 3
    ) -> None:
        super().__init__(generator, scale=scale, channels=channels)
        self.pixel = pixel()

    def training_step(self, batch: Pair, update: Update) -> None:
        low, high = batch
        update("generator", pixel=self.pixel(self.generator(low), high))
