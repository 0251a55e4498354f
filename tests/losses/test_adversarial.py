import math

import pytest
import torch
from torch import Tensor, nn

from i2i.losses.adversarial import gradient_penalty
from i2i.registry import adversarial

REAL, FAKE = torch.zeros(4, 3, 8, 8), torch.ones(4, 3, 8, 8)


def oracle(real: float, fake: float):
    """A judge that knows REAL from FAKE and gives a map of these logits."""
    return lambda image: torch.full((len(image), 1, 2, 2), real if image.mean() == 0 else fake)


def linear(weight: Tensor):
    """A critic with one logit: the product of its weight with all of an image."""
    return lambda image: (image.flatten(1) @ weight)[:, None]


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
        ("relativistic", 3.0, 3.0, (math.log(2) / 2, math.log(2) / 2)),
        ("relativistic", 1.0, -1.0, (math.log1p(math.exp(-2)) / 2, math.log1p(math.exp(-2)) / 2)),
    ],
)
def test_discriminator_terms_have_their_closed_form(name, real, fake, terms):
    loss = adversarial[name](penalty_weight=0.0) if name == "wgan-gp" else adversarial[name]()
    # The penalty needs a judge with a gradient; this one's is zero.
    judge = oracle(real, fake)
    found = loss.discriminator(lambda image: judge(image.detach()) + 0 * image.mean(), REAL, FAKE)
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
        ("relativistic", 0.0, math.log(2)),
        ("relativistic", -2.0, math.log1p(math.exp(2))),
    ],
)
def test_generator_terms_have_their_closed_form(name, logit, expected):
    assert adversarial[name]().generator(oracle(0.0, logit), FAKE, REAL).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", list(adversarial))
def test_generators_want_higher_logits_for_fakes_and_discriminators_the_opposite(name):
    loss = adversarial[name]()
    shift = torch.zeros(2, requires_grad=True)  # of the logits of real images and fakes

    def judge(image: Tensor) -> Tensor:
        return image.mean(dim=(1, 2, 3)) * 0.1 + torch.where(image.mean() == 0, shift[0], shift[1])

    for_real, for_fake = torch.autograd.grad(sum(loss.discriminator(judge, REAL, FAKE).values()), shift)[0]
    assert for_real < 0 < for_fake
    assert torch.autograd.grad(loss.generator(judge, FAKE, REAL), shift)[0][1] < 0


@pytest.mark.parametrize("name", ["vanilla", "lsgan"])
def test_smoothing_is_one_sided(name):
    plain, smooth = adversarial[name](), adversarial[name](smoothing=0.1)
    judge = oracle(0.3, -0.2)
    before, after = plain.discriminator(judge, REAL, FAKE), smooth.discriminator(judge, REAL, FAKE)
    assert before["real"] != after["real"]
    assert before["fake"] == after["fake"]
    assert plain.generator(judge, FAKE, REAL) == smooth.generator(judge, FAKE, REAL)


@pytest.mark.parametrize(("name", "optimum"), [("vanilla", math.log(0.9 / 0.1)), ("lsgan", 0.9)])
def test_smoothing_moves_the_best_logit_for_real_images(name, optimum):
    logit = torch.tensor([optimum], requires_grad=True)
    term = adversarial[name](smoothing=0.1).on_real(logit)
    assert torch.autograd.grad(term, logit)[0].item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("smoothing", [-0.1, 0.5, 1.0])
def test_smoothing_that_would_make_real_mean_fake_is_refused(smoothing):
    with pytest.raises(ValueError, match=f"smoothing = {smoothing} is refused; allowed: from 0 to below 0.5"):
        adversarial["lsgan"](smoothing=smoothing)


@pytest.mark.parametrize("name", list(adversarial))
def test_real_images_and_fakes_are_judged_in_calls_of_their_own(name):
    seen = []

    def judge(image: Tensor) -> Tensor:
        seen.append((len(image), image.mean().item()))
        return image.mean(dim=(1, 2, 3))

    adversarial[name]().discriminator(judge, REAL, FAKE)
    assert seen.count((4, 0.0)) == seen.count((4, 1.0)) == 1


@pytest.mark.parametrize("name", list(adversarial))
def test_terms_are_float32_also_from_half_precision_logits(name):
    loss = adversarial[name]()

    def judge(image: Tensor) -> Tensor:
        return image.mean(dim=(1, 2, 3)).bfloat16()

    terms = [*loss.discriminator(judge, REAL, FAKE).values(), loss.generator(judge, FAKE, REAL)]
    assert all(term.dtype == torch.float32 and term.ndim == 0 for term in terms)


def test_relativistic_logits_are_compared_with_the_average_of_the_other_kind():
    real, fake = torch.tensor([1.0, 5.0]), torch.tensor([-2.0, 0.0, 2.0])
    judge = lambda image: real if image.mean() == 0 else fake  # noqa: E731
    softplus = nn.functional.softplus
    expected = {"real": softplus(-(real - fake.mean())).mean() / 2, "fake": softplus(fake - real.mean()).mean() / 2}
    torch.testing.assert_close(adversarial["relativistic"]().discriminator(judge, REAL, FAKE), expected)
    fooled = softplus(real - fake.mean()).mean() / 2 + softplus(-(fake - real.mean())).mean() / 2
    torch.testing.assert_close(adversarial["relativistic"]().generator(judge, FAKE, REAL), fooled)


def test_relativistic_averages_have_no_gradient_for_the_discriminator_but_for_the_generator():
    logits = torch.tensor([1.0, -0.5], requires_grad=True)  # of real images and of fakes
    judge = lambda image: (logits[0] if image.mean() == 0 else logits[1])[None]  # noqa: E731
    loss, gap = adversarial["relativistic"](), math.exp(-1.5) / (1 + math.exp(-1.5))
    (gradient,) = torch.autograd.grad(loss.discriminator(judge, REAL, FAKE)["real"], logits)
    torch.testing.assert_close(gradient, torch.tensor([-gap / 2, 0]))
    (gradient,) = torch.autograd.grad(loss.generator(judge, FAKE, REAL), logits)
    torch.testing.assert_close(gradient, torch.tensor([0, -(1 - gap)]))  # half by its own term, half by the average


def test_penalty_of_a_linear_critic_is_its_slope_minus_one_squared():
    torch.manual_seed(0)
    weight = torch.randn(192)
    slope = weight.norm().item()
    loss = adversarial["wgan-gp"](penalty_weight=10.0)
    real, fake = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8)
    penalty = loss.discriminator(linear(weight), real, fake)["penalty"].item()
    assert penalty == pytest.approx(10 * (slope - 1) ** 2, rel=1e-5)
    assert gradient_penalty(linear(weight / slope), real, fake).item() == pytest.approx(0, abs=1e-10)


def test_penalty_pulls_the_slope_of_a_critic_to_one():
    weight = torch.full((192,), 0.5, requires_grad=True)
    slope = weight.norm().item()
    (gradient,) = torch.autograd.grad(gradient_penalty(linear(weight), REAL, FAKE), weight)
    torch.testing.assert_close(gradient, 2 * (slope - 1) * weight.detach() / slope)


def test_penalty_of_a_map_of_logits_is_that_of_their_mean():
    weight = torch.linspace(-1, 1, 192)
    patches = lambda image: linear(weight)(image)[:, :, None, None].expand(-1, 1, 5, 5)  # noqa: E731
    torch.testing.assert_close(gradient_penalty(patches, REAL, FAKE), gradient_penalty(linear(weight), REAL, FAKE))


def test_penalty_is_taken_between_real_and_fake_at_a_place_of_each_image():
    seen = []

    def judge(image: Tensor) -> Tensor:
        seen.append(image.detach())
        return image.sum(dim=(1, 2, 3))

    gradient_penalty(judge, REAL, FAKE)
    places = seen[0].flatten(1)
    assert torch.equal(places, places[:, :1].expand_as(places))  # one epsilon for all pixels of an image
    assert ((places > 0) & (places < 1)).all()
    assert len(places[:, 0].unique()) == len(REAL)


def test_penalty_is_float32_under_autocast():
    critic = nn.Conv2d(3, 1, 8)
    real, fake = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8)
    expected = gradient_penalty(critic, real, fake)
    with torch.autocast("cpu", torch.bfloat16):
        found = gradient_penalty(critic, real, fake)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_wgan_clips_every_weight_in_place_and_others_none():
    for name in adversarial:
        critic = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))
        before = [weight.detach().clone() for weight in critic.parameters()]
        loss = adversarial[name]()
        loss.constrain(critic)
        for weight, old in zip(critic.parameters(), before, strict=True):
            assert torch.equal(weight, old.clamp(-loss.clip, loss.clip) if name == "wgan" else old)
            assert weight.requires_grad


def test_clip_must_leave_room():
    with pytest.raises(ValueError, match=r"clip = 0.0 is refused; allowed: above 0"):
        adversarial["wgan"](clip=0.0)
