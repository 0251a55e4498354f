import pytest
import torch

from i2i.losses.penalties import penalty_terms
from i2i.networks.discriminators import Discriminator
from i2i.registry import adversarial, discriminators

SMALL = {"patchgan": {"layers": 2}, "pixelgan": {}, "dcgan": {"size": 32}}


def small(name: str, **options) -> Discriminator:
    torch.manual_seed(0)
    return discriminators[name](**{**SMALL[name], "features": 4, "init_gain": 0.3, **options})


def real_and_fake() -> tuple[torch.Tensor, torch.Tensor]:
    """A few bright pixels among dark ones, and the inverse: batch norm evens out brightness, but not this."""
    torch.manual_seed(1)
    return 2 * torch.rand(4, 3, 32, 32) ** 4 - 1, 1 - 2 * torch.rand(4, 3, 32, 32) ** 4


@pytest.mark.parametrize("spectral_norm", [False, True])
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("name", SMALL)
def test_every_discriminator_learns_to_separate_real_from_fake(name, norm, spectral_norm):
    judge = small(name, norm=norm, spectral_norm=spectral_norm, init="xavier", init_gain=1.0)
    assert _lead_after_learning(judge, "lsgan") > 0.15


@pytest.mark.parametrize("objective", list(adversarial))
def test_every_objective_teaches_to_separate_real_from_fake(objective):
    # Small weights, because that of WGAN clips them to 0.01: their logits differ by little as well.
    judge = small("patchgan", norm="none", init_gain=0.05)
    assert _lead_after_learning(judge, objective) > 0


def _lead_after_learning(judge: Discriminator, objective: str, steps: int = 20) -> float:
    """By how much real logits exceed fake ones on average after a few steps, beyond what they did at the start."""
    real, fake = real_and_fake()
    loss = adversarial[objective]()
    optimizer = torch.optim.Adam(judge.parameters(), 5e-3)
    loss.constrain(judge)
    before = _lead(judge, real, fake)
    for _ in range(steps):
        optimizer.zero_grad()
        terms = loss.discriminator(judge(real), judge(fake)) | penalty_terms(loss, judge, real, fake, step=0)
        sum(terms.values()).backward()
        optimizer.step()
        loss.constrain(judge)
    return _lead(judge, real, fake) - before


@torch.no_grad()
def _lead(judge: Discriminator, real: torch.Tensor, fake: torch.Tensor) -> float:
    return (judge(real).mean() - judge(fake).mean()).item()


@pytest.mark.parametrize("name", SMALL)
def test_spectral_norm_makes_the_scale_of_the_weights_irrelevant(name):
    image = torch.rand(1, 3, 32, 32)
    weak = small(name, norm="none", spectral_norm=True, init_gain=0.01).eval()
    strong = small(name, norm="none", spectral_norm=True, init_gain=1.0).eval()
    torch.testing.assert_close(weak(image), strong(image))


@pytest.mark.parametrize("name", SMALL)
def test_channels_may_be_those_of_source_and_target(name):
    judge = small(name, in_channels=7)
    assert judge(torch.zeros(2, 7, 32, 32)).shape[:2] == (2, 1)
