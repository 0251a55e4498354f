"""Adversarial objectives: what a discriminator and a generator minimise, each as its paper has it.

A *judge* is a function from images to logits: a discriminator, or a closure that also shows it the condition. The
factors that a method puts in front of these terms are the method's business.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.registry import adversarial

Judge = Callable[[Tensor], Tensor]


def at_least_float32(tensor: Tensor) -> Tensor:
    """Half precision widened: its means over many logits are too coarse for a loss."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def cross_entropy(logits: Tensor, target: float) -> Tensor:
    """Mean binary cross-entropy between logits and one target probability."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def squared_distance(logits: Tensor, target: float) -> Tensor:
    """Mean of (logits - target) ** 2."""
    return (logits - target).square().mean()


def hinge(margins: Tensor) -> Tensor:
    """Mean of max(0, 1 - margins): zero once all margins reach 1."""
    return F.relu(1 - margins).mean()


def gradient_penalty(judge: Judge, real: Tensor, fake: Tensor) -> Tensor:
    """Mean over the batch of (|gradient of the judge at x| - 1) ** 2, x uniformly between a real and a fake image.

    A judge's value for an image is the mean of its logits, so that one with a map of logits is held to the same slope
    as one with a single logit. It must not be batch normed: the gradient is one image's own. Never in half precision,
    also under autocast; epsilon is drawn for each image from torch's generator.
    """
    with torch.autocast(real.device.type, enabled=False):
        real, fake = at_least_float32(real.detach()), at_least_float32(fake.detach())
        epsilon = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
        between = (epsilon * real + (1 - epsilon) * fake).requires_grad_()
        values = judge(between).reshape(len(real), -1).mean(1)
        (gradient,) = torch.autograd.grad(values.sum(), between, create_graph=True)
        return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


class Adversarial(ABC):
    """What a method asks of an objective; all terms are means over all logits, in float32 or better."""

    compares: bool = False  # whether the generator's term asks for the logits of real images, too

    @abstractmethod
    def discriminator(self, judge: Judge, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """The discriminator's terms by name: "real", "fake" and perhaps more; the caller detaches `fake`.

        The judge sees real images and fakes in calls of their own, because batch norm's statistics must not mix.
        """

    @abstractmethod
    def generator(self, judge: Judge, fake: Tensor, real: Tensor) -> Tensor:
        """What the generator minimises for its fakes to be taken for real; some objectives compare them with `real`."""

    def constrain(self, discriminator: nn.Module) -> None:
        """Force on the discriminator, in place, what the objective demands of its weights; called after its steps."""
        return


class Absolute(Adversarial):
    """An objective that judges every logit by itself, real or fake: three functions of logits."""

    @abstractmethod
    def on_real(self, logits: Tensor) -> Tensor:
        """What the discriminator minimises on the logits of real images."""

    @abstractmethod
    def on_fake(self, logits: Tensor) -> Tensor:
        """What the discriminator minimises on the logits of fakes."""

    @abstractmethod
    def fooled(self, logits: Tensor) -> Tensor:
        """What the generator minimises on the logits of its fakes."""

    def discriminator(self, judge: Judge, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        # Fakes first, as published for Pix2Pix: batch norm's running statistics depend on it.
        fake_logits, real_logits = at_least_float32(judge(fake)), at_least_float32(judge(real))
        return {"real": self.on_real(real_logits), "fake": self.on_fake(fake_logits)}

    def generator(self, judge: Judge, fake: Tensor, real: Tensor) -> Tensor:
        return self.fooled(at_least_float32(judge(fake)))


@adversarial.register("vanilla")
class Vanilla(Absolute):
    """Cross-entropy, with the non-saturating generator (Goodfellow et al. 2014, section 3, https://arxiv.org/abs/1406.2661).

    `smoothing` lowers the discriminator's target for real images to 1 - smoothing, and no other
    (Salimans et al. 2016, section 3.4, https://arxiv.org/abs/1606.03498).
    """

    def __init__(self, *, smoothing: float = 0.0) -> None:
        self.real_target = _smoothed(smoothing)

    def on_real(self, logits: Tensor) -> Tensor:
        return cross_entropy(logits, self.real_target)

    def on_fake(self, logits: Tensor) -> Tensor:
        return cross_entropy(logits, 0.0)

    def fooled(self, logits: Tensor) -> Tensor:
        return cross_entropy(logits, 1.0)


@adversarial.register("lsgan")
class LeastSquares(Absolute):
    """Squared distance to 1 for real and 0 for fake (Mao et al. 2017, equation 9, https://arxiv.org/abs/1611.04076).

    `smoothing` lowers the discriminator's target for real images to 1 - smoothing, and no other.
    """

    def __init__(self, *, smoothing: float = 0.0) -> None:
        self.real_target = _smoothed(smoothing)

    def on_real(self, logits: Tensor) -> Tensor:
        return squared_distance(logits, self.real_target)

    def on_fake(self, logits: Tensor) -> Tensor:
        return squared_distance(logits, 0.0)

    def fooled(self, logits: Tensor) -> Tensor:
        return squared_distance(logits, 1.0)


@adversarial.register("hinge")
class Hinge(Absolute):
    """Only logits inside the margin count (Lim and Ye 2017, Geometric GAN, https://arxiv.org/abs/1705.02894)."""

    def on_real(self, logits: Tensor) -> Tensor:
        return hinge(logits)

    def on_fake(self, logits: Tensor) -> Tensor:
        return hinge(-logits)

    def fooled(self, logits: Tensor) -> Tensor:
        return -logits.mean()


class Wasserstein(Absolute):
    """The difference of means: a distance as long as the judge's slope is bounded, which the subclasses see to."""

    def on_real(self, logits: Tensor) -> Tensor:
        return -logits.mean()

    def on_fake(self, logits: Tensor) -> Tensor:
        return logits.mean()

    def fooled(self, logits: Tensor) -> Tensor:
        return -logits.mean()


@adversarial.register("wgan")
class WassersteinClipping(Wasserstein):
    """Bounded by clipping every weight (Arjovsky, Chintala, Bottou 2017, algorithm 1, https://arxiv.org/abs/1701.07875)."""

    def __init__(self, *, clip: float = 0.01) -> None:
        if clip <= 0:
            raise ValueError(f"clip = {clip} is refused; allowed: above 0")
        self.clip = clip  # c

    @torch.no_grad()
    def constrain(self, discriminator: nn.Module) -> None:
        for weight in discriminator.parameters():
            weight.clamp_(-self.clip, self.clip)


@adversarial.register("wgan-gp")
class WassersteinPenalty(Wasserstein):
    """Bounded by a penalty on the judge's gradient (Gulrajani et al. 2017, algorithm 1, https://arxiv.org/abs/1704.00028)."""

    def __init__(self, *, penalty_weight: float = 10.0) -> None:
        self.penalty_weight = penalty_weight  # lambda

    def discriminator(self, judge: Judge, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        penalty = self.penalty_weight * gradient_penalty(judge, real, fake)
        return super().discriminator(judge, real, fake) | {"penalty": penalty}


@adversarial.register("relativistic")
class RelativisticAverage(Adversarial):
    """Whether an image looks more real than those of the other kind do on average (Jolicoeur-Martineau 2018, section
    4.2, https://arxiv.org/abs/1807.00734).

    In the form of BasicSR, with which ESRGAN was published (section 3.2, https://arxiv.org/abs/1809.00219): every term
    is halved, and the averages that the discriminator compares with have no gradient.
    """

    compares = True

    def discriminator(self, judge: Judge, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        real_logits, fake_logits = at_least_float32(judge(real)), at_least_float32(judge(fake))
        return {
            "real": 0.5 * cross_entropy(real_logits - fake_logits.detach().mean(), 1.0),
            "fake": 0.5 * cross_entropy(fake_logits - real_logits.detach().mean(), 0.0),
        }

    def generator(self, judge: Judge, fake: Tensor, real: Tensor) -> Tensor:
        real_logits, fake_logits = at_least_float32(judge(real)).detach(), at_least_float32(judge(fake))
        less_real = cross_entropy(real_logits - fake_logits.mean(), 0.0)
        more_real = cross_entropy(fake_logits - real_logits.mean(), 1.0)
        return 0.5 * (less_real + more_real)


def _smoothed(smoothing: float) -> float:
    """The target for real images. Raises ValueError outside [0, 0.5): from there on real would mean fake."""
    if not 0 <= smoothing < 0.5:
        raise ValueError(f"smoothing = {smoothing} is refused; allowed: from 0 to below 0.5")
    return 1.0 - smoothing
