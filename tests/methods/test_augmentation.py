"""Augmentation of what the discriminators of any method see, by the options of their table."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from i2i import recipe, registry
from i2i.data.batch import Images, Pair, Unpaired
from i2i.losses.adversarial import Hinge, LeastSquares, Vanilla
from i2i.losses.penalties import r1_penalty
from i2i.methods.base import Method, adapt_augmentation
from i2i.networks.augmentation.ada import AdaptiveAugmentation
from i2i.networks.discriminators.base import Discriminator
from i2i.recipe import Optimizer
from i2i.recipe.components import build
from i2i.training.update import TrainingUpdate
from tests.worlds import TINY

ADA, DIFFAUGMENT = "method.discriminator.augment=ada", "method.discriminator.augment=diffaugment"
METHODS = ["cyclegan", "cut", "pix2pix", "real-esrgan", "esrgan", "dcgan", "wgan", "stylegan2", "r3gan"]
# ADA needs another objective there, which the discriminator's batch norm or its own options allow.
OBJECTIVE = {
    "wgan": ["method.adversarial=hinge"],
    "esrgan": ["method.adversarial=vanilla"],
    "r3gan": ["method.adversarial=vanilla"],
}
HALVED = ("r3gan",)  # whose discriminator learns from half of a batch


def built(name: str, *overrides: str) -> Method:
    off = ["method.augment=none"] if name in ("stylegan2", "r3gan") else []
    options = [*TINY[name], *OBJECTIVE.get(name, []), *off, *overrides]
    torch.manual_seed(0)
    return build(registry.methods, recipe.load(recipe.find(name), ["unused"], options).method)


def batch(method: Method, count: int = 3) -> Images | Pair | Unpaired:
    if method.batch is Images:
        return Images(torch.rand(count, 1, method.size, method.size), torch.zeros(count, dtype=torch.long))
    return method.batch(torch.rand(count, 3, 16, 16), torch.rand(count, 3, 16 * method.scale, 16 * method.scale))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_adaptive_augmentation_the_logits_of_its_real_images(name: str) -> None:
    method, seen = built(name, ADA), 2 if name in HALVED else 3
    update = TrainingUpdate(method.players(), Optimizer())
    update.step = 1
    method.training_step(batch(method), update)
    judges = method.networks(Discriminator)
    assert judges and all(judge.augmentation.signs[1] == seen for judge in judges)
    update.step = 3
    method.training_step(batch(method), update)
    assert all(judge.augmentation.signs[1] == 0 for judge in judges), "it has been adjusted"
    names = {f"{name}.augmentation.probability" for name, module in method.named_modules() if module in judges}
    assert set(method.observed()) == names


@pytest.mark.parametrize("name", METHODS)
def test_what_a_discriminator_sees_is_augmented_in_training_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real and fake images pass the same augmentation, and the discriminator sees nothing else."""
    method, passes, changes = built(name, DIFFAUGMENT), 0, 0
    for judge in method.networks(Discriminator):
        forward, change = judge.forward, judge.augmentation.forward

        def counted(image: Tensor, *labels: Tensor, forward: Callable[..., Tensor] = forward) -> Tensor:
            nonlocal passes
            passes += 1
            return forward(image, *labels)

        def changed(image: Tensor, change: Callable[..., Tensor] = change) -> Tensor:
            nonlocal changes
            changes += 1
            return change(image)

        monkeypatch.setattr(judge, "forward", counted)
        monkeypatch.setattr(judge.augmentation, "forward", changed)
    update = TrainingUpdate(method.players(), Optimizer())
    update.step = 1
    method.train().training_step(batch(method), update)
    assert passes == changes >= 3
    for judge in method.eval().networks(Discriminator):
        judge(torch.rand(1, judge.in_channels, 32, 32))
    assert passes > changes


def test_a_generator_learns_through_the_augmentation_and_r1_goes_through_it() -> None:
    method = built("cyclegan", ADA)
    judge = method.judge_b
    judge.augmentation.probability.fill_(1.0)
    image = torch.rand(2, 3, 16, 24, requires_grad=True)
    judge(image).mean().backward()
    assert image.grad is not None and image.grad.abs().sum() > 0
    r1_penalty(judge, image.detach()).backward()
    assert judge.stem[0].weight.grad.any()


@pytest.mark.parametrize(
    ("objective", "undecided"),
    [(Vanilla(), 0.0), (Hinge(), 0.0), (LeastSquares(), 0.5), (LeastSquares(smoothing=0.2), 0.4)],
)
def test_overfitting_is_measured_from_the_logit_between_real_and_fake(
    objective: Vanilla | Hinge | LeastSquares, undecided: float
) -> None:
    update = TrainingUpdate({}, Optimizer())
    update.step = 3
    for offset, expected in ((0.01, 1.0), (-0.01, 0.25)):
        augmentation = AdaptiveAugmentation(target=0.6, full_range=8)
        augmentation.probability.fill_(0.75)
        adapt_augmentation(augmentation, objective, torch.full((1, 1, 5, 5), undecided + offset), update)
        assert augmentation.probability == expected
    scales = torch.full((1, 1, 5, 5), undecided + 1), torch.full((1, 1), undecided - 1)
    adapt_augmentation(augmentation, objective, scales, update)
    assert augmentation.probability == 0, "the scales count the same"


@pytest.mark.parametrize("objective", ["wgan", "wgan-gp", "relativistic"])
def test_adaptive_augmentation_is_refused_where_logits_have_no_zero(objective: str) -> None:
    chosen = [f"method.adversarial={objective}", "method.discriminator.norm=instance"]
    with pytest.raises(ValueError, match=r"augment = ada needs .* set method\.discriminator\.augment=diffaugment"):
        built("cyclegan", *chosen, ADA)
    built("cyclegan", *chosen, DIFFAUGMENT)


def test_two_augmentations_or_two_penalties_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="both augment"):
        built("r3gan", DIFFAUGMENT, "method.augment=ada")
    with pytest.raises(ValueError, match="as are r1_weight and r2_weight"):
        built("r3gan", "method.adversarial.r1_weight=1")
    options = [*TINY["stylegan2"], ADA, "method.augment=ada"]
    with pytest.raises(ValueError, match=r"method\.augment and method\.discriminator\.augment"):
        build(registry.methods, recipe.load(recipe.find("stylegan2"), ["unused"], options).method)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("augment=all", 'augment = "all"'),
        ('augment_policy=["colour"]', "augment_policy = "),
        ("augment_target=1.5", "augment_target = 1.5: allowed: up to 1"),
        ("augment_images=0", "augment_images = 0: allowed: from 1"),
        ("condition_channels=3", "unknown option 'method.discriminator.condition_channels'"),
    ],
)
def test_misspelt_augmentations_are_refused(override: str, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        built("cyclegan", f"method.discriminator.{override}")
    assert sentence in str(error.value)


def test_the_condition_of_pix2pix_keeps_its_colours_and_the_value_range_is_the_generator_s() -> None:
    method = built("pix2pix", DIFFAUGMENT)
    assert method.discriminator.augmentation.condition_channels == 3
    assert built("pix2pix", DIFFAUGMENT, "method.conditional=false").discriminator.augmentation.condition_channels == 0
    assert method.discriminator.augmentation.value_range == (-1, 1)
    assert built("esrgan", DIFFAUGMENT).discriminator.augmentation.value_range == (0, 1)


def test_features_that_are_compared_are_augmented_alike_and_in_training_alone() -> None:
    judge = built(
        "pix2pix", DIFFAUGMENT, "method.discriminator.norm=none", "method.feature_matching_weight=1"
    ).discriminator
    image = torch.rand(2, 6, 16, 16)
    first, second = judge.train().matched_features(image, image)
    plain, _ = judge.eval().matched_features(image, image)
    for ours, theirs, unchanged in zip(first, second, plain, strict=True):
        torch.testing.assert_close(ours, theirs)
        assert not torch.allclose(ours, unchanged)
    torch.testing.assert_close(plain, judge.features(image))


def test_feature_matching_is_refused_for_a_discriminator_without_features() -> None:
    options = [*TINY["pix2pix"][:4], "method.discriminator=pixelgan", "method.feature_matching_weight=1"]
    with pytest.raises(ValueError, match=r"PixelGAN gives no features; choose method\.discriminator from: patchgan"):
        build(registry.methods, recipe.load(recipe.find("pix2pix"), ["unused"], options).method)
