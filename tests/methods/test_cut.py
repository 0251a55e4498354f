"""What a step of CUT and FastCUT costs in arithmetic, and what is refused when one is built."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from i2i import recipe, registry
from i2i.data.batch import Unpaired
from i2i.methods import cut
from i2i.recipe import components
from i2i.training.update import TrainingUpdate

NOT_ANTIALIASED = [f"method.{option}=false" for option in ("generator.antialias_down", "generator.antialias_up")]
NOT_ANTIALIASED += ["method.discriminator.antialias=false"]
SMALL = ["method.generator.features=4", "method.discriminator.features=4"]


def build(name: str, *overrides: str) -> Any:
    chosen = recipe.load(recipe.find(name), ["unused"], [*SMALL, *overrides])
    return components.build(registry.methods, chosen.method).train()


def count_flops(name: str, *overrides: str) -> int:
    """Floating-point operations of the convolutions and products of one step."""
    method = build(name, *overrides)
    update = TrainingUpdate(method.players(), recipe.Optimizer().completed())
    with FlopCounterMode(display=False) as counter:
        method.training_step(Unpaired(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)), update)
    return counter.get_total_flops()


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_step_costs_less_than_one_of_cyclegan(mirrored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "draw_flip", lambda: mirrored)
    patches = ["method.patches=4", "method.projection=1"]  # of next to no cost at 256 pixels
    cyclegan = count_flops("cyclegan")
    assert 0.5 < count_flops("cut", *NOT_ANTIALIASED, *patches) / cyclegan < 0.6
    assert 0.25 < count_flops("fastcut", *patches) / cyclegan < 0.45


def test_layers_that_the_generator_has_not_are_refused() -> None:
    with pytest.raises(ValueError, match=r"method.layers: layers \[0, 99\] of ResnetGenerator: choose from 0 to 31"):
        build("cut", "method.layers=[0, 99]")
    with pytest.raises(ValueError, match=r"method.layers: layers .* of UnetGenerator: choose from"):
        build("cut", "method.generator=unet", "method.layers=[0, 99]")
