"""Ours sees weights in another order than torch's Adam, and does the same to them."""

import copy

import torch
from torch import nn

from i2i.training.adam import Adam

STEPS = 5


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 1), nn.ConvTranspose2d(4, 5, (2, 3)), nn.PReLU(5))
    return layers.to(memory_format=torch.channels_last)


def gradients(layers: nn.Module) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    found = [torch.randn(weight.shape, generator=generator) for weight in layers.parameters()]
    return [each.to(memory_format=torch.channels_last) if each.dim() == 4 else each for each in found]


def test_channels_last_weights_take_the_steps_of_torch() -> None:
    layers = network()
    states = []
    for kind in (Adam, torch.optim.Adam):
        trained = copy.deepcopy(layers)
        optimizer = kind(trained.parameters(), lr=1e-2, betas=(0.5, 0.9), fused=True)
        for _ in range(STEPS):
            for weight, gradient in zip(trained.parameters(), gradients(trained), strict=True):
                weight.grad = gradient
            optimizer.step()
        states.append((list(trained.parameters()), optimizer.state_dict()["state"]))
    (ours, our_state), (theirs, their_state) = states
    for index, (weight, other) in enumerate(zip(ours, theirs, strict=True)):
        torch.testing.assert_close(weight, other, rtol=0, atol=0)
        for name, value in their_state[index].items():
            torch.testing.assert_close(our_state[index][name], value, rtol=0, atol=0)
        assert our_state[index]["exp_avg"].stride() == weight.stride()


def test_gradients_in_another_layout_than_their_weights_are_told_apart() -> None:
    layers, other = network(), network()
    for trained, contiguous in ((layers, False), (other, True)):
        for weight, gradient in zip(trained.parameters(), gradients(trained), strict=True):
            weight.grad = gradient
            if contiguous:  # what autograd never does, but a user's hook may
                weight.grad.data = gradient.contiguous()
        Adam(trained.parameters(), lr=1e-2, fused=True).step()
    for weight, same in zip(layers.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(weight, same, rtol=0, atol=0)
