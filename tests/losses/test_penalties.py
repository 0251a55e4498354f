import pytest
import torch
from torch import Tensor, nn

from i2i.losses.penalties import gradient_penalty, path_lengths, penalty_terms, r1_penalty, squared_slope
from i2i.registry import adversarial

REAL, FAKE = torch.zeros(4, 3, 8, 8), torch.ones(4, 3, 8, 8)


def critic(weight: Tensor):
    """A judge with one logit: the product of its weight with all of an image."""
    return lambda image: (image.flatten(1) @ weight)[:, None]


def test_penalty_of_a_linear_critic_is_its_slope_minus_one_squared():
    torch.manual_seed(0)
    weight = torch.randn(192)
    slope = weight.norm().item()
    real, fake = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8)
    assert gradient_penalty(critic(weight), real, fake).item() == pytest.approx((slope - 1) ** 2, rel=1e-5)
    assert gradient_penalty(critic(weight / slope), real, fake).item() == pytest.approx(0, abs=1e-10)


def test_penalty_pulls_the_slope_of_a_critic_to_one():
    weight = torch.full((192,), 0.5, requires_grad=True)
    slope = weight.norm().item()
    (gradient,) = torch.autograd.grad(gradient_penalty(critic(weight), REAL, FAKE), weight)
    torch.testing.assert_close(gradient, 2 * (slope - 1) * weight.detach() / slope)


def test_penalty_of_a_map_of_logits_is_that_of_their_mean():
    weight = torch.linspace(-1, 1, 192)
    patches = lambda image: critic(weight)(image)[:, :, None, None].expand(-1, 1, 5, 5)  # noqa: E731
    torch.testing.assert_close(gradient_penalty(patches, REAL, FAKE), gradient_penalty(critic(weight), REAL, FAKE))


def test_penalty_is_taken_between_real_and_fake_at_a_place_of_each_image():
    judged = []

    def judge(image: Tensor) -> Tensor:
        judged.append(image.detach())
        return image.sum(dim=(1, 2, 3))

    gradient_penalty(judge, REAL, FAKE)
    places = judged[0].flatten(1)
    assert torch.equal(places, places[:, :1].expand_as(places))  # one epsilon for all pixels of an image
    assert ((places > 0) & (places < 1)).all()
    assert len(places[:, 0].unique()) == len(REAL)


def test_penalty_is_float32_under_autocast():
    judge = nn.Conv2d(3, 1, 8)
    real, fake = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8)
    torch.manual_seed(0)
    expected = gradient_penalty(judge, real, fake)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        found = gradient_penalty(judge, real, fake)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_only_wgan_gp_has_a_penalty_and_its_weight_counts():
    weight = torch.linspace(-1, 1, 192)
    expected = 7 * gradient_penalty(critic(weight), REAL, FAKE)
    found = penalty_terms(adversarial["wgan-gp"](penalty_weight=7.0), critic(weight), REAL, FAKE, step=1)
    torch.testing.assert_close(found, {"penalty": expected})
    for name in set(adversarial) - {"wgan-gp"}:
        assert penalty_terms(adversarial[name](), critic(weight), REAL, FAKE, step=0) == {}


@pytest.mark.parametrize("name", ["hinge", "lsgan", "relativistic", "rpgan", "vanilla"])
def test_any_objective_has_r1_and_r2_at_every_so_many_steps_and_as_many_times_as_large(name):
    judge = lambda image: image.square().flatten(1).sum(1, keepdim=True) / 2  # noqa: E731, its gradient is the image
    objective = adversarial[name](r1_weight=5.0, r2_weight=2.0, r1_every=3)
    real, fake = torch.full((4, 1, 2, 2), 3.0), torch.full((4, 1, 2, 2), 0.5)
    for step in range(7):
        found = penalty_terms(objective, judge, real, fake, step=step)
        expected = {} if step % 3 else {"r1": 5 / 2 * 3 * 36.0, "r2": 2 / 2 * 3 * 1.0}
        assert {term: value.item() for term, value in found.items()} == pytest.approx(expected)


def test_a_slope_is_that_of_the_logits_of_a_pass_that_is_there():
    images = torch.randn(4, 3, 5, 5, requires_grad=True)
    judge = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Tanh())
    torch.testing.assert_close(squared_slope(judge(images), images), r1_penalty(judge, images))


def test_r1_of_several_scales_is_that_of_the_mean_of_their_means():
    real = torch.randn(2, 1, 4, 4)
    found = r1_penalty(lambda image: (3 * image, image[..., :1, :1]), real)
    gradient = torch.full((1, 4, 4), 3 / 16 / 2)
    gradient[0, 0, 0] += 1 / 2
    torch.testing.assert_close(found, gradient.square().sum())


def test_r1_of_a_quadratic_is_known():
    """D(x) = a |x|^2 / 2 has the gradient a x, so R1 is a^2 times the mean squared norm."""
    real = torch.randn(4, 3, 5, 5)
    found = r1_penalty(lambda image: 1.5 * image.square().flatten(1).sum(1, keepdim=True), real)
    torch.testing.assert_close(found, 9 * real.square().sum((1, 2, 3)).mean())


def test_r1_of_a_linear_judge_is_the_squared_norm_of_its_weight_and_has_its_gradient():
    weight = torch.randn(3 * 5 * 5, requires_grad=True)
    found = r1_penalty(lambda image: image.flatten(1) @ weight, torch.randn(4, 3, 5, 5))
    torch.testing.assert_close(found, weight.square().sum())
    found.backward()
    torch.testing.assert_close(weight.grad, 2 * weight.detach())


def test_r1_of_a_map_of_logits_is_that_of_its_mean():
    real = torch.randn(2, 1, 4, 4)
    torch.testing.assert_close(r1_penalty(lambda image: 3 * image, real), torch.tensor(9 / 16))


def test_r1_leaves_the_images_alone_and_is_at_least_float32():
    real = torch.randn(2, 1, 4, 4, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        assert r1_penalty(lambda image: image.square().sum((1, 2, 3)), real).dtype == torch.float32
    assert not real.requires_grad and real.grad is None


def linear(factor: Tensor, w: Tensor) -> Tensor:
    """Images (N, 1, 4, 4) of w (N, 8) by one matrix (8, 16)."""
    return (w @ factor).reshape(-1, 1, 4, 4)


def test_path_lengths_of_a_linear_map_are_those_of_the_transposed_map():
    factor, w, noise = torch.randn(8, 16), torch.randn(5, 8, requires_grad=True), torch.randn(5, 1, 4, 4)
    found = path_lengths(linear(factor, w), w, noise)
    torch.testing.assert_close(found, (noise.flatten(1) @ factor.T).norm(dim=1))


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_path_lengths_of_an_orthogonal_map_are_its_scale(scale):
    orthogonal, _ = torch.linalg.qr(torch.randn(16, 16))
    w = torch.randn(2000, 16, requires_grad=True)
    noise = torch.randn(2000, 1, 4, 4) / 4  # the variance is 1 / (H W)
    lengths = path_lengths(linear(scale * orthogonal, w), w, noise)
    torch.testing.assert_close(lengths, scale * noise.flatten(1).norm(dim=1))
    assert lengths.square().mean().item() == pytest.approx(scale**2, rel=0.05)


def test_path_lengths_take_the_mean_over_layers_and_can_be_learned_from():
    factors = torch.randn(3, 8, 16, requires_grad=True)
    w, noise = torch.randn(5, 3, 8, requires_grad=True), torch.randn(5, 1, 4, 4)
    image = torch.einsum("nls,lsp->np", w, factors).reshape(5, 1, 4, 4)
    lengths = path_lengths(image, w, noise)
    of_layers = torch.stack([noise.flatten(1) @ factor.T for factor in factors])
    torch.testing.assert_close(lengths, of_layers.square().sum(2).mean(0).sqrt())
    lengths.sum().backward()
    assert factors.grad is not None and factors.grad.any()
