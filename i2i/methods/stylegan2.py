"""StyleGAN2: Karras, Laine, Aittala, Hellsten, Lehtinen, Aila, "Analyzing and Improving the Image Quality of StyleGAN",
2020. https://arxiv.org/abs/1912.04958
"""

import math
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.data.batch import Images
from i2i.losses.adversarial import Logits, reference_logits
from i2i.losses.penalties import lazy_r1, path_lengths, penalty_terms
from i2i.methods.base import AdversarialFactory, Update, adapt_augmentation
from i2i.methods.gan import GAN, LatentFactory, LatentJudgeFactory
from i2i.networks.augmentation.ada import AdaptiveAugmentation
from i2i.networks.generators.stylegan2 import StyleGAN2Generator
from i2i.networks.generators.stylegan3 import StyleGAN3Generator
from i2i.networks.layers import at_least
from i2i.recipe.ranges import Blocks, Channels, Classes, Every, Parameter, Pixels, Probability, Weight
from i2i.registry import methods

_PATH_DECAY = 0.01  # of the mean path length, at each penalty (appendix B)
_PATH_BATCH = 2  # a path penalty is on one in so many images of a batch, to save memory (appendix B)


@methods.register("stylegan2")
class StyleGAN2(GAN):
    """StyleGAN2 (Karras 2020): images from noise with style-based networks and lazy penalties.

    The penalties are lazy (section 3.1): R1 of weight `r1_weight` (gamma) at every `r1_every`-th step, and path length
    (section 3.2) of weight `path_weight` (gamma_pl) at every `path_every`-th, each an optimiser step of its own and as
    many times as large. `mixing` is the probability that the layers from a random one on get the style of another
    latent (2019, section 3.1, https://arxiv.org/abs/1812.04948); it and the layer are drawn once for a batch, as
    published, or with `mixing_draw` "image" for every image. `blur` is the deviation in pixels of a blur of what the
    discriminator sees, which fades in the first `blur_steps` steps (StyleGAN3-R, Karras et al. 2021, appendix D,
    https://arxiv.org/abs/2106.12423). `augment` "ada" augments what the discriminator sees, real or fake, as much as
    keeps its overfitting at `augment_target`: for fewer than some 30,000 images (https://arxiv.org/abs/2006.06676).
    `freeze_discriminator` is as in `GAN`.
    """

    mean_length: Tensor  # a, of paths
    generator: StyleGAN2Generator | StyleGAN3Generator

    def __init__(
        self,
        *,
        generator: LatentFactory,
        discriminator: LatentJudgeFactory,
        adversarial: AdversarialFactory,
        size: Pixels = 256,
        channels: Channels = 3,
        classes: Classes = 0,
        r1_weight: Weight = 1.0,
        r1_every: Every = 16,
        path_weight: Weight = 2.0,
        path_every: Every = 4,
        mixing: Probability = 0.9,
        mixing_draw: Literal["batch", "image"] = "batch",
        blur: Parameter = 0.0,
        blur_steps: Every = 6250,
        augment: Literal["none", "ada"] = "none",
        augment_target: Probability = 0.6,
        freeze_discriminator: Blocks = 0,
    ) -> None:
        super().__init__(
            generator=generator,
            discriminator=discriminator,
            adversarial=adversarial,
            size=size,
            channels=channels,
            classes=classes,
            r1_weight=r1_weight,
            r1_every=r1_every,
            freeze_discriminator=freeze_discriminator,
        )
        at_least(1, path_every=path_every)
        if not isinstance(self.generator, StyleGAN2Generator | StyleGAN3Generator):
            name = type(self.generator).__name__
            raise ValueError(f"method.generator: {name} has no styles to mix; choose from: stylegan2, stylegan3")
        if not 0 <= mixing <= 1:
            raise ValueError(f"method.mixing = {mixing} is refused; allowed: from 0 to 1")
        self.path_weight, self.path_every = path_weight, path_every
        self.mixing, self.mixing_draw = mixing, mixing_draw
        self.blur, self.blur_steps = blur, blur_steps
        self.augmentation = AdaptiveAugmentation(target=augment_target) if augment == "ada" else None
        if self.augmentation is not None and self.discriminator.augmentation is not None:
            raise ValueError("method.augment and method.discriminator.augment both augment; set one of them to none")
        self.register_buffer("mean_length", torch.zeros(()))

    def training_step(self, batch: Images, update: Update) -> None:
        real, label = batch
        judge = partial(self.judge, label=label, blur=self.blur * max(0.0, 1 - update.step / self.blur_steps))
        fake = self.generator.synthesise(self.draw_styles(label))
        real_logits = reference_logits(self.adversarial, judge, real)
        update("generator", gan=self.adversarial.generator(judge(fake), real_logits))
        if self.path_weight and update.step % self.path_every == 0:
            share = label[: -(-len(label) // _PATH_BATCH)]
            update("generator", path=self.path_weight * self.path_every * self._path_penalty(share))

        with torch.no_grad():
            fake = self.generator.synthesise(self.draw_styles(label))
        fake_logits, real_logits = judge(fake), judge(real)
        terms = self.adversarial.discriminator(real_logits, fake_logits)
        terms |= penalty_terms(self.adversarial, judge, real, fake, step=update.step)
        update("discriminator", **terms)
        self.adversarial.constrain(self.discriminator)
        if r1 := lazy_r1(judge, real, weight=self.r1_weight, every=self.r1_every, step=update.step):
            update("discriminator", **r1)
        adapt_augmentation(self.augmentation or self.discriminator.augmentation, self.adversarial, real_logits, update)

    def judge(self, image: Tensor, label: Tensor, blur: float = 0.0) -> Logits:
        image = blurred(image, blur)
        return super().judge(self.augmentation(image) if self.augmentation is not None else image, label)

    def draw_styles(self, label: Tensor) -> Tensor:
        """Styles (N, layers, style) of random latents, some of them mixed: with those of another latent from some layer
        on.
        """
        w = self.generator.map(self.draw_latents(label), self.label_or_none(label))
        # Not by `map`, which would move the mean style by these too.
        other = self.generator.mapping(self.draw_latents(label), self.label_or_none(label))[:, None]
        count, layers, _ = w.shape
        draws = count if self.mixing_draw == "image" else 1
        first = torch.randint(1, layers, (draws, 1, 1), device=w.device)
        is_mixed = torch.rand(draws, 1, 1, device=w.device) < self.mixing
        return torch.where(is_mixed & (torch.arange(layers, device=w.device)[:, None] >= first), other, w)

    def _path_penalty(self, label: Tensor) -> Tensor:
        """Mean squared distance of path lengths to their moving mean (equation 4)."""
        with torch.autocast(label.device.type, enabled=False):
            w = self.draw_styles(label)
            image = self.generator.synthesise(w)
            # Not randn_like, which draws in the order of memory.
            noise = torch.randn(image.shape, dtype=image.dtype, device=image.device) / self.size
            lengths = path_lengths(image, w, noise)
        # As published, the mean of this batch has a gradient; what is kept has none.
        mean = self.mean_length.lerp(lengths.mean().to(self.mean_length.dtype), _PATH_DECAY)
        self.mean_length.copy_(mean.detach())
        return (lengths - mean).square().mean()


def blurred(images: Tensor, deviation: float) -> Tensor:
    """Images (N, C, H, W) blurred by 2 ** -(x / deviation) ** 2, up to three deviations of whole pixels."""
    reach = math.floor(3 * deviation)
    if not reach:
        return images
    taps = torch.arange(-reach, reach + 1, device=images.device).div(deviation).square().neg().exp2()
    taps, channels = (taps / taps.sum()).to(images.dtype), images.shape[1]
    images = F.conv2d(images, taps.expand(channels, 1, 1, -1), padding=(0, reach), groups=channels)
    return F.conv2d(images, taps[:, None].expand(channels, 1, -1, -1), padding=(reach, 0), groups=channels)
