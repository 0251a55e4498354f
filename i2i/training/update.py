"""How a loss becomes weights: the one place that calls `backward` and `optimizer.step`."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from i2i.recipe import Optimizer
from i2i.registry import did_you_mean
from i2i.training.adam import Adam
from i2i.training.distributed import ALONE, Processes


class NotFinite(ArithmeticError):
    """A loss term stopped being finite; says which and when."""


class TrainingUpdate:
    """`i2i.methods.base.Update` with one Adam for each player, on the mean gradients of all processes.

    `terms` holds the detached loss terms of the latest step as `player.term`, also means; `step` is set by the trainer.
    """

    def __init__(
        self,
        players: Mapping[str, nn.Module],
        options: Optimizer,
        *,
        clip_norm: float = 0.0,
        processes: Processes = ALONE,
    ) -> None:
        self.step = 0
        self.terms: dict[str, Tensor] = {}
        self.norms: dict[str, Tensor] | None = None  # a dict to be filled with the norm of each player's gradient
        self._parameters = {
            name: [p for p in player.parameters() if p.requires_grad] for name, player in players.items()
        }
        for name in options.players:
            if name not in players:
                raise ValueError(f"optimizer.players: no player {name!r}; {did_you_mean(name, players)}")
        self._clip_norm, self._processes = clip_norm, processes
        self.optimizers = {
            # One fused kernel over all weights: a quarter of a Pix2Pix step on a CPU is Adam otherwise.
            name: Adam(parameters, lr=options.lr_of(name), betas=options.betas_of(name), fused=_can_fuse(parameters))
            for name, parameters in self._parameters.items()
        }

    def __call__(self, player: str, **terms: Tensor) -> None:
        self.accumulate(player, **terms)
        self._processes.average([p.grad for p in self._parameters[player] if p.grad is not None])
        if self.norms is not None:
            gradients = [p.grad for p in self._parameters[player] if p.grad is not None]
            self.norms[f"{player}.gradient_norm"] = nn.utils.get_total_norm(gradients).detach()
        if self._clip_norm:
            nn.utils.clip_grad_norm_(self._parameters[player], self._clip_norm)
        self.optimizers[player].step()
        self.optimizers[player].zero_grad(set_to_none=True)

    def accumulate(self, player: str, **terms: Tensor) -> None:
        means = {name: term.detach().clone() for name, term in terms.items()}
        self._processes.average(list(means.values()))
        self._check_finite(player, means)  # by all processes alike
        # Autocast is for forward passes only. `inputs` leaves the other players' gradients uncomputed.
        with torch.autocast(next(iter(terms.values())).device.type, enabled=False):
            torch.stack([term.float() for term in terms.values()]).sum().backward(inputs=self._parameters[player])
        self.terms |= {f"{player}.{name}": mean for name, mean in means.items()}

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        return self._processes.total(tensor)

    def _check_finite(self, player: str, terms: Mapping[str, Tensor]) -> None:
        values = torch.stack([term.float() for term in terms.values()])
        if not bool(torch.isfinite(values).all()):
            bad = [name for name, value in zip(terms, values.tolist(), strict=True) if not abs(value) < float("inf")]
            raise NotFinite(f"step {self.step + 1}: the loss of {player} is not finite in {', '.join(bad)}")


def _can_fuse(parameters: list[nn.Parameter]) -> bool:
    return all(parameter.device.type in ("cpu", "cuda") for parameter in parameters)
