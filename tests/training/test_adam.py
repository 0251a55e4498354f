"""Adam's moments lie in memory as the weights do, also when a checkpoint had them in another layout."""

import torch
from torch import nn

from i2i.training.adam import Adam


def step(layer: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for weight in layer.parameters():
        weight.grad = torch.empty_like(weight).copy_(torch.randn(weight.shape, generator=generator))
    optimizer.step()


def test_a_run_that_changes_its_memory_layout_takes_the_same_steps() -> None:
    """torch's fused kernel would take saved moments in another layout for other numbers, without an error."""
    weights = []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        layer = nn.Conv2d(3, 6, 3)
        before = Adam(layer.parameters(), lr=1e-2, fused=True)
        step(layer, before, seed=1)
        layer.to(memory_format=layout)
        after = Adam(layer.parameters(), lr=1e-2, fused=True)
        after.load_state_dict(before.state_dict())
        step(layer, after, seed=2)
        assert after.state[layer.weight]["exp_avg"].stride() == layer.weight.stride()
        weights.append(layer.weight.detach())
    torch.testing.assert_close(*weights, rtol=0, atol=0)
