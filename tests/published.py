"""Networks in the layouts in which others published them, with small random weights."""

import torch
from torch import Tensor

from i2i.networks.generators.rrdb import RRDBNet
from i2i.networks.generators.srvgg import SRVGGNet


class Published(dict[str, Tensor]):
    """A state dict in the published layout, filled layer by layer; the networks have 2 input and 1 output channel."""

    def __init__(self, norm: str) -> None:
        super().__init__()
        self.norm = norm

    def convolution(self, position: str, before: int, after: int, kernel: int, *, up: bool = False, last: bool = False):
        """From `before` to `after` channels; a transposed one if `up`. The last has a bias whatever the norm."""
        self[f"{position}.weight"] = 0.1 * torch.randn(*((before, after) if up else (after, before)), kernel, kernel)
        if self.norm == "instance" or last:
            self[f"{position}.bias"] = torch.zeros(after)

    def normalisation(self, position: str, channels: int) -> None:
        if self.norm == "batch":
            for leaf, value in {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}.items():
                self[f"{position}.{leaf}"] = torch.full((channels,), float(value))
            self[f"{position}.num_batches_tracked"] = torch.tensor(0)

    def blocks(self, start: int, count: int, *, dropout: bool) -> None:
        """Residual blocks of 16 channels."""
        for block in range(start, start + count):
            for convolution in (1, 6 if dropout else 5):
                self.convolution(f"model.{block}.conv_block.{convolution}", 16, 16, 3)
                self.normalisation(f"model.{block}.conv_block.{convolution + 1}", 16)


def published_filter(channels: int, _: int, size: int, __: int) -> Tensor:
    """CUT's depth-wise filter of 3x3 for down-sampling, or of 4x4 for up-sampling, where three of four pixels are 0."""
    taps = torch.tensor({3: [0.25, 0.5, 0.25], 4: [0.25, 0.75, 0.75, 0.25]}[size])
    return (taps[:, None] * taps).repeat(channels, 1, 1, 1)


def published_cut(*, blocks: int, norm: str = "instance", dropout: bool = False) -> Published:
    """The anti-aliased ResNet of CUT."""
    state = Published(norm)
    state.convolution("model.1", 2, 4, 7)
    state.normalisation("model.2", 4)
    for position, width in ((4, 8), (8, 16)):
        state.convolution(f"model.{position}", width // 2, width, 3)
        state.normalisation(f"model.{position + 1}", width)
        state[f"model.{position + 3}.filt"] = published_filter(width, 1, 3, 3)
    state.blocks(12, blocks, dropout=dropout)
    for position, width in ((12 + blocks, 8), (16 + blocks, 4)):
        state[f"model.{position}.filt"] = published_filter(2 * width, 1, 4, 4)
        state.convolution(f"model.{position + 1}", 2 * width, width, 3)
        state.normalisation(f"model.{position + 2}", width)
    state.convolution(f"model.{21 + blocks}", 4, 1, 7, last=True)
    return state


def published_resnet(*, blocks: int, norm: str = "instance", dropout: bool = False) -> Published:
    state = Published(norm)
    state.convolution("model.1", 2, 4, 7)
    state.normalisation("model.2", 4)
    for position, width in ((4, 8), (7, 16)):
        state.convolution(f"model.{position}", width // 2, width, 3)
        state.normalisation(f"model.{position + 1}", width)
    state.blocks(10, blocks, dropout=dropout)
    for position, width in ((10 + blocks, 8), (13 + blocks, 4)):
        state.convolution(f"model.{position}", 2 * width, width, 3, up=True)
        state.normalisation(f"model.{position + 1}", width)
    state.convolution(f"model.{17 + blocks}", 4, 1, 7, last=True)
    return state


def published_unet(*, depth: int, norm: str) -> Published:
    state = Published(norm)
    widths = [4 * 2 ** min(level, 3) for level in range(depth)]
    state.convolution("model.model.0", 2, 4, 4)
    state.convolution("model.model.3", 8, 1, 4, up=True, last=True)
    block = "model.model.1"
    for level in range(1, depth):
        outer, inner, innermost = widths[level - 1], widths[level], level == depth - 1
        state.convolution(f"{block}.model.1", outer, inner, 4)
        up = 3 if innermost else 5
        state.convolution(f"{block}.model.{up}", inner if innermost else 2 * inner, outer, 4, up=True)
        state.normalisation(f"{block}.model.{up + 1}", outer)
        if not innermost:
            state.normalisation(f"{block}.model.2", inner)
        block += ".model.3"
    return state


def named(names: list[str], network: torch.nn.Module) -> dict[str, Tensor]:
    """The weights of a network of ours, layer by layer under the names of a published layout."""
    layers: dict[str, dict[str, Tensor]] = {}
    for key, tensor in network.state_dict().items():
        name, _, leaf = key.rpartition(".")
        layers.setdefault(name, {})[leaf] = tensor
    return {
        f"{name}.{leaf}": tensor
        for name, layer in zip(names, layers.values(), strict=True)
        for leaf, tensor in layer.items()
    }


def rrdb_names(layout: str, *, blocks: int, ups: int) -> list[str]:
    """The names of an RRDB network's convolutions in the layout of that year, in the order of the network."""
    first, block, trunk, up, high, last = {
        "2018": (
            "model.0", "model.1.sub.{}.RDB{}.conv{}.0", f"model.1.sub.{blocks}",
            [f"model.{3 * n}" for n in range(1, ups + 1)], f"model.{3 * ups + 2}", f"model.{3 * ups + 4}",
        ),
        "2019": (
            "conv_first", "RRDB_trunk.{}.RDB{}.conv{}", "trunk_conv",
            [f"upconv{n}" for n in range(1, ups + 1)], "HRconv", "conv_last",
        ),
        "2021": (
            "conv_first", "body.{}.rdb{}.conv{}", "conv_body",
            [f"conv_up{n}" for n in range(1, ups + 1)], "conv_hr", "conv_last",
        ),
    }[layout]  # fmt: skip
    inner = [block.format(n, j, k) for n in range(blocks) for j in (1, 2, 3) for k in (1, 2, 3, 4, 5)]
    return [first, *inner, trunk, *up, high, last]


def published_rrdb(layout: str = "2021", *, blocks: int = 1, **options) -> tuple[RRDBNet, dict[str, Tensor]]:
    network = RRDBNet(features=4, growth=2, blocks=blocks, **options).eval()
    return network, named(rrdb_names(layout, blocks=blocks, ups=len(network.up)), network)


def published_srvgg(**options) -> tuple[SRVGGNet, dict[str, Tensor]]:
    network = SRVGGNet(features=4, **options).eval()
    step = 1 if options.get("activation", "prelu") == "prelu" else 2
    return network, named([f"body.{n}" for n in range(0, 2 * options["convolutions"] + 3, step)], network)


def assert_same_weights(one: torch.nn.Module, other: torch.nn.Module) -> None:
    assert type(one) is type(other) and one.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(tensor, other.state_dict()[key]) for key, tensor in one.state_dict().items())
