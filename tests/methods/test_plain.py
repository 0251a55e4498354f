"""Training steps give the weights of the published steps, though graphs are freed early.

Compared in float64. There the gradients of the biases in front of an instance norm, which are nothing but rounding
noise, are so far below Adam's epsilon that these biases hardly move; in float32 each would wander by lr at every step.
Dropout is off, because the two draw in another order.
"""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i import recipe, registry
from i2i.data.batch import Pair, Unpaired
from i2i.methods.base import Method
from i2i.recipe import Optimizer, components
from i2i.training.update import TrainingUpdate
from tests.plain import plain_step

STEPS = 3
OPTIONS = Optimizer().completed()
TINY = ["method.generator.features=4", "method.discriminator.features=4", "method.discriminator.layers=2"]
GENERATORS = {
    "resnet": ["method.generator.name=resnet", "method.generator.blocks=1"],
    "unet": ["method.generator.name=unet", "method.generator.depth=4", "method.generator.dropout=false"],
}
OBJECTIVES = [f"method.adversarial={name}" for name in registry.adversarial]


def with_norms(generator: str, discriminator: str) -> list[str]:
    return [f"method.generator.norm={generator}", f"method.discriminator.norm={discriminator}"]


CYCLEGAN = {
    **{objective: [objective] for objective in OBJECTIVES},
    "no identity": ["method.identity_weight=0"],
    "batch norm": with_norms("batch", "batch"),
    "spectral norm": [*with_norms("instance", "none"), "method.discriminator.spectral_norm=true"],
    "no norm": with_norms("none", "none"),
    "no history": ["method.history=0"],
    "R1": ["method.adversarial.r1_weight=2"],
    "another weight of the cycle from b": ["method.cycle_weight_b=3"],
}
PIX2PIX = {
    **{objective: [objective, *with_norms("instance", "instance")] for objective in OBJECTIVES},
    "batch norm": [],
    "no condition": ["method.conditional=false"],
    "R1": ["method.adversarial.r1_weight=2", *with_norms("instance", "instance")],
    "feature matching": [
        "method.discriminator=multiscale",
        "method.discriminator.scales=2",
        "method.feature_matching_weight=10",
        "method.adversarial=lsgan",
    ],
    "spectral norm": [*with_norms("batch", "none"), "method.discriminator.spectral_norm=true"],
}


ANTIALIASED = ["method.generator.antialias_down=true", "method.generator.antialias_up=true"]
TINY_NCE = ["method.patches=16", "method.projection=8"]
CUT = {
    **{objective: [objective] for objective in OBJECTIVES},
    "not anti-aliased": [option.replace("true", "false") for option in ANTIALIASED],
    "flips and identity": ["method.flip_equivariance=true"],
    "no identity": ["method.identity=false", "method.nce_weight=0.5"],
    "other layers": ["method.layers=[15, 1, 12]", "method.temperature=0.5"],
}


def build(name: str, overrides: list[str]) -> Method:
    chosen = recipe.load(recipe.find(name), ["unused"], [*TINY, *overrides])
    torch.manual_seed(0)
    method = components.build(registry.methods, chosen.method).double()
    for layer in method.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and not hasattr(layer, "parametrizations"):
            layer.weight.data *= 10  # with so few features the published ones leave next to nothing of an image
    return method


def images(count: int, *sizes: tuple[int, int]) -> list[list[Tensor]]:
    """For each step, a batch of `count` images of every (height, width)."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(count, 3, *size) for size in sizes]
    return [
        [torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1 for shape in shapes] for _ in range(STEPS)
    ]


def assert_trained_alike(method: Method, batches: list[Any]) -> None:
    ours, plain = deepcopy(method), deepcopy(method)
    torch.manual_seed(1)  # the history and the gradient penalty draw, in the same order in both
    update = TrainingUpdate(ours.players(), OPTIONS)
    for batch in batches:
        ours.training_step(batch, update)
    torch.manual_seed(1)
    step = plain_step(plain, OPTIONS)
    for batch in batches:
        step(batch)
    weights, published, before = (dict(trained.named_parameters()) for trained in (ours, plain, method))
    for name in weights:
        moved = (weights[name] - before[name]).abs().max()
        assert moved > OPTIONS.lr / 10 or name.endswith("bias"), f"{name} was not trained"
    torch.testing.assert_close(weights, published, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CYCLEGAN)
@pytest.mark.parametrize("generator", GENERATORS)
def test_cyclegan_trains_as_published(generator: str, case: str) -> None:
    method = build("cyclegan", [*GENERATORS[generator], "method.history=2", *CYCLEGAN[case]])
    assert_trained_alike(method, [Unpaired(*pair) for pair in images(1, (32, 32), (32, 32))])


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_cyclegan_trains_as_published_on_domains_of_different_sizes(norm: str) -> None:
    method = build("cyclegan", [*GENERATORS["resnet"], *with_norms(norm, norm)])
    assert_trained_alike(method, [Unpaired(*pair) for pair in images(2, (24, 32), (32, 20))])


@pytest.mark.parametrize("case", CUT)
def test_cut_trains_as_published(case: str) -> None:
    method = build("cut", [*GENERATORS["resnet"], *ANTIALIASED, *TINY_NCE, *CUT[case]])
    assert_trained_alike(method, [Unpaired(*pair) for pair in images(2, (32, 48), (32, 48))])


def test_fastcut_trains_as_published_on_domains_of_different_sizes() -> None:
    method = build("fastcut", [*GENERATORS["resnet"], *TINY_NCE, "method.nce_weight=0.5"])
    assert_trained_alike(method, [Unpaired(*pair) for pair in images(1, (24, 32), (32, 20))])


@pytest.mark.parametrize("case", PIX2PIX)
@pytest.mark.parametrize("generator", GENERATORS)
def test_pix2pix_trains_as_published(generator: str, case: str) -> None:
    method = build("pix2pix", [*GENERATORS[generator], *PIX2PIX[case]])
    assert_trained_alike(method, [Pair(*pair) for pair in images(2, (32, 48), (32, 48))])
