"""CycleGAN: Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
2017. https://arxiv.org/abs/1703.10593
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.data.batch import Unpaired
from i2i.losses.adversarial import Logits, reference_logits
from i2i.losses.penalties import penalty_terms
from i2i.methods.base import (
    AdversarialFactory,
    DiscriminatorFactory,
    GeneratorFactory,
    Update,
    adapt_augmentation,
    check_discriminators,
    scaled,
)
from i2i.methods.history import ImageHistory
from i2i.methods.translation import Translation, require_same_size
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.generators.base import ImageGenerator
from i2i.recipe.ranges import Channels, Images, Weight
from i2i.registry import methods


@methods.register("cyclegan")
class CycleGAN(Translation):
    """CycleGAN (Zhu 2017): unpaired translation with a cycle loss.

    `cycle_weight` is of images of a that come back, and `cycle_weight_b` of those of b; left out it is the same.
    `identity_weight` is relative to them, as published (section 5.2, "photo generation from paintings"); 0 leaves the
    term out. `history` is the size of the image pool.
    """

    batch = Unpaired

    def __init__(
        self,
        *,
        generator: GeneratorFactory,
        discriminator: DiscriminatorFactory,
        adversarial: AdversarialFactory,
        a_channels: Channels = 3,
        b_channels: Channels = 3,
        cycle_weight: Weight = 10.0,
        cycle_weight_b: Weight | None = None,
        identity_weight: Weight = 0.5,
        history: Images = 50,
    ) -> None:
        super().__init__()
        if identity_weight and a_channels != b_channels:
            raise ValueError(
                f"method.identity_weight: an identity needs equal channels, a has {a_channels} and b {b_channels}; "
                "set it to 0"
            )
        self.a_to_b = generator(in_channels=a_channels, out_channels=b_channels)  # G
        self.b_to_a = generator(in_channels=b_channels, out_channels=a_channels)  # F
        require_same_size(self.a_to_b)
        self.judge_a = discriminator(in_channels=a_channels, value_range=self.b_to_a.value_range)  # D_X
        self.judge_b = discriminator(in_channels=b_channels, value_range=self.a_to_b.value_range)  # D_Y
        self.adversarial = adversarial()
        check_discriminators(self.adversarial, self.judge_a, self.judge_b)
        self.cycle_weight_a = cycle_weight  # lambda, lambda_A in the published code
        self.cycle_weight_b = cycle_weight if cycle_weight_b is None else cycle_weight_b  # lambda_B
        self.identity_weight = identity_weight
        self.history_a, self.history_b = ImageHistory(history), ImageHistory(history)

    def players(self) -> Mapping[str, nn.Module]:
        return {
            "generators": nn.ModuleList([self.a_to_b, self.b_to_a]),
            "discriminators": nn.ModuleList([self.judge_a, self.judge_b]),
        }

    def products(self) -> Mapping[str, ImageGenerator]:
        return {"a_to_b": self.a_to_b, "b_to_a": self.b_to_a}

    def training_step(self, batch: Unpaired, update: Update) -> None:
        a, b = batch
        # Each graph is freed before the next one is built.
        if self.identity_weight:
            update.accumulate("generators", identity_a_to_b=self.cycle_weight_b * self._identity(self.a_to_b, b))
        fake_b = self.a_to_b(a)
        update.accumulate(
            "generators",
            gan_a_to_b=self._fool(self.judge_b, fake_b, b),
            cycle_a_to_b=self.cycle_weight_a * F.l1_loss(self.b_to_a(fake_b), a),
        )
        if self.identity_weight:
            update.accumulate("generators", identity_b_to_a=self.cycle_weight_a * self._identity(self.b_to_a, a))
        fake_a = self.b_to_a(b)
        update(
            "generators",
            gan_b_to_a=self._fool(self.judge_a, fake_a, a),
            cycle_b_to_a=self.cycle_weight_b * F.l1_loss(self.a_to_b(fake_a), b),
        )

        terms_b = self._discriminate(self.judge_b, b, self.history_b(fake_b.detach()), update)
        update.accumulate("discriminators", **{f"{name}_b": term for name, term in terms_b.items()})
        terms_a = self._discriminate(self.judge_a, a, self.history_a(fake_a.detach()), update)
        update("discriminators", **{f"{name}_a": term for name, term in terms_a.items()})
        self.adversarial.constrain(self.judge_b)
        self.adversarial.constrain(self.judge_a)

    def _identity(self, generator: ImageGenerator, target: Tensor) -> Tensor:
        return self.identity_weight * F.l1_loss(generator(target), target)

    def _fool(self, judge: Discriminator, fake: Tensor, real: Tensor) -> Tensor:
        real_logits = reference_logits(self.adversarial, judge, real)
        return self.adversarial.generator(judge(fake), real_logits)

    def _discriminate(self, judge: Discriminator, real: Tensor, fake: Tensor, update: Update) -> dict[str, Tensor]:
        real_logits, fake_logits = judge(real), judge(fake)
        terms = self.adversarial.discriminator(real_logits, fake_logits)
        terms |= penalty_terms(self.adversarial, judge, real, fake, step=update.step)
        adapt_augmentation(judge.augmentation, self.adversarial, real_logits, update)
        # Halved to slow the discriminators down (section 4, training details).
        return scaled(0.5, terms)

    def preview(self, held_out: Sequence[Unpaired], products: Mapping[str, nn.Module]) -> list[dict[str, Tensor]]:
        rows = []
        for a, b in held_out:
            fake_b, fake_a = products["a_to_b"](a), products["b_to_a"](b)
            cycle_a, cycle_b = products["b_to_a"](fake_b), products["a_to_b"](fake_a)
            rows.append(
                {"a": a, "a to b": fake_b, "and back": cycle_a} | {"b": b, "b to a": fake_a, "back again": cycle_b}
            )
        return rows

    def score(self, held_out: Sequence[Unpaired], products: Mapping[str, nn.Module]) -> Tensor:
        """Mean absolute error of both cycles: what can be measured without pairs, but no measure of realism."""
        a_to_b, b_to_a = products["a_to_b"], products["b_to_a"]
        errors = [F.l1_loss(b_to_a(a_to_b(a)), a) + F.l1_loss(a_to_b(b_to_a(b)), b) for a, b in held_out]
        return torch.stack([error.float() for error in errors]).mean()

    def logits(self, product: str, source: Tensor, image: Tensor) -> Logits:
        return self.judge_b(image) if product == "a_to_b" else self.judge_a(image)
