"""Gradient accumulation: a training step in the memory of a micro-batch, with the result of the whole batch.

The later losses of a step depend on its earlier updates: Pix2Pix's generator is judged by the discriminator after its
update, CycleGAN's discriminators by fakes of the generators before theirs. So a step with n updates runs n times over
all micro-batches. Pass i collects the gradients of update i; where the step calls an earlier update, the weights that
it gave are put in place; later updates are skipped. Every pass begins with the same weights, buffers, image pools and
random numbers, which are all that a step depends on, so that each sees the same fakes.

Batch norm, and a loss that compares images with one another, sees a micro-batch.
"""

from collections.abc import Iterable
from contextlib import suppress
from copy import deepcopy
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from i2i.methods.base import Method
from i2i.training.rank_state import buffers, random_state, set_random_state
from i2i.training.update import TrainingUpdate

Weights = list[tuple[nn.Parameter, Tensor]]


def accumulated_step(method: Method, batch: Any, update: TrainingUpdate, micro_batches: int) -> None:
    """One training step on `batch`, a named tuple of tensors, in so many parts of equal size.

    Raises ValueError where the method's updates are not the same for every part.
    """
    parts = [type(batch)(*fields) for fields in zip(*(field.chunk(micro_batches) for field in batch), strict=True)]
    device = batch[0].device
    start, state, random = _copied(method.parameters()), deepcopy(buffers(method)), random_state(device)
    players: list[str] = []  # of the step's updates, in their order
    results: list[Weights] = []  # of those that are done
    for number in count():
        method.load_state_dict(deepcopy(state), strict=False)
        set_random_state(random, device)
        for part in parts:
            _restore(start)
            run = _Run(update, players, results, number, share=1 / micro_batches, is_last=part is parts[-1])
            method.training_step(part, run)
            run.check_end()
        if number + 1 >= len(players):
            return


class _Run:
    """The `Update` of one run of a training step on a micro-batch, in the pass for update `number`."""

    def __init__(
        self,
        update: TrainingUpdate,
        players: list[str],
        results: list[Weights],
        number: int,
        *,
        share: float,
        is_last: bool,
    ) -> None:
        self.step, self.progress, self._update = update.step, update.progress, update
        self._players, self._results, self._number = players, results, number
        self._share, self._is_last = share, is_last
        self._is_first = not players  # of all runs: it finds out which updates there are
        self._reached = 0

    def __call__(self, player: str, **terms: Tensor) -> None:
        self._check(player)
        self.accumulate(player, **terms)
        if self._reached < self._number:
            _restore(self._results[self._reached])
        elif self._reached == self._number and self._is_last:
            self._update.apply_gradients(player)
            self._results.append(_copied(self._update.parameters[player]))
        self._reached += 1

    def accumulate(self, player: str, **terms: Tensor) -> None:
        if self._reached == self._number:
            for name, mean in self._update.back_propagate(player, terms, share=self._share).items():
                self._update.terms[name] = self._update.terms.get(name, 0.0) + self._share * mean
            return
        for term in terms.values():  # frees the graph, as back-propagating it would
            with suppress(RuntimeError):  # for a view, whose graph is freed with it
                term.detach_()

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        return self._update.all_reduce_sum(tensor)

    def check_end(self) -> None:
        """Raise ValueError where the step has made fewer updates than for the first micro-batch."""
        if self._reached != len(self._players):
            self._refuse(f"made {self._reached} updates, not {len(self._players)}")

    def _check(self, player: str) -> None:
        if self._is_first:
            self._players.append(player)
        elif self._players[self._reached : self._reached + 1] != [player]:
            self._refuse(f"made update {self._reached + 1} for {player}")

    def _refuse(self, what: str) -> None:
        raise ValueError(
            f"train.accumulate: the training step {what}, other than for the first part of the batch, where its "
            f"updates were those of {', '.join(self._players)}; set it to 1"
        )


def _copied(parameters: Iterable[nn.Parameter]) -> Weights:
    return [(parameter, parameter.detach().clone()) for parameter in parameters]


@torch.no_grad()
def _restore(weights: Weights) -> None:
    for parameter, value in weights:
        parameter.copy_(value)
