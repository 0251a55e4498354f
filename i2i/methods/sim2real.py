"""Translation of rendered frames into real ones whose labels still fit: CUT's objective with a segmenter that watches
over the labels, and crops of real images that show what the crops of the rendered ones show.

Park, Efros, Zhang, Zhu 2020: Contrastive Learning for Unpaired Image-to-Image Translation,
https://arxiv.org/abs/2007.15651.
Hoffman et al. 2018: CyCADA: Cycle-Consistent Adversarial Domain Adaptation, section 3,
https://arxiv.org/abs/1711.03213.
Richter, Al Haija, Koltun 2021: Enhancing Photorealism Enhancement, section 3.4, https://arxiv.org/abs/2105.04619.
"""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from i2i.data.batch import LabelledUnpaired
from i2i.label_maps import one_hot
from i2i.losses.adversarial import reference_logits
from i2i.losses.contrastive import PatchNCE
from i2i.losses.penalties import penalty_terms
from i2i.losses.segmentation import cross_entropy
from i2i.methods.base import (
    AdversarialFactory,
    DiscriminatorFactory,
    GeneratorFactory,
    SegmenterFactory,
    Update,
    adapt_augmentation,
    check_classes,
    check_discriminators,
    scaled,
)
from i2i.methods.matched_crops import match_crops
from i2i.methods.translation import Translation, require_same_size
from i2i.networks.augmentation.base import Draws
from i2i.networks.augmentation.diffaugment import jitter_colours
from i2i.networks.generators.base import ImageGenerator
from i2i.recipe.ranges import (
    Channels,
    Classes,
    CropsOrNone,
    Features,
    Layer,
    Patches,
    Share,
    Steps,
    Temperature,
    Weight,
)
from i2i.registry import methods


@methods.register("sim2real")
class Sim2Real(Translation):
    """Sim2real (after CUT, Park 2020): frames of a, which have label maps, become like those of b, and their label maps
    still fit.

    The segmenter learns from frames and label maps of a alone, for `segmenter_steps` steps, and stays as it is then.
    `semantic_weight` is of its cross-entropy on translations, by the label maps of their sources (CyCADA, Hoffman 2018,
    equation 4). `nce_weight` is of PatchNCE, whose options are those of CUT. The discriminator sees `crops` squares of
    every image, of `crop_share` of the shorter side, and of b those that show the same classes (EPE, Richter 2021,
    section 3.4); with 0 crops it sees whole images. `classes` 0 is as many as the label maps show.
    """

    batch = LabelledUnpaired
    needs_labels = ("a",)

    def __init__(
        self,
        *,
        generator: GeneratorFactory,
        discriminator: DiscriminatorFactory,
        adversarial: AdversarialFactory,
        segmenter: SegmenterFactory,
        classes: Classes = 0,
        channels: Channels = 3,
        segmenter_steps: Steps = 500,
        semantic_weight: Weight = 1.0,
        crops: CropsOrNone = 4,
        crop_share: Share = 0.5,
        nce_weight: Weight = 1.0,
        layers: list[Layer] = [0, 4, 8, 12, 16],  # noqa: B006
        patches: Patches = 256,
        projection: Features = 256,
        temperature: Temperature = 0.07,
    ) -> None:
        super().__init__()
        check_classes(classes)
        self.generator = generator(in_channels=channels, out_channels=channels)
        require_same_size(self.generator)
        self.discriminator = discriminator(in_channels=channels, value_range=self.generator.value_range)
        self.adversarial = adversarial()
        check_discriminators(self.adversarial, self.discriminator)
        self.segmenter = segmenter(in_channels=channels, classes=classes)  # f_S in CyCADA
        self.classes, self.segmenter_steps, self.semantic_weight = classes, segmenter_steps, semantic_weight
        self.crops, self.crop_share = crops, crop_share
        self.layers, self.nce_weight = layers, nce_weight
        feature_channels = self.generator.feature_channels(layers)
        self.nce = PatchNCE(channels=feature_channels, width=projection, patches=patches, temperature=temperature)

    def players(self) -> Mapping[str, nn.Module]:
        return {
            "generator": nn.ModuleList([self.generator, self.nce]),
            "discriminator": self.discriminator,
            "segmenter": self.segmenter,
        }

    def products(self) -> Mapping[str, ImageGenerator]:
        return {"a_to_b": self.generator}

    def resting(self, step: int) -> Collection[str]:
        return ("generator", "discriminator") if step < self.segmenter_steps else ("segmenter",)

    def training_step(self, batch: LabelledUnpaired, update: Update) -> None:
        a, b, a_labels, _ = batch
        if update.step < self.segmenter_steps:
            # In other colours, too: those of translations are not known yet.
            jittered = jitter_colours(a, Draws(len(a), a.device))
            update("segmenter", source=cross_entropy(self.segmenter(jittered), a_labels))
            return

        fake, keys = self.generator.forward_with_features(a, self.layers)
        seen_fake, seen_real = self._matched(fake, b, a_labels)
        judge = self.discriminator
        real_logits, fake_logits = judge(seen_real), judge(seen_fake.detach())
        terms = self.adversarial.discriminator(real_logits, fake_logits)
        terms |= penalty_terms(self.adversarial, judge, seen_real, seen_fake, step=update.step)
        update("discriminator", **scaled(0.5, terms))
        self.adversarial.constrain(judge)
        adapt_augmentation(judge.augmentation, self.adversarial, real_logits, update)

        real_logits = reference_logits(self.adversarial, judge, seen_real)
        update(
            "generator",
            gan=self.adversarial.generator(judge(seen_fake), real_logits),
            nce=self.nce_weight * self.nce(self.generator.features(fake, self.layers), keys),
            semantic=self.semantic_weight * cross_entropy(self.segmenter(fake), a_labels),
        )

    def _matched(self, fake: Tensor, real: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """What the discriminator sees of translations and of real images: squares of them that show the same."""
        if not self.crops:
            return fake, real
        with torch.no_grad():
            predicted = self.segmenter(real).float().softmax(1)
        sides = (*fake.shape[2:], *real.shape[2:])
        of_fake, of_real = match_crops(
            one_hot(labels, self.classes), predicted, self.crops * len(fake), self._crop_size(*sides)
        )
        return of_fake.of(fake), of_real.of(real)

    def _crop_size(self, *sides: int) -> int:
        return round(self.crop_share * min(sides)) if self.crops else min(sides)

    def check_size(self, *sizes: tuple[int, int]) -> None:
        """The generator must take whole images, the segmenter, too, and the discriminator the squares."""
        for height, width in sizes:
            self.generator.check_size(height, width)
            self.segmenter.check_size(height, width)
        size = self._crop_size(*(side for both in sizes for side in both))
        try:
            self.discriminator.check_size(size, size)
        except ValueError as error:
            raise ValueError(f"method.crop_share = {self.crop_share}: {error}") from None

    def logits(self, product: str, source: Tensor, image: Tensor) -> Tensor:
        return self.discriminator(image)
