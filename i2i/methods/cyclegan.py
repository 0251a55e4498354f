"""CycleGAN: Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
2017. https://arxiv.org/abs/1703.10593
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.data.batch import Unpaired
from i2i.methods.base import (
    AdversarialFactory,
    DiscriminatorFactory,
    GeneratorFactory,
    Outputs,
    Update,
    mean_logits,
)
from i2i.methods.history import ImageHistory
from i2i.methods.translation import Translation, require_same_size
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.generators.base import ImageGenerator
from i2i.registry import methods


@methods.register("cyclegan")
class CycleGAN(Translation):
    """Two translators between two unpaired sets, each the inverse of the other (section 3).

    `identity_weight` is relative to `cycle_weight`, as published (section 5.2, "photo generation from paintings"); 0
    leaves the term out.
    """

    batch = Unpaired

    def __init__(
        self,
        *,
        generator: GeneratorFactory,
        discriminator: DiscriminatorFactory,
        adversarial: AdversarialFactory,
        a_channels: int = 3,
        b_channels: int = 3,
        cycle_weight: float = 10.0,
        identity_weight: float = 0.5,
        history: int = 50,
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
        self.judge_a = discriminator(in_channels=a_channels)  # D_X
        self.judge_b = discriminator(in_channels=b_channels)  # D_Y
        self.adversarial = adversarial()
        self.cycle_weight = cycle_weight  # lambda
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
        # One direction after the other, so that the graph of the first is free before the second is built.
        fake_b, terms = self._translate(update, "a_to_b", self.a_to_b, self.b_to_a, self.judge_b, source=a, target=b)
        update.accumulate("generators", **terms)
        fake_a, terms = self._translate(update, "b_to_a", self.b_to_a, self.a_to_b, self.judge_a, source=b, target=a)
        update("generators", **terms)

        terms = self._discriminate(self.judge_b, real=b, fake=self.history_b(fake_b))
        update.accumulate("discriminators", **{f"{name}_b": term for name, term in terms.items()})
        terms = self._discriminate(self.judge_a, real=a, fake=self.history_a(fake_a))
        update("discriminators", **{f"{name}_a": term for name, term in terms.items()})
        self.adversarial.constrain(self.judge_a)
        self.adversarial.constrain(self.judge_b)

    def _translate(
        self,
        update: Update,
        name: str,
        forth: ImageGenerator,
        back: ImageGenerator,
        judge: Discriminator,
        *,
        source: Tensor,
        target: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One direction of the full objective (section 3.3): the detached fakes, and what their generators minimise."""
        terms = {}
        if self.identity_weight and _is_batched(forth, source, target):
            fake, same = forth(torch.cat([source, target])).chunk(2)
            terms[f"identity_{name}"] = self._identity(same, target)
        else:
            if self.identity_weight:
                update.accumulate("generators", **{f"identity_{name}": self._identity(forth(target), target)})
            fake = forth(source)
        terms[f"gan_{name}"] = self.adversarial.generator(judge, fake, target)
        terms[f"cycle_{name}"] = self.cycle_weight * F.l1_loss(back(fake), source)
        return fake.detach(), terms

    def _identity(self, same: Tensor, target: Tensor) -> Tensor:
        return self.identity_weight * self.cycle_weight * F.l1_loss(same, target)

    def _discriminate(self, judge: Discriminator, *, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        # Halved to slow the discriminators down (section 4, training details).
        return {name: 0.5 * term for name, term in self.adversarial.discriminator(judge, real=real, fake=fake).items()}

    def preview(self, held_out: Sequence[Unpaired], products: Mapping[str, nn.Module]) -> list[dict[str, Tensor]]:
        rows = []
        for a, b in held_out:
            fake_b, fake_a = products["a_to_b"](a), products["b_to_a"](b)
            there_and_back, back_and_there = products["b_to_a"](fake_b), products["a_to_b"](fake_a)
            rows.append(
                {"a": a, "a to b": fake_b, "and back": there_and_back}
                | {"b": b, "b to a": fake_a, "back again": back_and_there}
            )
        return rows

    def score(self, held_out: Sequence[Unpaired], products: Mapping[str, nn.Module]) -> Tensor:
        """Mean absolute error of both cycles: all that can be known without pairs; it says little about realism."""
        a_to_b, b_to_a = products["a_to_b"], products["b_to_a"]
        errors = [F.l1_loss(b_to_a(a_to_b(a)), a) + F.l1_loss(a_to_b(b_to_a(b)), b) for a, b in held_out]
        return torch.stack([error.float() for error in errors]).mean()

    def outputs(self, held_out: Sequence[Unpaired], products: Mapping[str, nn.Module]) -> dict[str, Outputs]:
        judges = {"a_to_b": self.judge_b, "b_to_a": self.judge_a}
        return {
            name: each._replace(
                fake_logits=mean_logits(map(judges[name], each.fake)),
                real_logits=mean_logits(map(judges[name], each.real)),
            )
            for name, each in super().outputs(held_out, products).items()
        }


def _is_batched(generator: ImageGenerator, source: Tensor, target: Tensor) -> bool:
    """Whether one call serves both images: where that changes nothing, and pays.

    On a CPU it does not: full-size tensors of two images are too large for the allocator to keep (a step took 1.13
    times as long), and more of the graph is alive at once.
    """
    return generator.batch_independent and source.shape == target.shape and source.device.type != "cpu"
