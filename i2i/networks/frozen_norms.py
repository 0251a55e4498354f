"""Instance norms with fixed statistics, calibrated on frames: each result pixel depends on its receptive field alone.

Statistics that do not depend on the image are those of batch norm at test time: Ioffe, Szegedy 2015, Batch
Normalization, section 3.1, https://arxiv.org/abs/1502.03167.
"""

from collections.abc import Iterable
from copy import deepcopy
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Network = TypeVar("Network", bound=nn.Module)


class FrozenNorm2d(nn.Module):
    """Norm with the same mean and variance for every image, in training too, and a trainable scale and shift.

    Shapes: (N, C, H, W) -> the same. An exporter folds it into the convolution before it.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, input: Tensor) -> Tensor:
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


@torch.no_grad()
def freeze_norms(network: Network, frames: Iterable[Tensor]) -> Network:
    """Copy of a network, in evaluation mode, whose instance norms have the mean statistics of `frames`.

    These are (N, C, H, W) in the network's value range, of any sizes that it takes; each is passed through the network
    once. A channel's mean and variance are the means over the frames of those that the instance norm computes. The copy
    is trainable, and its `spec` has norm = "frozen" in place of "instance". Raises ValueError without an instance norm,
    and without frames.
    """
    frozen = deepcopy(network).eval()
    norms = [(name, layer) for name, layer in frozen.named_modules() if isinstance(layer, nn.InstanceNorm2d)]
    if not norms:
        raise ValueError(f"{type(network).__name__} has no instance norm to freeze; leave the option out")
    statistics, weight = _mean_statistics(frozen, dict(norms), frames), next(frozen.parameters())
    for name, norm in norms:
        parent, _, leaf = name.rpartition(".")
        setattr(frozen.get_submodule(parent), leaf, _frozen(norm, *statistics[name]).to(weight))
    _declare_frozen(frozen)
    return frozen


def _mean_statistics(
    network: nn.Module, norms: dict[str, nn.InstanceNorm2d], frames: Iterable[Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and variance (C,) at the input of each norm, by its name, averaged over the frames in float64."""
    found: dict[str, list[Tensor]] = {name: [] for name in norms}

    def keep(name: str, norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        variance, mean = torch.var_mean(inputs[0], dim=(2, 3), correction=0)
        found[name].append(torch.stack([mean, variance], dim=1).double())

    hooks = [norm.register_forward_pre_hook(partial(keep, name)) for name, norm in norms.items()]
    for frame in frames:
        network(frame)
    for hook in hooks:
        hook.remove()
    if unused := [name for name, each in found.items() if not each]:
        raise ValueError(f"no frame has passed the norm {unused[0]}; frozen norms need the statistics of frames")
    means = {name: torch.cat(each).mean(dim=0) for name, each in found.items()}
    return {name: (each[0], each[1]) for name, each in means.items()}


def _frozen(norm: nn.InstanceNorm2d, mean: Tensor, variance: Tensor) -> FrozenNorm2d:
    frozen = FrozenNorm2d(norm.num_features, eps=norm.eps).to(mean)
    frozen.running_mean.copy_(mean)
    frozen.running_var.copy_(variance)
    if norm.affine:
        frozen.weight.copy_(norm.weight)
        frozen.bias.copy_(norm.bias)
    return frozen.eval()


def _declare_frozen(network: nn.Module) -> None:
    """Correct what a network, and each generator inside it, says of itself."""
    for layer in network.modules():
        own = vars(layer)
        if isinstance(own.get("spec"), dict):
            own["spec"] = _frozen_spec(own["spec"])
        if overlap := getattr(layer, "frozen_overlap", 0):
            own["overlap"] = overlap


def _frozen_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """The options of a generator, and of one inside it, that build it with frozen norms."""
    values = {key: _frozen_spec(value) if isinstance(value, dict) else value for key, value in spec.items()}
    return {key: "frozen" if (key, value) == ("norm", "instance") else value for key, value in values.items()}
