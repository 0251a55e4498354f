"""Our steps give the weights of the published steps, whatever is batched, split, fused or freed early.

Compared in float64. There the gradients of the biases in front of an instance norm, which are nothing but rounding
noise, are so far below Adam's epsilon that these biases hardly move; in float32 each would wander by lr at every step.
Dropout is off, because the two draw in another order.
"""

from copy import deepcopy

import pytest
import torch
from torch import nn

from i2i import recipe, registry
from i2i.data.batch import Pair, Unpaired
from i2i.methods.base import Method
from i2i.recipe import Optimizer
from i2i.training.update import TrainingUpdate
from tests.plain import plain_step

STEPS = 3
TINY = ["method.generator.features=4", "method.discriminator.features=4", "method.discriminator.layers=2"]
RESNET = ["method.generator.name=resnet", "method.generator.blocks=1"]
UNET = ["method.generator.name=unet", "method.generator.depth=4", "method.generator.dropout=false"]
OBJECTIVES = [f"method.adversarial={name}" for name in registry.adversarial]


def with_norms(generator: str, discriminator: str) -> list[str]:
    return [f"method.generator.norm={generator}", f"method.discriminator.norm={discriminator}"]


CYCLEGAN = {
    **{objective: [objective] for objective in OBJECTIVES},
    "no identity": ["method.identity_weight=0"],
    "batch norm": with_norms("batch", "batch"),
    "spectral norm": [*with_norms("instance", "none"), "method.discriminator.spectral_norm=true"],
    "no norm": with_norms("none", "none"),
    "unet": UNET,
    "no history": ["method.history=0"],
}
PIX2PIX = {
    **{objective: [objective, *with_norms("instance", "instance")] for objective in OBJECTIVES},
    "batch norm": [],
    "resnet": RESNET,
    "no condition": ["method.conditional=false"],
    "spectral norm": [*with_norms("batch", "none"), "method.discriminator.spectral_norm=true"],
}


def build(name: str, overrides: list[str]) -> Method:
    chosen = recipe.load(recipe.find(name), ["unused"], [*TINY, *overrides])
    torch.manual_seed(0)
    # Weights ten times the published ones: all that these shallow networks compute is well away from zero.
    method = recipe.build(registry.methods, chosen.method).double()
    for layer in method.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and not hasattr(layer, "parametrizations"):
            layer.weight.data *= 10
    return method


def assert_equal_after_training(method: Method, batches: list) -> None:
    ours, plain = deepcopy(method), deepcopy(method)
    torch.manual_seed(1)  # the history and the gradient penalty draw, in the same order in both
    update = TrainingUpdate(ours.players(), Optimizer())
    for batch in batches:
        ours.training_step(batch, update)
    torch.manual_seed(1)
    step = plain_step(plain, Optimizer())
    for batch in batches:
        step(batch)
    moved = 0.0
    for (name, mine), published, before in zip(
        ours.named_parameters(), plain.parameters(), method.parameters(), strict=True
    ):
        torch.testing.assert_close(mine, published, rtol=1e-9, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}")
        moved = max(moved, float((mine - before).abs().max()))
    assert moved > 1e-4


def images(step: int, size: tuple[int, int], count: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(hash((step, size)))
    return torch.rand(count, 3, *size, generator=generator, dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("case", CYCLEGAN)
def test_cyclegan_trains_as_published(case: str) -> None:
    overrides = [*RESNET, "method.history=2", *CYCLEGAN[case]]
    batches = [Unpaired(images(step, (32, 32)), images(-1 - step, (32, 32))) for step in range(STEPS)]
    assert_equal_after_training(build("cyclegan", overrides), batches)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_cyclegan_trains_as_published_on_domains_of_different_sizes(norm: str) -> None:
    batches = [Unpaired(images(step, (24, 32), 2), images(step, (32, 20), 2)) for step in range(STEPS)]
    assert_equal_after_training(build("cyclegan", [*RESNET, *with_norms(norm, norm)]), batches)


@pytest.mark.parametrize("case", PIX2PIX)
def test_pix2pix_trains_as_published(case: str) -> None:
    batches = [Pair(images(step, (32, 48), 2), images(-1 - step, (32, 48), 2)) for step in range(STEPS)]
    assert_equal_after_training(build("pix2pix", [*UNET, *PIX2PIX[case]]), batches)
