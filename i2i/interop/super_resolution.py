"""Published layouts of the generators of ESRGAN and Real-ESRGAN.

RRDB networks: ESRGAN's of 2018 (`model.1.sub.0.RDB1.conv1.0`) and of 2019 (`RRDB_trunk.0.RDB1.conv1`,
https://github.com/xinntao/ESRGAN), and that of BasicSR and Real-ESRGAN (`body.0.rdb1.conv1`,
https://github.com/xinntao/Real-ESRGAN). Compact ones: Real-ESRGAN's SRVGGNetCompact (`body.0`).
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from torch import Tensor

from i2i.interop.layers import NUMBER, check_names, convolution_weights, count_numbered, published_layers
from i2i.networks.generators.rrdb import PUBLISHED_UNSHUFFLE, Scale

PER_BLOCK = 15  # convolutions: three dense blocks of five
BESIDE_BLOCKS = 4  # convolutions that are neither in a block nor after an up-sampling
BEYOND_UPSAMPLING = 4  # from the position of the last up-sampling's convolution to that of the last convolution, 2018


class Layout(NamedTuple):
    """Names of an RRDB network's convolutions in a publication; `block` and `up` are formatted with numbers."""

    first: str
    block: str
    body: str
    up: str
    high: str
    last: str


LAYOUTS = {
    "2021": Layout("conv_first", "body.{}.rdb{}.conv{}", "conv_body", "conv_up{}", "conv_hr", "conv_last"),
    "2019": Layout("conv_first", "RRDB_trunk.{}.RDB{}.conv{}", "trunk_conv", "upconv{}", "HRconv", "conv_last"),
}


def rrdb_names(blocks: int, upsamplings: int, layout: str = "2021") -> list[str]:
    """Names of an RRDB network's convolutions in order, by default in BasicSR and Real-ESRGAN."""
    if layout == "2018":
        return _names(_layout_of_2018(blocks, upsamplings), blocks, [3 * n + 3 for n in range(upsamplings)])
    return _names(LAYOUTS[layout], blocks, [n + 1 for n in range(upsamplings)])


def _layout_of_2018(blocks: int, upsamplings: int) -> Layout:
    """Positions in one sequence, in which an up-sampling and the activation take one each."""
    high = 3 * upsamplings + 2
    block = "model.1.sub.{}.RDB{}.conv{}.0"
    return Layout("model.0", block, f"model.1.sub.{blocks}", "model.{}", f"model.{high}", f"model.{high + 2}")


def _names(layout: Layout, blocks: int, upsamplings: list[int]) -> list[str]:
    inner = [layout.block.format(n, j, k) for n in range(blocks) for j in (1, 2, 3) for k in (1, 2, 3, 4, 5)]
    ups = [layout.up.format(n) for n in upsamplings]
    return [layout.first, *inner, layout.body, *ups, layout.high, layout.last]


def srvgg_names(convolutions: int) -> list[str]:
    """Names of a compact network's convolutions in order; its activations are numbered with them."""
    return [f"body.{2 * n}" for n in range(convolutions + 2)]


def rrdb_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the RRDB network with this published state dict.

    Raises ValueError, also for a name that is missing or unknown: without one, the others may be those of a smaller
    network.
    """
    blocks, upsamplings, layout = _recognise_layout(state)
    names = rrdb_names(blocks, upsamplings, layout)
    check_names(state, names)
    first, dense, last = (state[f"{name}.weight"] for name in (names[0], names[1], names[-1]))
    # Pixel-unshuffle moves squares of 2x2 or 4x4 pixels into channels.
    factor = next((factor for factor in (2, 4) if first.shape[1] == factor**2 * last.shape[0]), 1)
    scale = 2**upsamplings / factor
    if scale not in get_args(Scale):
        raise ValueError(f"{upsamplings} up-samplings by 2, and pixels unshuffled by {factor}, are scale {scale:g}")
    return {
        "in_channels": first.shape[1] // factor**2,
        "out_channels": last.shape[0],
        "features": first.shape[0],
        "blocks": blocks,
        "growth": dense.shape[0],
        "scale": int(scale),
        "unshuffle": factor > 1 if factor in (1, PUBLISHED_UNSHUFFLE.get(int(scale))) else factor,
    }


def _recognise_layout(state: Mapping[str, Tensor]) -> tuple[int, int, str]:
    """Blocks, up-samplings and the year of the layout, from the numbers in the names."""
    for year, layout in LAYOUTS.items():
        pattern = layout.block.replace(".", r"\.").format(NUMBER, "[123]", "[1-5]")
        if blocks := count_numbered(state, rf"{pattern}\.weight"):
            return blocks, count_numbered(state, rf"{layout.up.format(NUMBER)}\.weight", start=1), year
    blocks = count_numbered(state, rf"model\.1\.sub\.{NUMBER}\.RDB[123]\.conv[1-5]\.0\.weight")
    last = max((n for n in range(3 * len(state)) if f"model.{n}.weight" in state), default=0)
    return blocks, max(0, math.ceil((last - BEYOND_UPSAMPLING) / 3)), "2018"


def srvgg_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the compact network with this published state dict. Raises ValueError."""
    layers = published_layers(state)
    first, *_, last = weights = convolution_weights(layers)
    if len(weights) == len(layers):
        raise ValueError(
            "a compact network without PReLU: its keys do not say whether it was trained with relu or leakyrelu; build "
            "the generator srvgg with either and give it the weights that i2i.interop.rename returns"
        )
    # Activations and convolutions take turns, and the last is a convolution.
    convolutions = count_numbered(state, rf"body\.{NUMBER}\.weight") // 2 + 1
    check_names(state, srvgg_names(convolutions - 2))
    channels = first.shape[1]
    return {
        "in_channels": channels,
        "out_channels": channels,  # it adds to its input
        "features": first.shape[0],
        "convolutions": len(weights) - 2,  # without the first and the last
        "scale": math.isqrt(last.shape[0] // channels),
    }
