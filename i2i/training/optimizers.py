"""Optimisers that a recipe can name: torch's, with the learning rates and momenta of GAN papers by default.

A plugin registers a function, or a class, of keyword-only `parameters` and typed options that gives a torch optimiser.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import nn

from i2i.losses.annealing import annealed
from i2i.recipe.components import build
from i2i.registry import optimizers

Positive = Annotated[float, Field(gt=0, le=1000)]
NonNegative = Annotated[float, Field(ge=0, le=1000)]
Decay = Annotated[float, Field(ge=0, lt=1)]  # of a moving average, per step
Parameters = Sequence[nn.Parameter]


class AnnealedAdam(torch.optim.Adam):
    """Adam whose second decay moves from that of `betas` to `last_decay` along half a cosine over a run (R3GAN, Huang
    et al. 2024, appendix, https://arxiv.org/abs/2501.05441).
    """

    def __init__(
        self, parameters: Parameters, *, betas: tuple[float, float], last_decay: float, **options: Any
    ) -> None:
        super().__init__(parameters, betas=betas, **options)
        self._betas, self._last_decay = betas, last_decay

    def anneal(self, progress: float) -> None:
        """Set the decay of a step before which this share of the run is done."""
        for group in self.param_groups:
            group["betas"] = (self._betas[0], annealed(self._betas[1], self._last_decay, progress))


@optimizers.register("adam")
def adam(
    *,
    parameters: Parameters,
    lr: Positive = 2e-4,
    betas: tuple[Decay, Decay] = (0.5, 0.999),
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.0,
    last_beta2: Decay | None = None,
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980), by default with the rates of DCGAN. With `last_beta2`
    the second of the `betas` moves to it along half a cosine over the run.
    """
    # One fused kernel over all weights: a quarter of a Pix2Pix step on a CPU is Adam otherwise.
    options: Any = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
    options["fused"] = _can_fuse(parameters)
    if last_beta2 is None:
        return torch.optim.Adam(parameters, **options)
    return AnnealedAdam(parameters, last_decay=last_beta2, **options)


@optimizers.register("adamw")
def adamw(
    *,
    parameters: Parameters,
    lr: Positive = 2e-4,
    betas: tuple[Decay, Decay] = (0.5, 0.999),
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.01,
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101)."""
    fused = _can_fuse(parameters)
    return torch.optim.AdamW(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=fused)


@optimizers.register("rmsprop")
def rmsprop(
    *,
    parameters: Parameters,
    lr: Positive = 5e-5,
    alpha: Decay = 0.99,
    eps: Positive = 1e-8,
    momentum: Decay = 0.0,
    weight_decay: NonNegative = 0.0,
) -> torch.optim.Optimizer:
    """RMSprop (Hinton 2012), by default with the learning rate of WGAN (Arjovsky 2017, algorithm 1)."""
    return torch.optim.RMSprop(parameters, lr=lr, alpha=alpha, eps=eps, momentum=momentum, weight_decay=weight_decay)


@optimizers.register("sgd")
def sgd(
    *,
    parameters: Parameters,
    lr: Positive = 1e-2,
    momentum: Decay = 0.0,
    nesterov: bool = False,
    weight_decay: NonNegative = 0.0,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent, with Nesterov's momentum if asked for."""
    fused = _can_fuse(parameters)
    return torch.optim.SGD(
        parameters, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, fused=fused
    )


def build_optimizer(table: Mapping[str, Any], parameters: Parameters) -> torch.optim.Optimizer:
    """The optimiser that a component table describes. Raises ValueError for a plugin's that is none of torch's."""
    optimizer = build(optimizers, {**table, "parameters": parameters})
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ValueError(f"optimizer {table['name']!r} gives a {type(optimizer).__name__}, no torch.optim.Optimizer")
    return optimizer


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load the moments of a saved state; learning rates and other options stay as they are. Raises ValueError where the
    parameters differ.

    Moments get the memory layout of their parameters: fused kernels take another layout for other numbers.
    """
    options = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, own in zip(optimizer.param_groups, options, strict=True):
        group.update(own)
    for parameter, moments in optimizer.state.items():
        for name, moment in moments.items():
            if isinstance(moment, torch.Tensor) and moment.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter).copy_(moment)


def _can_fuse(parameters: Parameters) -> bool:
    return all(parameter.device.type in ("cpu", "cuda") for parameter in parameters)
