"""How a loss becomes weights: the one place that calls `backward` and `optimizer.step`."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from i2i.recipe import Optimizer
from i2i.registry import did_you_mean
from i2i.training.distributed import SINGLE_PROCESS, World
from i2i.training.optimizers import build_optimizer, load_optimizer


class NotFinite(ArithmeticError):
    """A loss term is infinite or no number; says which and when."""


class TrainingUpdate:
    """`i2i.methods.base.Update` with one optimiser for each player, on gradients that are means over all ranks.

    `terms` holds the detached loss terms of the current step as `player.term`, means over ranks; `norms` the norms of
    gradients before clipping, if the step has them.
    """

    def __init__(
        self,
        players: Mapping[str, nn.Module],
        options: Optimizer,
        *,
        clip_norm: float = 0.0,
        world: World = SINGLE_PROCESS,
    ) -> None:
        self.step = 0
        self.terms: dict[str, Tensor] = {}
        self.norms: dict[str, Tensor] = {}
        self._with_norms = False
        self._parameters = {
            name: [p for p in player.parameters() if p.requires_grad] for name, player in players.items()
        }
        for name in options.players:
            if name not in players:
                raise ValueError(f"optimizer.players: no player {name!r}; {did_you_mean(name, players)}")
        self._clip_norm, self._world = clip_norm, world
        self._kinds = {name: options.of(name)["name"] for name in players}
        self.optimizers = {
            name: build_optimizer(options.of(name), parameters) for name, parameters in self._parameters.items()
        }
        self._base_rates = {
            name: [group["lr"] for group in optimizer.param_groups] for name, optimizer in self.optimizers.items()
        }

    def begin_step(self, step: int, rate_factor: float, *, with_norms: bool = False) -> None:
        """To be called before each training step, with the number of steps done and the schedule's factor on the
        learning rates.
        """
        self.step, self.terms, self.norms, self._with_norms = step, {}, {}, with_norms
        for player, optimizer in self.optimizers.items():
            for group, base_rate in zip(optimizer.param_groups, self._base_rates[player], strict=True):
                group["lr"] = base_rate * rate_factor

    def __call__(self, player: str, **terms: Tensor) -> None:
        """One optimiser step for `player` on the sum of `terms`."""
        self.accumulate(player, **terms)
        parameters = self._parameters[player]
        gradients = [p.grad for p in parameters if p.grad is not None]
        self._world.all_reduce_mean(gradients)
        if self._with_norms:
            self.norms[f"{player}.gradient_norm"] = nn.utils.get_total_norm(gradients).detach()
        if self._clip_norm:
            nn.utils.clip_grad_norm_(parameters, self._clip_norm)
        self.optimizers[player].step()
        self.optimizers[player].zero_grad(set_to_none=True)

    def accumulate(self, player: str, **terms: Tensor) -> None:
        """Back-propagate `terms` into the gradients of `player`, and free their graph."""
        means = {name: term.detach().clone() for name, term in terms.items()}
        self._world.all_reduce_mean(list(means.values()))
        self._check_finite(player, means)  # on all ranks alike
        # Autocast is for forward passes only. `inputs` leaves the other players' gradients uncomputed.
        with torch.autocast(next(iter(terms.values())).device.type, enabled=False):
            torch.stack([term.float() for term in terms.values()]).sum().backward(inputs=self._parameters[player])
        self.terms |= {f"{player}.{name}": mean for name, mean in means.items()}

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        """Collective: the sum of a tensor over ranks."""
        return self._world.all_reduce_sum(tensor)

    def state_dict(self) -> dict[str, Any]:
        """The state of each player's optimiser, with its name."""
        return {
            player: {"name": self._kinds[player], **optimizer.state_dict()}
            for player, optimizer in self.optimizers.items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError where a player's optimiser was another one."""
        for player, optimizer in self.optimizers.items():
            saved = state[player].get("name", "adam")  # the only one of version 0.1
            if saved != self._kinds[player]:
                raise ValueError(f"the optimiser of {player} was {saved} and cannot become {self._kinds[player]}")
            load_optimizer(optimizer, state[player])

    def _check_finite(self, player: str, terms: Mapping[str, Tensor]) -> None:
        values = torch.stack([term.float() for term in terms.values()])
        if not bool(torch.isfinite(values).all()):
            bad = [name for name, value in zip(terms, values.tolist(), strict=True) if not abs(value) < float("inf")]
            raise NotFinite(f"step {self.step + 1}: the loss of {player} is not finite in {', '.join(bad)}")
