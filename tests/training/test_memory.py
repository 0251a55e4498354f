"""Networks that cannot fit the memory are refused before they take it."""

import pytest
import torch

from i2i import registry
from i2i.recipe import choose
from i2i.recipe.components import build
from i2i.training import memory
from i2i.training.memory import check_memory

CPU = torch.device("cpu")


def test_networks_beyond_all_memory_are_refused_and_draw_nothing() -> None:
    changes = ["method.generator.features=8192", "method.generator.blocks=256"]
    recipe, _ = choose("cyclegan", ["a", "b"], changes)
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match=r"method: networks of [\d,]+ parameters take [\d,]+ GB to train, and cpu has"):
        check_memory(recipe.method, CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_networks_take_is_counted_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, _ = choose("dcgan", ["a"], ["method.generator.features=2", "method.discriminator.features=2"])
    players = build(registry.methods, recipe.method).players().values()
    needed = 16 * sum(weight.numel() for player in players for weight in player.parameters())
    monkeypatch.setattr(memory, "total_memory", lambda device: needed)
    check_memory(recipe.method, CPU)
    monkeypatch.setattr(memory, "total_memory", lambda device: needed - 1)
    with pytest.raises(ValueError, match="parameters take"):
        check_memory(recipe.method, CPU)
