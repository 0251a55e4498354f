"""Optimisers by name against closed forms, and moments that come from a checkpoint."""

import pytest
import torch
from torch import nn

from i2i.recipe import Optimizer
from i2i.registry import Registry
from i2i.training import optimizers
from i2i.training.optimizers import build_optimizer, load_optimizer
from i2i.training.update import TrainingUpdate

GRADIENTS = (0.5, -2.0, 1.0)


def trained(name: str, **options: object) -> float:
    """A weight of 1 after three gradients."""
    weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = build_optimizer({"name": name, **options}, [weight])
    for gradient in GRADIENTS:
        weight.grad = torch.full_like(weight, gradient)
        optimizer.step()
    return float(weight.detach())


def adam(lr: float, betas: tuple[float, float], eps: float, decay: float = 0.0) -> float:
    """Kingma and Ba 2015, algorithm 1, with the decoupled decay of Loshchilov and Hutter 2019, algorithm 2."""
    weight, mean, square = 1.0, 0.0, 0.0
    for step, gradient in enumerate(GRADIENTS, 1):
        mean = betas[0] * mean + (1 - betas[0]) * gradient
        square = betas[1] * square + (1 - betas[1]) * gradient**2
        weight -= lr * decay * weight
        weight -= lr * mean / (1 - betas[0] ** step) / ((square / (1 - betas[1] ** step)) ** 0.5 + eps)
    return weight


def rmsprop(lr: float, alpha: float, eps: float) -> float:
    weight, square = 1.0, 0.0
    for gradient in GRADIENTS:
        square = alpha * square + (1 - alpha) * gradient**2
        weight -= lr * gradient / (square**0.5 + eps)
    return weight


def sgd(lr: float, momentum: float) -> float:
    weight, velocity = 1.0, 0.0
    for gradient in GRADIENTS:
        velocity = momentum * velocity + gradient
        weight -= lr * velocity
    return weight


def test_optimisers_are_those_of_their_papers() -> None:
    found = [trained("adam"), trained("adam", lr=0.1, betas=[0.9, 0.99], eps=0.01), trained("adamw", lr=0.1)]
    expected = [adam(2e-4, (0.5, 0.999), 1e-8), adam(0.1, (0.9, 0.99), 0.01), adam(0.1, (0.5, 0.999), 1e-8, 0.01)]
    found += [trained("rmsprop"), trained("rmsprop", lr=0.1, alpha=0.9, eps=0.01), trained("sgd", lr=0.1, momentum=0.9)]
    expected += [rmsprop(5e-5, 0.99, 1e-8), rmsprop(0.1, 0.9, 0.01), sgd(0.1, 0.9)]
    assert found == pytest.approx(expected, rel=1e-12)


def test_every_player_has_its_own_optimiser_and_rate() -> None:
    players = {"generator": nn.Linear(1, 1), "discriminator": nn.Linear(1, 1)}
    update = TrainingUpdate(players, Optimizer(lr=1e-3, players={"discriminator": {"name": "rmsprop"}}))
    assert isinstance(update.optimizers["generator"], torch.optim.Adam)
    assert isinstance(update.optimizers["discriminator"], torch.optim.RMSprop)
    update.begin_step(0, 0.5)
    rates = {player: optimizer.param_groups[0]["lr"] for player, optimizer in update.optimizers.items()}
    assert rates == {"generator": 5e-4, "discriminator": 2.5e-5}


def test_a_player_that_the_method_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"optimizer\.players: no player 'critic'; .*choose from: generator"):
        TrainingUpdate({"generator": nn.Linear(1, 1)}, Optimizer(players={"critic": {"lr": 1e-3}}))


def test_a_plugin_may_register_an_optimiser(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = Registry("optimizer", "i2i.training.optimizers")
    monkeypatch.setattr(optimizers, "optimizers", kinds)

    @kinds.register("mine")
    def mine(*, parameters: list[nn.Parameter], lr: float = 0.25) -> torch.optim.Optimizer:
        return torch.optim.Adagrad(parameters, lr=lr)

    @kinds.register("none")
    def none(*, parameters: list[nn.Parameter]) -> list[nn.Parameter]:
        return parameters

    weights = [nn.Parameter(torch.ones(1))]
    assert build_optimizer({"name": "mine"}, weights).param_groups[0]["lr"] == 0.25
    with pytest.raises(ValueError, match="'none' gives a list, no"):
        build_optimizer({"name": "none"}, weights)


def test_moments_of_another_optimiser_are_refused() -> None:
    players = {"generator": nn.Linear(1, 1)}
    state = TrainingUpdate(players, Optimizer()).state_dict()
    with pytest.raises(ValueError, match="generator was adam and cannot become rmsprop"):
        TrainingUpdate(players, Optimizer(name="rmsprop")).load_state_dict(state)


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
        before = build_optimizer({"name": "adam", "lr": 1e-2}, list(layer.parameters()))
        step(layer, before, seed=1)
        layer.to(memory_format=layout)
        after = build_optimizer({"name": "adam", "lr": 3e-2}, list(layer.parameters()))
        load_optimizer(after, before.state_dict())
        assert after.param_groups[0]["lr"] == 3e-2, "options are the new run's"
        step(layer, after, seed=2)
        assert after.state[layer.weight]["exp_avg"].stride() == layer.weight.stride()
        weights.append(layer.weight.detach())
    torch.testing.assert_close(*weights, rtol=0, atol=0)


def test_the_second_decay_of_adam_follows_half_a_cosine_over_the_run() -> None:
    options = Optimizer(lr=1.0, betas=(0.5, 0.9), last_beta2=0.98)  # type: ignore[call-arg]
    update, decays = TrainingUpdate({"player": nn.Linear(1, 1)}, options), []
    for progress in (0.0, 0.5, 1.0, 1.5):
        update.begin_step(0, 1.0, progress=progress)
        decays.append(update.optimizers["player"].param_groups[0]["betas"])
    assert decays == [(0.5, pytest.approx(decay)) for decay in (0.9, 0.94, 0.98, 0.98)]
