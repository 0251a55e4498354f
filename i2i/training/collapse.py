"""Detects mode collapse during training: generators of few images, and translators that ignore their inputs."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.methods.base import Outputs
from i2i.recipe import Collapse

_SIZES = (32, 16, 8)  # pixels
_MAX_PAIRS = 500
GRACE_STEPS = 1000  # in which low diversity is no collapse in a generator whose outputs have never been diverse

ADVICE = (
    "try a lower optimizer.players.discriminator.lr, another method.adversarial (wgan-gp, hinge), "
    "method.discriminator.minibatch=deviation, or more data; with collapse.stop=true a run ends here"
)


class Collapsed(ArithmeticError):
    """A run was ended because its outputs have collapsed."""


class CollapseDetector:
    """Compares the diversity of outputs with that of real images at every check, and remembers past checks."""

    def __init__(self, options: Collapse) -> None:
        self.options = options
        self._was_diverse: set[str] = set()
        self._low_checks: dict[str, int] = {}  # in succession, by product

    def check(self, step: int, outputs: Mapping[str, Outputs]) -> tuple[dict[str, float], list[str]]:
        """The values to log, and a warning for each product that has just collapsed: its outputs were less diverse than
        `collapse.least` of real images at two checks in succession, after they had been more diverse or after
        GRACE_STEPS.
        """
        values, warnings = {}, []
        for name, each in outputs.items():
            if min(len(each.fake), len(each.real)) < 2:
                continue
            share = diversity(each.fake, each.labels) / max(diversity(each.real, each.labels), 1e-12)
            values[f"{name}.diversity"] = share
            if len(each.real_logits) and len(each.fake_logits):
                values[f"{name}.separation"] = separation(each.real_logits, each.fake_logits)
            if self._has_collapsed(name, step, share):
                warnings.append(
                    f"step {step}: outputs of {name} are {share:.2f} times as diverse as real images "
                    f"(collapse.least = {self.options.least}): {ADVICE}"
                )
        return values, warnings

    def _has_collapsed(self, name: str, step: int, share: float) -> bool:
        if share >= self.options.least:
            self._was_diverse.add(name)
            self._low_checks[name] = 0
        elif name in self._was_diverse or step >= GRACE_STEPS:
            self._low_checks[name] = self._low_checks.get(name, 0) + 1
            return self._low_checks[name] == 2
        return False

    def state_dict(self) -> dict[str, Any]:
        return {"was_diverse": sorted(self._was_diverse), "looks": dict(self._low_checks)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._was_diverse, self._low_checks = set(state["was_diverse"]), dict(state["looks"])


def diversity(images: Sequence[Tensor], labels: Sequence[int] = ()) -> float:
    """Mean root mean square distance of pairs of images, each (1, C, H, W), over several sizes.

    With `labels` only images of the same class are paired: a generator that makes one image of each class has
    collapsed, however the classes differ.
    """
    pairs = list(combinations(range(len(images)), 2))
    of_a_class = [(a, b) for a, b in pairs if labels and labels[a] == labels[b]]
    chosen = of_a_class or pairs
    chosen = chosen[:: -(-len(chosen) // _MAX_PAIRS)]
    distances = []
    for size in _SIZES:
        small = [F.interpolate(image.float(), (size, size), mode="area").flatten() for image in images]
        distances += [(small[a] - small[b]).square().mean().sqrt() for a, b in chosen]
    return float(torch.stack(distances).mean())


def separation(real: Tensor, fake: Tensor) -> float:
    """The share of pairs in which a discriminator's logit is higher for the real image (area under the ROC curve): 1/2
    where it cannot separate them, 1 where it is saturated.
    """
    return float((real[:, None] > fake[None]).float().mean() + 0.5 * (real[:, None] == fake[None]).float().mean())
