"""Published layout of SPAN, as its authors (https://github.com/hongyuanyu/SPAN), neosr and traiNNer-redux write it.

A file also holds the folded convolutions (`eval_conv`), which are computed again from their branches, as spandrel does.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from i2i.interop.layers import keys_of, rename_as
from i2i.networks.generators.span import BLOCKS, DIV2K_MEAN, NORM_RANGE, SPAN
from i2i.networks.reparameterised import ExpandedConvolution

BRANCHES = ("sk", "conv.0", "conv.1", "conv.2")  # of a convolution
FOLDED = "eval_conv"
NO_NORM = "no_norm"  # a tensor that only networks without the norm have
CONVOLUTIONS = ["conv_1", *(f"block_{block}.c{n}_r" for block in range(1, BLOCKS + 1) for n in (1, 2, 3)), "conv_2"]
NAMES = [*(f"{name}.{branch}" for name in CONVOLUTIONS for branch in BRANCHES), "conv_cat", "upsampler.0"]


def span_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the SPAN network with this published state dict. Raises ValueError."""
    first, last = (state.get(f"{name}.weight", torch.empty(0, 0)) for name in ("conv_1.sk", "upsampler.0"))
    # The file does not say the channels of the result: they are the image's, else 3, 4 or 1, as spandrel has it.
    outputs = next((each for each in (first.shape[1], 3, 4, 1) if each and square_root(last.shape[0] / each)), 1)
    return {
        "in_channels": first.shape[1],
        "out_channels": outputs,
        "features": first.shape[0],
        "scale": square_root(last.shape[0] / outputs),
        "norm": NO_NORM not in state,
    }


def rename_span(state: Mapping[str, Tensor], network: SPAN) -> dict[str, Tensor]:
    """Rename the keys of a published state dict to those of our `network`. Raises ValueError as `rename_as`."""
    branches = {key: tensor for key, tensor in state.items() if f".{FOLDED}." not in key and key != NO_NORM}
    mean = {} if network.mean is None else {"mean": torch.tensor(DIV2K_MEAN).view(1, 3, 1, 1)}
    return rename_as(NAMES, branches, network) | mean


def publish_span(network: SPAN) -> dict[str, Tensor]:
    """State dict of a SPAN network with the published keys. Raises ValueError for a norm that no file says."""
    if network.mean is not None and (network.norm_range, network.mean.flatten().tolist()) != _published_norm():
        raise ValueError(f"SPAN was published with norm_range = {NORM_RANGE:g} and mean = {DIV2K_MEAN} only")
    state = network.state_dict()
    published = {theirs: state[ours] for ours, theirs in keys_of(NAMES, network).items()}
    branched = (each for each in network.modules() if isinstance(each, ExpandedConvolution))
    for name, convolution in zip(CONVOLUTIONS, branched, strict=True):
        folded = convolution.folded().state_dict()
        published |= {f"{name}.{FOLDED}.{leaf}": tensor for leaf, tensor in folded.items()}
    return published | ({NO_NORM: torch.zeros(1)} if network.mean is None else {})


def square_root(number: float) -> int:
    """The whole number whose square `number` is; 0 where there is none."""
    root = math.isqrt(int(number))
    return root if root**2 == number else 0


def _published_norm() -> tuple[float, list[float]]:
    return NORM_RANGE, torch.tensor(DIV2K_MEAN).tolist()
