"""Published layouts of the generators of ESRGAN and Real-ESRGAN.

RRDB networks: ESRGAN's of 2018 (`model.1.sub.0.RDB1.conv1.0`) and of 2019 (`RRDB_trunk.0.RDB1.conv1`,
https://github.com/xinntao/ESRGAN), and that of BasicSR and Real-ESRGAN (`body.0.rdb1.conv1`,
https://github.com/xinntao/Real-ESRGAN). Compact ones: Real-ESRGAN's SRVGGNetCompact (`body.0`).
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from i2i.interop.layers import convolution_weights, published_layers

FIRST_OF_A_BLOCK = re.compile(r"(body|RRDB_trunk|model\.1\.sub)\.\d+\.(rdb1|RDB1)\.conv1(\.0)?\.weight")
PER_BLOCK = 15  # convolutions: three dense blocks of five
BESIDE_BLOCKS = 4  # convolutions that are neither in a block nor after an up-sampling
UPSAMPLINGS = range(4)  # x1, x2, x4, x8


def rrdb_names(blocks: int, upsamplings: int) -> list[str]:
    """Names of an RRDB network's convolutions in order, in BasicSR and Real-ESRGAN."""
    return [
        "conv_first",
        *(f"body.{n}.rdb{j}.conv{k}" for n in range(blocks) for j in (1, 2, 3) for k in (1, 2, 3, 4, 5)),
        "conv_body",
        *(f"conv_up{n + 1}" for n in range(upsamplings)),
        "conv_hr",
        "conv_last",
    ]


def srvgg_names(convolutions: int) -> list[str]:
    """Names of a compact network's convolutions in order; its activations are numbered with them."""
    return [f"body.{2 * n}" for n in range(convolutions + 2)]


def rrdb_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the RRDB network with this published state dict. Raises ValueError."""
    layers = published_layers(state)
    first, dense, *_, last = weights = convolution_weights(layers)
    blocks = sum(bool(FIRST_OF_A_BLOCK.fullmatch(key)) for key in state)
    fewest = PER_BLOCK * blocks + BESIDE_BLOCKS
    upsamplings = len(layers) - fewest
    if upsamplings not in UPSAMPLINGS or len(weights) < len(layers):
        raise ValueError(
            f"an RRDB network of {blocks} blocks has {fewest} to {fewest + UPSAMPLINGS[-1]} layers, all convolutions, "
            f"but here are {len(layers)}, of which {len(weights)} are; ESRGAN+ and its like are not supported"
        )
    # Pixel-unshuffle moves squares of 2x2 or 4x4 pixels into channels.
    factor = next((factor for factor in (2, 4) if first.shape[1] == factor**2 * last.shape[0]), 1)
    return {
        "in_channels": first.shape[1] // factor**2,
        "out_channels": last.shape[0],
        "features": first.shape[0],
        "blocks": blocks,
        "growth": dense.shape[0],
        "scale": 2**upsamplings // factor,
        "unshuffle": factor > 1,
    }


def srvgg_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the compact network with this published state dict. Raises ValueError."""
    layers = published_layers(state)
    first, *_, last = weights = convolution_weights(layers)
    if len(weights) == len(layers):
        raise ValueError(
            "a compact network without PReLU: its keys do not say whether it was trained with relu or leakyrelu; build "
            "the generator srvgg with either and give it the weights that i2i.interop.rename returns"
        )
    channels = first.shape[1]
    return {
        "in_channels": channels,
        "out_channels": channels,  # it adds to its input
        "features": first.shape[0],
        "convolutions": len(weights) - 2,  # without the first and the last
        "scale": math.isqrt(last.shape[0] // channels),
    }
