"""Adversarial objectives: loss terms of discriminator and generator as functions of logits, each as in its paper.

Factors in front of the terms are the method's. Terms of images, such as a gradient penalty, are in
`i2i.losses.penalties`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.losses.precision import at_least_float32
from i2i.recipe.ranges import Every, Factor, Probability, Weight
from i2i.registry import adversarial

# Tensor, or tuple[Tensor, ...] of a discriminator of several scales; Any, because an objective is written for tensors.
Logits = Any


def _mean_over_scales(loss: Callable[..., Any]) -> Callable[..., Any]:
    """A method from logits to a loss or to terms by name, for logits of several scales, too: the mean over scales."""

    @wraps(loss)
    def mean_loss(self: "Adversarial", *logits: Logits, **named: Logits) -> Any:
        counts = {len(each) for each in (*logits, *named.values()) if isinstance(each, tuple)}
        if not counts:
            return loss(self, *logits, **named)
        (count,) = counts
        losses = [
            loss(self, *(_of_scale(each, i) for each in logits), **{k: _of_scale(each, i) for k, each in named.items()})
            for i in range(count)
        ]
        if isinstance(losses[0], Tensor):
            return torch.stack(losses).mean()
        return {name: torch.stack([terms[name] for terms in losses]).mean() for name in losses[0]}

    return mean_loss


def _of_scale(logits: Logits, scale: int) -> Tensor | None:
    return logits[scale] if isinstance(logits, tuple) else logits


class Adversarial(ABC):
    """An adversarial objective: a term is a mean over logits of any shape, high for real, in float32 or better.

    `r1_weight` (gamma) adds the R1 penalty to the discriminator's terms (Mescheder et al. 2018, equation 9,
    https://arxiv.org/abs/1801.04406) at every `r1_every`-th step, and as many times as large (Karras et al. 2020,
    section 3.1, https://arxiv.org/abs/1912.04958); 0 leaves it out. `r2_weight` adds R2, the same penalty at fake
    images, at those steps. A method that halves these terms halves them, too.
    """

    # Of the logits of several scales, a tuple, a term is the mean over scales; a subclass has to know tensors only.
    relativistic: bool = False  # whether the generator's term compares with real images and needs their logits
    penalty_weight: float = 0.0  # of the gradient penalty on the discriminator, which the method adds, as it adds R1
    r1_weight: float = 0.0
    r2_weight: float = 0.0
    r1_every: int = 1
    undecided: float | None = None  # logit between real and fake; None where only differences of logits mean something

    def __init__(self, *, r1_weight: Weight = 0.0, r2_weight: Weight = 0.0, r1_every: Every = 1) -> None:
        self.r1_weight, self.r2_weight, self.r1_every = r1_weight, r2_weight, r1_every

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in ("discriminator", "generator"):
            if name in vars(cls):
                setattr(cls, name, _mean_over_scales(vars(cls)[name]))

    @abstractmethod
    def discriminator(self, real_logits: Logits, fake_logits: Logits) -> dict[str, Tensor]:
        """Loss terms of the discriminator, "real" and "fake"."""

    @abstractmethod
    def generator(self, fake_logits: Logits, real_logits: Logits = None) -> Tensor:
        """Loss of the generator, low where its fakes are taken for real."""

    def constrain(self, discriminator: nn.Module) -> None:
        """Constrain the discriminator's weights in place, after each of its optimiser steps."""
        return


@adversarial.register("vanilla")
class Vanilla(Adversarial):
    """GAN (Goodfellow 2014): cross-entropy, with the non-saturating loss for the generator.

    Section 3, https://arxiv.org/abs/1406.2661. `smoothing` lowers the discriminator's target for real images, and no
    other, to 1 - smoothing (Salimans et al. 2016, section 3.4, https://arxiv.org/abs/1606.03498).
    """

    def __init__(
        self,
        *,
        smoothing: Probability = 0.0,
        r1_weight: Weight = 0.0,
        r2_weight: Weight = 0.0,
        r1_every: Every = 1,
    ) -> None:
        super().__init__(r1_weight=r1_weight, r2_weight=r2_weight, r1_every=r1_every)
        self.real_target = _smoothed(smoothing)
        self.undecided = 0.0

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        return {"real": cross_entropy(real_logits, self.real_target), "fake": cross_entropy(fake_logits, 0.0)}

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return cross_entropy(fake_logits, 1.0)


@adversarial.register("lsgan")
class LeastSquares(Adversarial):
    """LSGAN (Mao 2017): squared error to 1 for real and 0 for fake.

    Equation 9, https://arxiv.org/abs/1611.04076. `smoothing` lowers the discriminator's target for real images, and no
    other, to 1 - smoothing.
    """

    def __init__(
        self,
        *,
        smoothing: Probability = 0.0,
        r1_weight: Weight = 0.0,
        r2_weight: Weight = 0.0,
        r1_every: Every = 1,
    ) -> None:
        super().__init__(r1_weight=r1_weight, r2_weight=r2_weight, r1_every=r1_every)
        self.real_target = _smoothed(smoothing)
        self.undecided = self.real_target / 2

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        return {"real": squared_error(real_logits, self.real_target), "fake": squared_error(fake_logits, 0.0)}

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return squared_error(fake_logits, 1.0)


@adversarial.register("hinge")
class Hinge(Adversarial):
    """Geometric GAN (Lim and Ye 2017): hinge loss, in which only logits inside the margin count.

    https://arxiv.org/abs/1705.02894
    """

    undecided = 0.0

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        return {"real": hinge(real_logits), "fake": hinge(-fake_logits)}

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return -mean(fake_logits)


class Wasserstein(Adversarial):
    """Difference of mean logits: a distance where the discriminator's slope is bounded, as subclasses do."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        return {"real": -mean(real_logits), "fake": mean(fake_logits)}

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return -mean(fake_logits)


@adversarial.register("wgan")
class WassersteinClipping(Wasserstein):
    """WGAN (Arjovsky 2017): Wasserstein distance, with every weight of the critic clipped to -clip..clip.

    Algorithm 1, https://arxiv.org/abs/1701.07875
    """

    def __init__(self, *, clip: Factor = 0.01) -> None:
        if clip <= 0:
            raise ValueError(f"clip = {clip} is refused; allowed: above 0")
        self.clip = clip  # c

    @torch.no_grad()
    def constrain(self, discriminator: nn.Module) -> None:
        for weight in (each for each in discriminator.parameters() if each.requires_grad):
            weight.clamp_(-self.clip, self.clip)


@adversarial.register("wgan-gp")
class WassersteinPenalty(Wasserstein):
    """WGAN-GP (Gulrajani 2017): Wasserstein distance, with a penalty on the critic's gradient.

    Algorithm 1, https://arxiv.org/abs/1704.00028
    """

    def __init__(self, *, penalty_weight: Weight = 10.0) -> None:
        self.penalty_weight = penalty_weight  # lambda


def reference_logits(objective: Adversarial, judge: Callable[[Tensor], Logits], real: Tensor) -> Logits:
    """Logits of real images without a gradient, for the generator's term of a relativistic objective; else None."""
    if not objective.relativistic:
        return None
    with torch.no_grad():
        return judge(real)


def mean_by_image(logits: Logits) -> Tensor:
    """Mean logit of each image (N,), in float32 or better; of several scales the mean over scales."""
    scales = logits if isinstance(logits, tuple) else (logits,)
    return torch.stack([at_least_float32(each).reshape(len(each), -1).mean(1) for each in scales]).mean(0)


def mean(logits: Tensor) -> Tensor:
    """Mean logit."""
    return at_least_float32(logits).mean()


def cross_entropy(logits: Tensor, target: float) -> Tensor:
    """Mean binary cross-entropy between logits and one target probability."""
    logits = at_least_float32(logits)
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def squared_error(logits: Tensor, target: float) -> Tensor:
    """Mean of (logits - target) ** 2."""
    return (at_least_float32(logits) - target).square().mean()


def hinge(logits: Tensor) -> Tensor:
    """Mean of max(0, 1 - logits)."""
    return F.relu(1 - at_least_float32(logits)).mean()


def _smoothed(smoothing: float) -> float:
    """Target for real images. Raises ValueError outside [0, 0.5): from 0.5 on real would mean fake."""
    if not 0 <= smoothing < 0.5:
        raise ValueError(f"smoothing = {smoothing} is refused; allowed: from 0 to below 0.5")
    return 1.0 - smoothing
