import math
from copy import deepcopy

import pytest
import torch
from torch import Tensor

from i2i import recipe, registry
from i2i.data.batch import Images
from i2i.losses.penalties import path_lengths, r1_penalty
from i2i.methods.stylegan2 import StyleGAN2, blurred
from i2i.metrics.sliced_wasserstein import sliced_wasserstein_distance
from i2i.networks.augmentation.ada import AdaptiveAugmentation
from i2i.recipe import Optimizer, components
from i2i.training.update import TrainingUpdate

TINY = [
    *("method.size=32", "method.generator.features=8", "method.discriminator.features=8"),
    *("method.generator.latent=8", "method.generator.style=8", "method.generator.mapping_layers=2"),
    *("method.discriminator.mapping_layers=2", "method.discriminator.group=4"),
]


def build(*overrides: str) -> StyleGAN2:
    torch.manual_seed(0)
    return components.build(registry.methods, load(*TINY, *overrides).method)


def load(*overrides: str) -> recipe.Recipe:
    return recipe.load(recipe.find("stylegan2"), ["unused"], list(overrides))


def batch(number: int = 4, size: int = 32, classes: int = 1) -> Images:
    return Images(torch.rand(number, 3, size, size) * 2 - 1, torch.arange(number) % classes)


class Recording:
    """An update that changes nothing and keeps the terms of every call."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.calls: list[tuple[str, dict[str, Tensor]]] = []

    def __call__(self, player: str, **terms: Tensor) -> None:
        self.calls.append((player, terms))

    def accumulate(self, player: str, **terms: Tensor) -> None:
        raise AssertionError("not used")

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        return tensor

    def names(self) -> list[tuple[str, ...]]:
        return [(player, *terms) for player, terms in self.calls]


@pytest.mark.parametrize(("step", "path", "r1"), [(0, 1, 1), (1, 0, 0), (4, 1, 0), (8, 1, 0), (15, 0, 0), (16, 1, 1)])
def test_penalties_are_lazy_and_steps_of_their_own(step, path, r1):
    update = Recording(step)
    build().training_step(batch(), update)
    assert update.names() == [
        ("generator", "gan"),
        *[("generator", "path")] * path,
        ("discriminator", "real", "fake"),
        *[("discriminator", "r1")] * r1,
    ]


def test_penalties_of_no_weight_are_left_out():
    update = Recording(0)
    build("method.r1_weight=0", "method.path_weight=0").training_step(batch(), update)
    assert update.names() == [("generator", "gan"), ("discriminator", "real", "fake")]


def test_r1_is_as_many_times_as_large_as_it_is_rare():
    method, update, images = build("method.augment=none", "method.r1_weight=3"), Recording(0), batch()
    method.training_step(images, update)
    expected = 3 / 2 * 16 * r1_penalty(method.discriminator, images.image)
    torch.testing.assert_close(update.calls[-1][1]["r1"], expected)


def test_the_path_penalty_is_the_distance_to_a_mean_that_follows_slowly(monkeypatch):
    method, seen = build(), []

    def watched(image: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        assert noise.square().mean().item() == pytest.approx(1 / 32**2, rel=0.1)
        seen.append(path_lengths(image, w, noise))
        return seen[-1]

    monkeypatch.setattr("i2i.methods.stylegan2.path_lengths", watched)
    mean = 0.0
    for step in (0, 4, 8):
        update = Recording(step)
        method.training_step(batch(6), update)
        assert len(seen[-1]) == 3, "half a batch pays"
        mean += 0.01 * (seen[-1].mean().item() - mean)
        assert method.mean_length.item() == pytest.approx(mean, rel=1e-4)
        assert update.calls[1][1]["path"].item() == pytest.approx(
            2 * 4 * (seen[-1] - mean).square().mean().item(), rel=1e-4
        )


@pytest.mark.parametrize("mixing", [0.0, 0.5, 1.0])
def test_mixed_styles_change_once_between_the_layers(mixing):
    method = build(f"method.mixing={mixing}", "method.mixing_draw=image")
    w = method.draw_styles(torch.zeros(400, dtype=torch.long))
    changes = (w[:, 1:] != w[:, :-1]).any(2)
    assert changes.sum(1).max() <= 1
    assert changes.any(1).float().mean().item() == pytest.approx(mixing, abs=0.08)
    if mixing == 1:
        assert changes.any(0).all(), "at every layer"


def test_styles_are_mixed_alike_in_a_batch_as_published():
    method, label = build("method.mixing=0.5"), torch.zeros(3, dtype=torch.long)
    draws = [(w[:, 1:] != w[:, :-1]).any(2) for w in (method.draw_styles(label) for _ in range(60))]
    assert all(torch.equal(changes, changes[:1].expand_as(changes)) for changes in draws)
    assert 15 < sum(bool(changes.any()) for changes in draws) < 45
    assert torch.stack(draws).flatten(0, 1).any(0).all(), "at every layer"


def test_the_mean_style_moves_once_for_a_batch_not_for_styles_mixed_in(monkeypatch):
    method, (first, second) = build(), torch.randn(2, 4, 8)
    latents = iter([first, second])
    monkeypatch.setattr(method, "draw_latents", lambda label: next(latents))
    method.draw_styles(torch.zeros(4, dtype=torch.long))
    expected = 0.005 * method.generator.mapping(first, None).mean(0)
    torch.testing.assert_close(method.generator.mean_style, expected)


def test_a_step_trains_both_and_what_a_resume_needs_is_in_the_state():
    method, options = build("method.classes=3"), load().optimizer
    before = deepcopy(method.state_dict())
    images = batch(8, classes=3)
    update = TrainingUpdate(method.players(), options)
    method.training_step(images, update)
    trained = method.state_dict()
    embeddings = [f"{player}.mapping.embedding.weight" for player in ("generator", "discriminator")]
    for part in ("generator.constant", "generator.flat.0.strength", *embeddings):
        assert not torch.equal(trained[part], before[part]), part

    again = build("method.classes=3")
    again.load_state_dict(trained)
    resumed = TrainingUpdate(again.players(), options)
    resumed.load_state_dict(deepcopy(update.state_dict()))
    for each, steps in ((method, update), (again, resumed)):
        torch.manual_seed(1)
        for steps.step in range(1, 5):
            each.training_step(images, steps)
    torch.testing.assert_close(again.state_dict(), method.state_dict(), rtol=0, atol=0)


def flat_images(number: int, generator: torch.Generator) -> Tensor:
    """Of colours between two."""
    share = torch.rand(number, 1, 1, 1, generator=generator)
    first, second = torch.tensor([0.9, -0.5, 0.0]), torch.tensor([0.3, 0.7, -0.8])
    return (share * first[:, None, None] + (1 - share) * second[:, None, None]).expand(-1, -1, 32, 32)


@pytest.mark.parametrize("judge_learns", [True, False])
def test_it_learns_colours_in_seconds_from_a_judge_that_learns(judge_learns):
    method, generator = build("method.augment=none"), torch.Generator().manual_seed(0)
    update = TrainingUpdate(method.players(), Optimizer(lr=0.01, betas=(0.0, 0.99)))
    if not judge_learns:
        update.optimizers["discriminator"] = torch.optim.SGD([torch.zeros(1)])
    held_out, label = flat_images(64, generator), torch.zeros(64, dtype=torch.long)

    def distance() -> float:
        with torch.no_grad():
            return sliced_wasserstein_distance(method.generator(method.draw_latents(label)), held_out).item()

    before = distance()
    for update.step in range(40):
        method.training_step(Images(flat_images(4, generator), label[:4]), update)
    assert (distance() < 0.4 * before) == judge_learns


def test_a_step_in_half_precision_has_finite_losses():
    method = build()
    with torch.autocast("cpu", torch.bfloat16):
        method.training_step(batch(), TrainingUpdate(method.players(), load().optimizer))


@pytest.mark.parametrize("step", [1, pytest.param(0, marks=pytest.mark.slow)])  # penalties take most of a step
def test_the_published_run_takes_a_step_at_full_size(step):
    run = load()
    method = components.build(registry.methods, run.method)
    update = TrainingUpdate(method.players(), run.optimizer)
    update.step = step
    method.training_step(batch(1, 256), update)
    assert all(math.isfinite(term) for term in update.terms.values()) and len(update.terms) == (3 if step else 5)


def test_the_published_rates_are_corrected_for_lazy_penalties():
    optimizer, train = load().optimizer, load().train
    for player, every in (("generator", 4), ("discriminator", 16)):
        share = every / (every + 1)
        assert optimizer.of(player)["lr"] == pytest.approx(0.0025 * share)
        assert optimizer.of(player)["betas"] == pytest.approx((0.0, 0.99**share), abs=1e-6)
    assert train.ema == pytest.approx(0.5 ** (train.batch_size / 20_000), abs=1e-6)


def observed(augmentation: AdaptiveAugmentation, positive: int, steps: int, images: int = 100) -> float:
    """The probability after so many steps of logits of real images, `positive` of 10 of which are."""
    for step in range(steps):
        augmentation.observe(torch.tensor([1.0] * positive + [-1.0] * (10 - positive)))
        augmentation.adjust(Recording(step), images)
    return augmentation.probability.item()


def test_augmentation_grows_with_overfitting_and_shrinks_without():
    augmentation = AdaptiveAugmentation(target=0.6)
    assert observed(augmentation, 9, 40) == pytest.approx(10 * 4 * 100 / 500_000)  # a mean sign of 0.8
    assert observed(augmentation, 7, 20) == pytest.approx(5 * 4 * 100 / 500_000)  # 0.4
    assert observed(augmentation, 7, 400) == 0
    assert observed(augmentation, 10, 4, images=1_000_000) == 1


def test_the_augmentation_learns_from_real_images_alone_and_changes_fakes_too():
    method, images = build(), batch()
    method.training_step(images, Recording(1))
    assert method.augmentation.signs[1] == len(images.image)
    method.augmentation.probability.fill_(1.0)
    assert not torch.equal(method.judge(*images), method.judge(*images))


def test_r1_goes_through_the_augmentation():
    method, images = build(), batch()
    method.augmentation.probability.fill_(0.8)
    r1_penalty(lambda image: method.judge(image, images.label), images.image).backward()
    assert method.discriminator.stem[0].weight.grad.any()


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "method.generator.name=dcgan",
            "method.generator: DCGANGenerator has no styles to mix; choose from: stylegan2, stylegan3",
        ),
        ("method.mixing=1.5", "method.mixing = 1.5: allowed: up to 1"),
        ("method.augment_target=1.0", "augment_target = 1.0 is refused; allowed: between 0 and 1"),
        ("method.path_every=0", "method.path_every = 0: allowed: from 1"),
    ],
)
def test_options_that_make_no_run_are_refused(override, sentence):
    with pytest.raises(ValueError, match=sentence):
        components.build(registry.methods, load("method.size=32", override).method)


def test_the_probability_of_augmentation_is_logged() -> None:
    assert build("method.augment=ada").observed()["augmentation.probability"] == 0
    assert build("method.augment=none").observed() == {}


def test_what_is_judged_is_blurred_at_first_and_the_blur_fades() -> None:
    images = torch.zeros(1, 2, 41, 41)
    images[:, :, 20, 20] = 1
    found = blurred(images, 3.0)
    assert found.sum().item() == pytest.approx(2, rel=1e-5)
    assert (found[0, 0, 20, 23] / found[0, 0, 20, 20]).item() == pytest.approx(
        0.5
    )  # at one deviation, by powers of two
    torch.testing.assert_close(found, found.transpose(2, 3))
    assert torch.equal(blurred(images, 0.3), images)
    method, seen = build("method.augment=none", "method.blur=10", "method.blur_steps=20"), []
    method.discriminator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach().clone()))
    for step in (0, 10, 20):
        method.training_step(batch(), Recording(step))
    sharpness = [image.diff(dim=3).abs().mean().item() for image in seen]
    real = batch().image.diff(dim=3).abs().mean().item()
    assert sharpness[0] < 0.2 * real and max(sharpness[-3:]) > 0.9 * real


def test_a_discriminator_without_shortcuts_has_none() -> None:
    plain = build("method.discriminator.architecture=plain").discriminator
    assert not [name for name, _ in plain.named_parameters() if "skip" in name]
    assert plain(batch().image).shape == (4, 1)


@pytest.mark.parametrize("kind", ["t", "r"])
def test_stylegan3_trains_by_the_same_steps_and_its_averages_move_with_the_discriminator_alone(kind: str) -> None:
    options = [
        "generator.features=8",
        "generator.base=64",
        "generator.latent=8",
        "generator.style=8",
        "generator.layers=4",
    ]
    options += ["discriminator.features=8", "augment=none", f"generator.kind={kind}", "size=32"]
    run = recipe.load(recipe.find("stylegan3"), ["unused"], [f"method.{option}" for option in options])
    torch.manual_seed(0)
    method = components.build(registry.methods, run.method)
    before = deepcopy(method.generator.state_dict())
    update = TrainingUpdate(method.players(), run.optimizer)
    method.training_step(batch(), update)
    assert set(update.terms) == {"generator.gan", *(f"discriminator.{term}" for term in ("real", "fake", "r1"))}
    after = method.generator.state_dict()
    for part in ("body.0.weight", "stem.weight", "body.1.affine.weight", "body.2.magnitude", "mean_style"):
        assert not torch.equal(after[part], before[part]), part
    before = deepcopy(after)
    method.generator(method.draw_latents(torch.zeros(2, dtype=torch.long))).sum().backward()
    assert torch.equal(before["mean_style"], method.generator.mean_style), "a pass with gradients"
