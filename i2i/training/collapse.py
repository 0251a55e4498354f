"""Whether what a run makes stops being diverse: mode collapse of a generator, and outputs that forget their inputs."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.methods.base import Outputs
from i2i.recipe import Collapse

_SIZES = (32, 16, 8)  # pixels
_MOST = 500  # pairs
EARLY = 1000  # steps in which a generator may still be learning to make anything

WHAT_TO_TRY = (
    "try a lower optimizer.players.discriminator.lr, another method.adversarial (wgan-gp, hinge), "
    "method.discriminator.minibatch=deviation, or more data; with collapse.stop=true a run ends here"
)


class Collapsed(ArithmeticError):
    """A run that was to stop where its outputs collapse."""


class CollapseWatch:
    """Looks at what products make, and remembers what it saw; `state` and `load_state` carry that."""

    def __init__(self, options: Collapse) -> None:
        self.options = options
        self._was_diverse: set[str] = set()
        self._looks: dict[str, int] = {}

    def look(self, step: int, outputs: Mapping[str, Outputs]) -> tuple[dict[str, float], list[str]]:
        """What there is to log, by name, and the warnings: one for a product whose outputs were, at two looks one after
        the other, less diverse than the stated part of real images, after they had been more diverse or late enough.
        """
        values, warnings = {}, []
        for name, each in outputs.items():
            if min(len(each.fake), len(each.real)) < 2:
                continue
            share = diversity(each.fake, each.labels) / max(diversity(each.real, each.labels), 1e-12)
            values[f"{name}.diversity"] = share
            if len(each.real_logits) and len(each.fake_logits):
                values[f"{name}.separation"] = separation(each.real_logits, each.fake_logits)
            if share >= self.options.least:
                self._was_diverse.add(name)
                self._looks[name] = 0
            elif name in self._was_diverse or step >= EARLY:
                self._looks[name] = self._looks.get(name, 0) + 1
                if self._looks[name] == 2:
                    warnings.append(
                        f"step {step}: what {name} makes is {share:.2f} times as diverse as real images "
                        f"(collapse.least = {self.options.least}): {WHAT_TO_TRY}"
                    )
        return values, warnings

    def state(self) -> dict[str, Any]:
        return {"was_diverse": sorted(self._was_diverse), "looks": dict(self._looks)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._was_diverse, self._looks = set(state["was_diverse"]), dict(state["looks"])


def diversity(images: Sequence[Tensor], labels: Sequence[int] = ()) -> float:
    """Mean root mean square distance of two images, each (1, C, H, W), over several sizes of pixels.

    Where `labels` are given, only images of the same class are compared: a generator that makes one image of each class
    has collapsed, however the classes differ.
    """
    pairs = list(combinations(range(len(images)), 2))
    alike = [(a, b) for a, b in pairs if labels and labels[a] == labels[b]]
    chosen = alike or pairs
    chosen = chosen[:: -(-len(chosen) // _MOST)]
    distances = []
    for size in _SIZES:
        small = [F.interpolate(image.float(), (size, size), mode="area").flatten() for image in images]
        distances += [(small[a] - small[b]).square().mean().sqrt() for a, b in chosen]
    return float(torch.stack(distances).mean())


def separation(real: Tensor, fake: Tensor) -> float:
    """The share of pairs in which a discriminator's logit is higher for the real image: one half where it knows
    nothing, 1 where it is saturated.
    """
    return float((real[:, None] > fake[None]).float().mean() + 0.5 * (real[:, None] == fake[None]).float().mean())
