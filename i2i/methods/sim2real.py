"""Translation of rendered frames into real ones whose labels still fit: CUT's objective, a segmenter that watches over
the labels of translations, and a discriminator that sees as much of every class in real frames as in rendered ones.

Park, Efros, Zhang, Zhu 2020: Contrastive Learning for Unpaired Image-to-Image Translation,
https://arxiv.org/abs/2007.15651.
Hoffman et al. 2018: CyCADA: Cycle-Consistent Adversarial Domain Adaptation, section 3,
https://arxiv.org/abs/1711.03213.
Richter, Al Haija, Koltun 2021: Enhancing Photorealism Enhancement, sections 3.3 and 3.4,
https://arxiv.org/abs/2105.04619.
"""

from collections.abc import Collection, Mapping
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn

from i2i.data.batch import LabelledUnpaired
from i2i.label_maps import one_hot
from i2i.losses.adversarial import Logits, reference_logits
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
from i2i.methods.class_balance import ClassBalance
from i2i.methods.trained_segmenter import load_trained, predict
from i2i.methods.translation import Translation, require_same_size
from i2i.networks.augmentation.random_colours import random_colours
from i2i.networks.generators.base import ImageGenerator
from i2i.recipe.ranges import (
    Channels,
    Classes,
    ClassIndex,
    Features,
    Layer,
    Patches,
    Steps,
    Temperature,
    Weight,
)
from i2i.registry import methods


@methods.register("sim2real")
class Sim2Real(Translation):
    """Sim2real (after CUT, Park 2020): frames of a, which have label maps, become like those of b, and their label maps
    still fit.

    The segmenter learns from frames and label maps of a alone, for `segmenter_steps` steps, and stays as it is then:
    one that went on learning would get used to what the generator makes up. `semantic_weight` is of its cross-entropy
    on translations, by the label maps of their sources (CyCADA, Hoffman 2018, equation 4). The labeller, a copy that
    does go on, with translations, predicts the label maps of b. Both learn from frames in random colours (RandConv, Xu
    2021), since those of b tell classes apart otherwise. With `class_balance` the discriminator sees patches of b in
    which every class has its share in a, so that another layout is not learnt as style (after EPE, Richter 2021,
    section 3.4), and with `label_aware` it sees label maps beside frames (section 3.3; with `projection` of `patchgan`
    as there), which is for a b whose labels are known better than a labeller of a guesses them. Its recipes have R1, as
    EPE does: without it stains and halos grow in translations.

    Pixels of a whose classes are in `keep` stay as they are, by an L1 loss of `keep_weight` on them. `segmenter_file`
    is a run, a checkpoint folder or a weights file of a segmenter that is trained already and takes no steps.
    `nce_weight` is of PatchNCE, whose options are those of CUT. `classes` 0 is as many as the label maps show.
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
        segmenter_file: str = "",
        semantic_weight: Weight = 1.0,
        label_aware: bool = False,
        class_balance: bool = True,
        keep: list[ClassIndex] = [],  # noqa: B006
        keep_weight: Weight = 10.0,
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
        condition_channels = classes if label_aware else 0
        self.discriminator = discriminator(
            in_channels=condition_channels + channels,
            condition_channels=condition_channels,
            value_range=self.generator.value_range,
        )
        self.adversarial = adversarial()
        check_discriminators(self.adversarial, self.discriminator)
        trained = load_trained(segmenter_file, channels=channels, classes=classes) if segmenter_file else None
        self.segmenter = trained or segmenter(in_channels=channels, classes=classes)  # f_S in CyCADA
        self.segmenter_steps = 0 if trained else segmenter_steps
        self.labeller = deepcopy(self.segmenter)
        self.balance = ClassBalance(classes) if class_balance else None
        self.classes, self.semantic_weight = classes, semantic_weight
        if unknown := [index for index in keep if index >= classes]:
            raise ValueError(f"method.keep: there is no class {unknown[0]}; choose from: 0 to {classes - 1}")
        self.label_aware, self.keep, self.keep_weight = label_aware, keep, keep_weight
        self.layers, self.nce_weight = layers, nce_weight
        feature_channels = self.generator.feature_channels(layers)
        self.nce = PatchNCE(channels=feature_channels, width=projection, patches=patches, temperature=temperature)

    def players(self) -> Mapping[str, nn.Module]:
        return {
            "generator": nn.ModuleList([self.generator, self.nce]),
            "discriminator": self.discriminator,
            "segmenter": self.segmenter,
            "labeller": self.labeller,
        }

    def products(self) -> Mapping[str, ImageGenerator]:
        return {"a_to_b": self.generator}

    def resting(self, step: int) -> Collection[str]:
        learns_first = step < self.segmenter_steps
        return [name for name in self.players() if (name == "segmenter") != learns_first]

    def training_step(self, batch: LabelledUnpaired, update: Update) -> None:
        a, b, a_labels, _ = batch
        if update.step < self.segmenter_steps:
            update("segmenter", source=cross_entropy(self.segmenter(random_colours(a)), a_labels))
            return
        if update.step == self.segmenter_steps:
            self.labeller.load_state_dict(self.segmenter.state_dict())

        fake, keys = self.generator.forward_with_features(a, self.layers)
        with torch.no_grad():
            b_labels = predict(self.labeller, b).argmax(1)
        of_a, of_b = one_hot(a_labels, self.classes), one_hot(b_labels, self.classes)
        if self.balance:
            self.balance.observe(of_a, of_b, update)
        judge_fake, judge_real = partial(self.judge, of_a), partial(self.judge, of_b)

        fake_logits, real_logits = judge_fake(fake.detach()), judge_real(b)
        terms = self.adversarial.discriminator(self._drawn(real_logits, of_b), fake_logits)
        terms |= penalty_terms(self.adversarial, judge_real, b, fake, step=update.step)
        update("discriminator", **scaled(0.5, terms))
        self.adversarial.constrain(self.discriminator)
        adapt_augmentation(self.discriminator.augmentation, self.adversarial, real_logits, update)

        real_logits = self._drawn(reference_logits(self.adversarial, judge_real, b), of_b)
        update(
            "generator",
            gan=self.adversarial.generator(judge_fake(fake), real_logits),
            nce=self.nce_weight * self.nce(self.generator.features(fake, self.layers), keys),
            semantic=self.semantic_weight * cross_entropy(predict(self.segmenter, fake), a_labels),
            **self._keep(fake, a, of_a),
        )
        update("labeller", fake=cross_entropy(self.labeller(random_colours(fake.detach())), a_labels))

    def _keep(self, fake: Tensor, source: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Weighted L1 distance within the mask of the classes that stay as they are, where there are some."""
        if not self.keep:
            return {}
        mask = labels[:, self.keep].sum(1, keepdim=True)
        return {"keep": self.keep_weight * (mask * (fake - source).abs()).mean()}

    def judge(self, labels: Tensor, image: Tensor) -> Logits:
        """Logits of real or translated images, seen beside their one-hot label maps where the discriminator is aware of
        labels.
        """
        return self.discriminator(torch.cat([labels.to(image), image], dim=1) if self.label_aware else image)

    def _drawn(self, real_logits: Logits, labels: Tensor) -> Logits:
        """Logits of real images as the objective sees them: those of patches drawn by their classes."""
        return self.balance.draw(real_logits, labels) if self.balance and real_logits is not None else real_logits

    def check_size(self, *sizes: tuple[int, int]) -> None:
        super().check_size(*sizes)
        for size in sizes:
            self.segmenter.check_size(*size)

    def logits(self, product: str, source: Tensor, image: Tensor) -> Logits:
        """With the label map that the labeller predicts, for real images and translations."""
        labels = one_hot(predict(self.labeller, image).argmax(1), self.classes)
        return self.judge(labels, image)
