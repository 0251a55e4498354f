import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from i2i.losses.adversarial import Adversarial, mean_by_image, reference_logits
from i2i.registry import adversarial

OBJECTIVES = list(adversarial)


def logits(value: float) -> Tensor:
    """A map of equal logits."""
    return torch.full((4, 1, 2, 2), value)


@pytest.mark.parametrize(
    ("name", "real", "fake", "terms"),
    [
        ("vanilla", 0.0, 0.0, (math.log(2), math.log(2))),
        ("vanilla", 3.0, -1.0, (math.log1p(math.exp(-3)), math.log1p(math.exp(-1)))),
        ("lsgan", 1.0, 0.0, (0, 0)),
        ("lsgan", 3.0, -1.0, (4, 1)),
        ("hinge", 1.0, -1.0, (0, 0)),
        ("hinge", 5.0, -5.0, (0, 0)),
        ("hinge", -2.0, 0.5, (3, 1.5)),
        ("wgan", 3.0, -1.0, (-3, -1)),
        ("wgan-gp", 3.0, -1.0, (-3, -1)),
        ("rpgan", 1.0, -1.0, (math.log1p(math.exp(-2)) / 2, math.log1p(math.exp(-2)) / 2)),
        ("relativistic", 3.0, 3.0, (math.log(2) / 2, math.log(2) / 2)),
        ("relativistic", 1.0, -1.0, (math.log1p(math.exp(-2)) / 2, math.log1p(math.exp(-2)) / 2)),
    ],
)
def test_discriminator_terms_have_their_closed_form(name, real, fake, terms):
    found = adversarial[name]().discriminator(logits(real), logits(fake))
    assert list(found) == ["real", "fake"]
    assert (found["real"].item(), found["fake"].item()) == pytest.approx(terms)


@pytest.mark.parametrize(
    ("name", "logit", "expected"),
    [
        ("vanilla", 0.0, math.log(2)),
        ("vanilla", -2.0, math.log1p(math.exp(2))),  # non-saturating: grows without bound where the fake is plain
        ("lsgan", 1.0, 0.0),
        ("lsgan", -1.0, 4.0),
        ("hinge", 7.0, -7.0),
        ("wgan", 7.0, -7.0),
        ("wgan-gp", 7.0, -7.0),
        ("rpgan", -2.0, math.log1p(math.exp(2))),
        ("relativistic", 0.0, math.log(2)),
        ("relativistic", -2.0, math.log1p(math.exp(2))),
    ],
)
def test_generator_terms_have_their_closed_form(name, logit, expected):
    assert adversarial[name]().generator(logits(logit), logits(0.0)).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_terms_of_several_scales_are_means_over_scales_whatever_their_sizes(name):
    objective = adversarial[name]()
    sizes = [(4, 1, 6, 6), (4, 1, 2, 3), (4, 1)]
    real, fake = (tuple(torch.randn(size) for size in sizes) for _ in range(2))
    of_scales = [objective.discriminator(*each) for each in zip(real, fake, strict=True)]
    expected = {key: torch.stack([terms[key] for terms in of_scales]).mean() for key in ("real", "fake")}
    torch.testing.assert_close(objective.discriminator(fake_logits=fake, real_logits=real), expected)
    found = objective.generator(fake, real)
    expected = torch.stack([objective.generator(*each) for each in zip(fake, real, strict=True)]).mean()
    torch.testing.assert_close(found, expected)


def test_an_objective_that_knows_tensors_alone_takes_logits_of_several_scales():
    class Logistic(Adversarial):
        def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
            return {"real": softplus(-real_logits).mean(), "fake": softplus(fake_logits).mean()}

        def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
            return softplus(-fake_logits).mean()

    found = Logistic().generator((logits(2.0), torch.zeros(4, 1, 1, 1)))
    assert found.item() == pytest.approx((math.log1p(math.exp(-2)) + math.log(2)) / 2)


def test_a_mean_by_image_counts_scales_the_same():
    scales = torch.arange(8.0).reshape(2, 1, 2, 2), torch.tensor([[10.0], [20.0]])
    assert mean_by_image(scales).tolist() == [(1.5 + 10) / 2, (5.5 + 20) / 2]
    assert mean_by_image(scales[0]).tolist() == [1.5, 5.5]


def test_reference_logits_are_those_of_real_images_for_a_relativistic_objective_only():
    weight = torch.ones((), requires_grad=True)
    judge = lambda image: weight * image  # noqa: E731
    assert reference_logits(adversarial["lsgan"](), judge, logits(2.0)) is None
    found = reference_logits(adversarial["relativistic"](), judge, logits(2.0))
    assert torch.equal(found, logits(2.0)) and not found.requires_grad


@pytest.mark.parametrize("name", OBJECTIVES)
def test_generators_raise_the_logits_of_fakes_and_discriminators_those_of_real_images(name):
    objective = adversarial[name]()
    real, fake = logits(0.2).requires_grad_(), logits(0.1).requires_grad_()
    for_real, for_fake = torch.autograd.grad(sum(objective.discriminator(real, fake).values()), [real, fake])
    assert (for_real < 0).all() and (for_fake > 0).all()
    assert (torch.autograd.grad(objective.generator(fake, real), fake)[0] < 0).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_only_a_relativistic_generator_needs_real_logits(name):
    objective = adversarial[name]()
    if objective.relativistic:
        with pytest.raises(ValueError, match="relativistic needs logits of real images"):
            objective.generator(logits(0.0))
    else:
        assert objective.generator(logits(0.3)) == objective.generator(logits(0.3), logits(9.0))


@pytest.mark.parametrize("name", ["vanilla", "lsgan"])
def test_smoothing_is_one_sided(name):
    plain, smooth = adversarial[name](), adversarial[name](smoothing=0.1)
    before, after = (each.discriminator(logits(0.3), logits(-0.2)) for each in (plain, smooth))
    assert before["real"] != after["real"]
    assert before["fake"] == after["fake"]
    assert plain.generator(logits(-0.2)) == smooth.generator(logits(-0.2))


@pytest.mark.parametrize(("name", "optimum"), [("vanilla", math.log(0.9 / 0.1)), ("lsgan", 0.9)])
def test_smoothing_moves_the_best_logit_for_real_images(name, optimum):
    logit = torch.tensor([optimum], requires_grad=True)
    term = adversarial[name](smoothing=0.1).discriminator(logit, logits(0.0))["real"]
    assert torch.autograd.grad(term, logit)[0].item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("smoothing", [-0.1, 0.5, 1.0])
def test_smoothing_that_would_make_real_mean_fake_is_refused(smoothing):
    with pytest.raises(ValueError, match=f"smoothing = {smoothing} is refused; allowed: from 0 to below 0.5"):
        adversarial["lsgan"](smoothing=smoothing)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize(("given", "expected"), [(torch.bfloat16, torch.float32), (torch.float64, torch.float64)])
def test_terms_are_float32_or_better(name, given, expected):
    objective, real, fake = adversarial[name](), logits(0.3).to(given), logits(-0.2).to(given)
    terms = [*objective.discriminator(real, fake).values(), objective.generator(fake, real)]
    assert all(term.dtype == expected and term.ndim == 0 for term in terms)


def test_relativistic_logits_are_compared_with_the_average_of_the_other_kind():
    real, fake, objective = torch.tensor([1.0, 5.0]), torch.tensor([-2.0, 0.0, 2.0]), adversarial["relativistic"]()
    expected = {"real": softplus(-(real - fake.mean())).mean() / 2, "fake": softplus(fake - real.mean()).mean() / 2}
    torch.testing.assert_close(objective.discriminator(real, fake), expected)
    expected = softplus(real - fake.mean()).mean() / 2 + softplus(-(fake - real.mean())).mean() / 2
    torch.testing.assert_close(objective.generator(fake, real), expected)


def test_paired_logits_are_compared_one_by_one():
    real, fake, objective = torch.tensor([1.0, 5.0]), torch.tensor([-2.0, 4.0]), adversarial["rpgan"]()
    expected = torch.stack([softplus(torch.tensor(-3.0)), softplus(torch.tensor(-1.0))]).mean()
    torch.testing.assert_close(sum(objective.discriminator(real, fake).values()), expected)
    expected = torch.stack([softplus(torch.tensor(3.0)), softplus(torch.tensor(1.0))]).mean()
    torch.testing.assert_close(objective.generator(fake, real), expected)
    with pytest.raises(ValueError, match="there are 2 and 1; choose relativistic"):
        objective.generator(fake[:1], real)


def test_relativistic_averages_have_no_gradient_for_the_discriminator_but_for_the_generator():
    real, fake = torch.tensor([1.0], requires_grad=True), torch.tensor([-0.5], requires_grad=True)
    objective, gap = adversarial["relativistic"](), math.exp(-1.5) / (1 + math.exp(-1.5))
    gradients = torch.autograd.grad(objective.discriminator(real, fake)["real"], [real, fake], allow_unused=True)
    assert gradients[0].item() == pytest.approx(-gap / 2) and gradients[1] is None
    gradients = torch.autograd.grad(objective.discriminator(real, fake)["fake"], [real, fake], allow_unused=True)
    assert gradients[0] is None and gradients[1].item() == pytest.approx(gap / 2)
    gradients = torch.autograd.grad(objective.generator(fake, real), [real, fake], allow_unused=True)
    assert gradients[0] is None
    assert gradients[1].item() == pytest.approx(-(1 - gap))  # half by its own term, half by the average


def test_wgan_clips_every_weight_in_place_and_others_none():
    for name in OBJECTIVES:
        critic = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))
        before = [weight.detach().clone() for weight in critic.parameters()]
        objective = adversarial[name]()
        objective.constrain(critic)
        for weight, old in zip(critic.parameters(), before, strict=True):
            assert torch.equal(weight, old.clamp(-objective.clip, objective.clip) if name == "wgan" else old)
            assert weight.requires_grad


def test_clip_must_leave_room():
    with pytest.raises(ValueError, match=r"clip = 0.0 is refused; allowed: above 0"):
        adversarial["wgan"](clip=0.0)
