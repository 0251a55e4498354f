"""Distillation of a slow translator or upscaler into a small network, on pairs of images and the teacher's outputs.

Hinton, Vinyals, Dean 2015: Distilling the Knowledge in a Neural Network, https://arxiv.org/abs/1503.02531.
Pasios, Nikolaidis 2026: HyPER-GAN: Hybrid Patch-Based Image-to-Image Translation for Real-Time Photorealism
Enhancement, https://arxiv.org/abs/2603.10604.
"""

from collections.abc import Callable, Mapping
from typing import Annotated

import torch
from torch import Tensor, nn

from i2i import registry
from i2i.data.batch import PairAndReal
from i2i.losses.adversarial import Logits, reference_logits
from i2i.losses.penalties import penalty_terms
from i2i.losses.segmentation import cross_entropy
from i2i.losses.temporal import draw_motion, temporal_difference
from i2i.methods.base import (
    AdversarialFactory,
    DiscriminatorFactory,
    Update,
    adapt_augmentation,
    check_discriminators,
    scaled,
)
from i2i.methods.crops import draw_crops
from i2i.methods.matched_patches import match_patches
from i2i.methods.trained_segmenter import load_trained, predict
from i2i.methods.translation import Translation
from i2i.methods.upscaling import PerceptualFactory, PixelLossFactory
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.segmenters.base import Segmenter
from i2i.networks.value_range import ValueRange
from i2i.recipe.components import Part
from i2i.recipe.ranges import Channels, Scale, Share, Times, Weight
from i2i.registry import methods

StudentFactory = Annotated[
    Callable[..., ImageGenerator],
    Part(registry.generators, ("in_channels", "out_channels"), ("scale",), default="light-unet"),
]


@methods.register("distil")
class Distil(Translation):
    """Distillation (after HyPER-GAN, Pasios 2026): a small generator learns the outputs of a teacher.

    Its losses are the pixel and the perceptual one to the teacher's output, both of images in [0, 1], and that of a
    discriminator, which sees `crops` squares of every image, of `crop_share` of the shorter side, beside the same of
    the teacher's output, and as many beside real ones that are like them (section II-C); where no real images are given
    these are of the teacher's, too. A weight of 0 leaves out the loss and the network that only it needs. With `scale`
    above 1 the student is an upscaler. HyPER-GAN's weights are 20 for pixels, as 10 of images in [-1, 1], and 1.
    `temporal_weight` is of the transform invariance of Eilertsen et al. 2019, for translations of films that flicker
    less. `semantic_weight` is of the cross-entropy between the classes that the segmenter of `segmenter_file`, a run, a
    checkpoint folder or a weights file, sees in the student's and in the teacher's image (after CyCADA, Hoffman 2018,
    equation 4).
    """

    batch = PairAndReal

    def __init__(
        self,
        *,
        generator: StudentFactory,
        discriminator: DiscriminatorFactory,
        adversarial: AdversarialFactory,
        pixel: PixelLossFactory,
        perceptual: PerceptualFactory,
        scale: Scale = 1,
        source_channels: Channels = 3,
        target_channels: Channels = 3,
        pixel_weight: Weight = 20.0,
        perceptual_weight: Weight = 0.0,
        adversarial_weight: Weight = 1.0,
        temporal_weight: Weight = 0.0,
        semantic_weight: Weight = 0.0,
        segmenter_file: str = "",
        crops: Times = 4,
        crop_share: Share = 0.5,
    ) -> None:
        super().__init__()
        self.generator = generator(in_channels=source_channels, out_channels=target_channels, scale=scale)
        _check_student(self.generator, scale)
        if not (pixel_weight or perceptual_weight):
            raise ValueError("method.pixel_weight and method.perceptual_weight are 0; one of them follows the teacher")
        if perceptual_weight and target_channels not in (1, 3):
            raise ValueError(
                f"method.target_channels = {target_channels}: the perceptual loss takes 1 or 3; set "
                "method.perceptual_weight=0"
            )
        self.pixel, self.pixel_weight = pixel(), pixel_weight
        self.perceptual = perceptual() if perceptual_weight else None
        self.perceptual_weight, self.adversarial_weight = perceptual_weight, adversarial_weight
        self.temporal_weight, self.semantic_weight = temporal_weight, semantic_weight
        self.segmenter = _load_segmenter(segmenter_file, semantic_weight, target_channels)
        self.crops, self.crop_share = crops, crop_share
        self.adversarial = adversarial()
        self.discriminator = (
            discriminator(in_channels=target_channels, value_range=self.generator.value_range)
            if adversarial_weight
            else None
        )
        if self.discriminator is not None:
            check_discriminators(self.adversarial, self.discriminator)

    def players(self) -> Mapping[str, nn.Module]:
        discriminator = {"discriminator": self.discriminator} if self.discriminator is not None else {}
        return {"generator": self.generator, **discriminator}

    def products(self) -> Mapping[str, ImageGenerator]:
        return {"student": self.generator}

    def training_step(self, batch: PairAndReal, update: Update) -> None:
        source, target, real = batch
        fake = self.generator(source)
        terms = self.fidelity_terms(fake, target) | self._temporal_term(source, fake)
        if self.discriminator is None:
            update("generator", **terms)
            return
        seen_fake, seen_real = self._patches(fake, target, real)
        judge = self.discriminator
        real_logits, fake_logits = judge(seen_real), judge(seen_fake.detach())
        losses = self.adversarial.discriminator(real_logits, fake_logits)
        losses |= penalty_terms(self.adversarial, judge, seen_real, seen_fake, step=update.step)
        update("discriminator", **scaled(0.5, losses))
        self.adversarial.constrain(judge)
        adapt_augmentation(judge.augmentation, self.adversarial, real_logits, update)

        real_logits = reference_logits(self.adversarial, judge, seen_real)
        gan = self.adversarial.generator(judge(seen_fake), real_logits)
        update("generator", **terms, gan=self.adversarial_weight * gan)

    def fidelity_terms(self, fake: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Loss terms of the student by the teacher's image."""
        fake, target = (self.value_range.to_unit(image) for image in (fake, target))
        terms = {}
        if self.pixel_weight:
            terms["pixel"] = self.pixel_weight * self.pixel(fake, target)
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual_weight * self.perceptual(fake, target)
        if self.segmenter is not None:
            to_its_range = ValueRange(*self.segmenter.value_range).from_unit
            seen, expected = (predict(self.segmenter, to_its_range(image)) for image in (fake, target))
            terms["semantic"] = self.semantic_weight * cross_entropy(seen, expected.argmax(1))
        return terms

    def _temporal_term(self, source: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Loss term, of images in [0, 1], of what does not move with the source."""
        if not self.temporal_weight:
            return {}

        def translate(image: Tensor) -> Tensor:
            return self.value_range.to_unit(self.generator(image))

        motion = draw_motion(len(source))
        difference = temporal_difference(translate, source, self.value_range.to_unit(fake), motion)
        return {"temporal": self.temporal_weight * difference}

    def _patches(self, fake: Tensor, target: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """What the discriminator sees: squares of translations, and of the teacher's and of real images."""
        count, size = self.crops * len(fake), self._crop_size(*fake.shape[2:], *real.shape[2:])
        paired = draw_crops(fake, count, size)
        chosen, similar = match_patches(fake.detach(), real, count, size)
        fakes = torch.cat([paired.of(fake), chosen.of(fake)])
        return fakes, torch.cat([paired.of(target), similar.of(real)])

    def _crop_size(self, *sides: int) -> int:
        return round(self.crop_share * min(sides))

    def check_size(self, *sizes: tuple[int, int]) -> None:
        """The student must take the sources, and the discriminator and the perceptual loss the targets."""
        source, target = sizes
        self.generator.check_size(*source)
        if target != (source[0] * self.scale, source[1] * self.scale):
            raise ValueError(
                f"method.scale = {self.scale}: a source of {source[1]}x{source[0]} pixels has a target of "
                f"{target[1]}x{target[0]}; allowed: exactly {self.scale} times the source"
            )
        if self.perceptual is not None and min(target) < self.perceptual.min_size:
            raise ValueError(
                f"the perceptual loss can't take images of {target[1]}x{target[0]} pixels; allowed: from "
                f"{self.perceptual.min_size} on, or no layers as deep in method.perceptual.layers"
            )
        if self.discriminator is not None:
            size = self._crop_size(*target)
            try:
                self.discriminator.check_size(size, size)
            except ValueError as error:
                raise ValueError(f"method.crop_share = {self.crop_share}: {error}") from None

    def logits(self, product: str, source: Tensor, image: Tensor) -> Logits:
        return None if self.discriminator is None else self.discriminator(image)


def _load_segmenter(file: str, weight: float, channels: int) -> Segmenter | None:
    """The segmenter of the semantic loss, which stays as it is. Raises ValueError for a weight or a file alone."""
    if bool(file) != bool(weight):
        raise ValueError(
            f"method.semantic_weight = {weight:g} and method.segmenter_file = {file!r}: a semantic loss needs both; "
            "a segmenter comes from: i2i train segmenter frames/ labels/"
        )
    return load_trained(file, channels=channels).requires_grad_(False) if file else None


def _check_student(student: ImageGenerator, scale: int) -> None:
    if student.scale != scale:
        given = f"method.scale = {scale}, but {type(student).__name__} enlarges {student.scale} times"
        fitting = "light-unet, mobile-resnet" if scale == 1 else "srvgg"
        raise ValueError(f"{given}; choose method.generator from: {fitting}")
