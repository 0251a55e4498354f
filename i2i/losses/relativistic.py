"""Relativistic objectives: logits of real images less those of fakes, and the other way round.

Jolicoeur-Martineau 2018: The relativistic discriminator, https://arxiv.org/abs/1807.00734.
"""

from torch import Tensor

from i2i.losses.adversarial import Adversarial, cross_entropy, mean
from i2i.registry import adversarial


@adversarial.register("relativistic")
class RelativisticAverage(Adversarial):
    """RaGAN (Jolicoeur-Martineau 2018): cross-entropy of logits less the mean logit of the other kind.

    Section 4.2, https://arxiv.org/abs/1807.00734; in the form of BasicSR, with which ESRGAN was published (section 3.2,
    https://arxiv.org/abs/1809.00219): every term is halved, and the discriminator's means have no gradient.
    """

    relativistic = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        return {
            "real": 0.5 * cross_entropy(real_logits - mean(fake_logits).detach(), 1.0),
            "fake": 0.5 * cross_entropy(fake_logits - mean(real_logits).detach(), 0.0),
        }

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Raises ValueError without `real_logits`, which have no gradient here."""
        real_logits = _reference(real_logits)
        less_real = cross_entropy(real_logits - mean(fake_logits), 0.0)
        more_real = cross_entropy(fake_logits - mean(real_logits), 1.0)
        return 0.5 * (less_real + more_real)


@adversarial.register("rpgan")
class RelativisticPairing(Adversarial):
    """RpGAN (Jolicoeur-Martineau 2018): cross-entropy of the logit of a real image less that of the fake beside it.

    Section 4.1, https://arxiv.org/abs/1807.00734; with `r1_weight` and `r2_weight` the objective of R3GAN (Huang 2024,
    section 2, https://arxiv.org/abs/2501.05441). Its one term is half "real", half "fake". Raises ValueError where
    there are not as many real images as fakes.
    """

    relativistic = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        half = 0.5 * cross_entropy(_difference(real_logits, fake_logits), 1.0)
        return {"real": half, "fake": half}

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Raises ValueError without `real_logits`, which have no gradient here."""
        return cross_entropy(_difference(fake_logits, _reference(real_logits)), 1.0)


def _difference(logits: Tensor, others: Tensor) -> Tensor:
    if logits.shape != others.shape:
        raise ValueError(
            f"method.adversarial: rpgan pairs real images with fakes, but there are {len(others)} and {len(logits)}; "
            "choose relativistic, which compares with means"
        )
    return logits - others


def _reference(real_logits: Tensor | None) -> Tensor:
    if real_logits is None:
        raise ValueError("method.adversarial: relativistic needs logits of real images, which this method has not")
    return real_logits.detach()
