"""How a loss becomes weights: the one place that calls `backward` and `optimizer.step`."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from i2i.losses.precision import at_least_float32
from i2i.recipe import Optimizer
from i2i.registry import did_you_mean
from i2i.training.distributed import SINGLE_PROCESS, World
from i2i.training.not_finite import FiniteCheck
from i2i.training.optimizers import AnnealedAdam, build_optimizer, load_optimizer


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
        self.step, self.progress = 0, 0.0
        self._accumulating = ""  # the player whose gradients wait for its update
        self.terms: dict[str, Tensor] = {}
        self.norms: dict[str, Tensor] = {}
        self._with_norms = False
        self._finite = FiniteCheck()
        self.idle_players = set(players)  # those without an update so far
        self.parameters = {
            name: [p for p in player.parameters() if p.requires_grad] for name, player in players.items()
        }
        for name in options.players:
            if name not in players:
                raise ValueError(f"optimizer.players: no player {name!r}; {did_you_mean(name, players)}")
        self._clip_norm, self._world = clip_norm, world
        self._kinds = {name: options.of(name)["name"] for name in players}
        self.optimizers = {
            name: build_optimizer(options.of(name), parameters) for name, parameters in self.parameters.items()
        }
        self._base_rates = {
            name: [group["lr"] for group in optimizer.param_groups] for name, optimizer in self.optimizers.items()
        }

    def learning_rates(self) -> dict[str, float]:
        """The learning rate of each player at this step, as `player.learning_rate`."""
        return {f"{name}.learning_rate": each.param_groups[0]["lr"] for name, each in self.optimizers.items()}

    def begin_step(self, step: int, rate_factor: float, *, progress: float = 0.0, with_norms: bool = False) -> None:
        """To be called before each training step, with the number of steps done, the schedule's factor on the learning
        rates, and the share of the run that is done.
        """
        self.step, self.progress = step, progress
        self.terms, self.norms, self._with_norms = {}, {}, with_norms
        for player, optimizer in self.optimizers.items():
            for group, base_rate in zip(optimizer.param_groups, self._base_rates[player], strict=True):
                group["lr"] = base_rate * rate_factor
            if isinstance(optimizer, AnnealedAdam):
                optimizer.anneal(progress)

    def __call__(self, player: str, **terms: Tensor) -> None:
        """One optimiser step for `player` on the sum of `terms` and of those that were accumulated."""
        self.accumulate(player, **terms)
        self.apply_gradients(player)

    def accumulate(self, player: str, **terms: Tensor) -> None:
        """Back-propagate the sum of `terms` and free its graph; the next update must be that of `player`."""
        self.terms |= self.back_propagate(player, terms)

    def apply_gradients(self, player: str) -> None:
        """Collective: one optimiser step for `player` on its gradients, averaged over ranks and clipped."""
        self._accumulating = ""
        parameters = self.parameters[player]
        gradients = [p.grad for p in parameters if p.grad is not None]
        self._world.all_reduce_mean(gradients)
        if self._with_norms:
            self.norms[f"{player}.gradient_norm"] = nn.utils.get_total_norm(gradients).detach()
        if self._clip_norm:
            nn.utils.clip_grad_norm_(parameters, self._clip_norm)
        self.idle_players.discard(player)
        self.optimizers[player].step()
        self.optimizers[player].zero_grad(set_to_none=True)

    def back_propagate(self, player: str, terms: Mapping[str, Tensor], share: float = 1.0) -> dict[str, Tensor]:
        """Collective: add the gradient of the sum of `terms`, times `share`, to that of `player`; returns the means of
        the terms over ranks, as `player.term`. Raises ValueError for a player that the method has not.
        """
        if player not in self.parameters:
            raise ValueError(f"update: no player {player!r}; {did_you_mean(player, self.parameters)}")
        if self._accumulating not in ("", player):
            raise ValueError(f"accumulated gradients of {self._accumulating} wait for its update, not for {player}'s")
        self._accumulating = player
        means = {name: term.detach().clone() for name, term in terms.items()}
        self._world.all_reduce_mean(list(means.values()))
        self._finite.record(self.step + 1, player, means)
        # Autocast is for forward passes only. `inputs` leaves the other players' gradients uncomputed.
        with torch.autocast(next(iter(terms.values())).device.type, enabled=False):
            loss = torch.stack([at_least_float32(term) for term in terms.values()]).sum()
            (share * loss).backward(inputs=self.parameters[player])
        return {f"{player}.{name}": mean for name, mean in means.items()}

    def check_finite(self) -> None:
        """Raise NotFinite where a loss term was not finite, on all ranks alike; waits for the device."""
        self._finite.check()

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
