"""Pairs of ncnn's files, written here layer by layer, give back the network that they were written from."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from i2i.interop import load_published
from i2i.networks.generators.rrdb import RRDBNet
from i2i.networks.generators.srvgg import SRVGGNet
from tests.published import assert_same_weights

LEAKY = " 9=2 -23310=1,2.000000e-01"


class Pair:
    """A graph and its weights, to which layers are added in their order."""

    def __init__(self, *, half: bool = False) -> None:
        self.lines, self.weights, self.half = ["Input data 0 1 data"], b"", half

    def add(self, kind: str, options: str = "", *, inputs: int = 1) -> None:
        blobs = " ".join(f"b{n}" for n in range(inputs + 1))
        self.lines.append(f"{kind:<24} {kind}_{len(self.lines)} {inputs} 1 {blobs} {options}")

    def convolution(self, layer: nn.Conv2d, activation: str = "") -> None:
        assert layer.bias is not None
        options = f"0={layer.out_channels} 1=3 4=1 5=1 6={layer.weight.numel()}"
        self.add("Convolution", options + activation)
        numbers = layer.weight.detach().numpy().astype("<f2" if self.half else "<f4").tobytes()
        tag = struct.pack("<I", 0x01306B47 if self.half else 0)
        self.weights += tag + numbers + b"\0" * (-len(numbers) % 4) + floats(layer.bias)

    def write(self, folder: Path) -> Path:
        graph = "\n".join(["7767517", f"{len(self.lines)} {len(self.lines)}", *self.lines])
        (folder / "net.param").write_text(graph + "\n")
        (folder / "net.bin").write_bytes(self.weights)
        return folder / "net.param"


def floats(tensor: Tensor) -> bytes:
    return tensor.detach().numpy().astype("<f4").tobytes()


def rrdb_pair(network: RRDBNet, *, half: bool = False) -> Pair:
    pair = Pair(half=half)
    pair.convolution(network.stem)
    for block in network.blocks:
        for dense in block.residual:
            *inner, last = dense.convolutions
            for count, convolution in enumerate(inner, 2):
                pair.convolution(convolution, LEAKY)
                pair.add("Concat", inputs=count)
            pair.convolution(last)
            pair.add("Eltwise", "0=1 -23301=2,2.000000e-01,1.000000e+00", inputs=2)
        pair.add("Eltwise", "0=1 -23301=2,2.000000e-01,1.000000e+00", inputs=2)
    pair.convolution(network.trunk)
    pair.add("BinaryOp", inputs=2)
    for up in network.up:
        pair.add("Interp", "0=1 1=2.000000e+00 2=2.0")
        pair.convolution(up[1], LEAKY)
    pair.convolution(network.head[0], LEAKY)
    pair.convolution(network.head[2])
    return pair


def compact_pair(network: SRVGGNet, *, half: bool = False) -> Pair:
    pair = Pair(half=half)
    for convolution, activation in [network.stem, *network.body]:
        pair.convolution(convolution)
        pair.add("PReLU", f"0={activation.weight.numel()}")
        pair.weights += floats(activation.weight)
    pair.convolution(network.head)
    pair.add("PixelShuffle", f"0={network.scale}")
    pair.add("Interp", f"0=1 1={network.scale} 2={network.scale}.0")
    pair.add("BinaryOp", "0=0", inputs=2)
    return pair


def as_half(network: nn.Module) -> None:
    """Convolutions' weights rounded to half precision, which is what a file holds of them."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.data.half().float()


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("blocks", "scale", "channels"), [(1, 4, 3), (2, 8, 3), (11, 2, 1), (1, 1, 3)])
def test_an_rrdb_network_comes_back(tmp_path: Path, half: bool, blocks: int, scale: int, channels: int) -> None:
    options = {"in_channels": channels, "out_channels": channels, "scale": scale, "unshuffle": False}
    network = RRDBNet(features=5, growth=3, blocks=blocks, **options).eval()
    if half:
        as_half(network)
    file = rrdb_pair(network, half=half).write(tmp_path)
    for either in (file, file.with_suffix(".bin")):
        assert_same_weights(load_published(either), network)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("convolutions", "scale"), [(1, 4), (12, 2), (2, 3)])
def test_a_compact_network_comes_back(tmp_path: Path, half: bool, convolutions: int, scale: int) -> None:
    network = SRVGGNet(features=3, convolutions=convolutions, scale=scale).eval()
    if half:
        as_half(network)
    loaded = load_published(compact_pair(network, half=half).write(tmp_path))
    assert_same_weights(loaded, network)
    assert loaded.scale == scale


@pytest.fixture
def pair() -> Pair:
    return compact_pair(SRVGGNet(features=4, convolutions=1))


@pytest.mark.parametrize("change", [-4, -1, 1, 4, None])
def test_weights_that_do_not_end_where_the_graph_does_are_refused(
    pair: Pair, tmp_path: Path, change: int | None
) -> None:
    pair.weights = pair.weights + b"\0" * change if change and change > 0 else pair.weights[: change or 0]
    with pytest.raises(ValueError, match=r"net\.bin: .*bytes, its \.param needs") as error:
        load_published(pair.write(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("line", "old", "new", "sentence"),
    [
        (1, "6=108", "6=1e300", r"net\.bin: ends after"),
        (1, "6=108", "6=inf", r"net\.bin: damaged: layer \w+ has 6=inf"),
        (1, "6=108", "6=107", r"net\.bin: damaged: 107 weights for 4 features"),
        (1, "0=4", "0=-4", r"net\.bin: damaged: layer \w+ has 0=-4"),
        (1, "0=4", "0=4.5", r"net\.bin: damaged: layer \w+ has 0=4.5"),
        (1, "0=4", "0=four", r"net\.param: damaged: a line is not what ncnn writes"),
        (1, "4=1", "4=0", r"net\.param: layer Convolution_1 \(Convolution\) is in no RRDB and no compact network"),
        (1, "1=3", "1=5", r"net\.param: layer Convolution_1"),
        (1, "5=1 ", "", r"net\.param: layer Convolution_1"),
        (2, "PReLU ", "Sigmoid ", r"net\.param: layer PReLU_2 \(Sigmoid\) is in no RRDB"),
        (2, "0=4", "0=5", r"net\.bin: "),
        (6, "0=4", "0=2", r"net\.param: these layers are no RRDB and no compact network"),
        (7, "0=1", "0=2", r"net\.param: layer Interp_7"),
        (8, "0=0", "0=2", r"net\.param: layer BinaryOp_8"),
    ],
)
def test_a_graph_of_another_network_is_refused(
    pair: Pair, tmp_path: Path, line: int, old: str, new: str, sentence: str
) -> None:
    assert old in pair.lines[line]
    pair.lines[line] = pair.lines[line].replace(old, new)
    with pytest.raises(ValueError, match=sentence) as error:
        load_published(pair.write(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("line", [3, 5, 8])
def test_a_layer_too_few_is_refused(pair: Pair, tmp_path: Path, line: int) -> None:
    del pair.lines[line]
    with pytest.raises(ValueError, match=r"net\.param: these layers are no RRDB and no compact network"):
        load_published(pair.write(tmp_path))


def test_integer_weights_are_refused(pair: Pair, tmp_path: Path) -> None:
    pair.weights = struct.pack("<I", 0x000D4B38) + pair.weights[4:]
    with pytest.raises(ValueError, match="are of kind 0xd4b38; choose from: float16 and float32"):
        load_published(pair.write(tmp_path))


def test_both_files_are_needed(pair: Pair, tmp_path: Path) -> None:
    file = pair.write(tmp_path)
    file.with_suffix(".bin").unlink()
    with pytest.raises(ValueError, match=r"net\.bin: no such file; a network of ncnn is two files"):
        load_published(file)


@pytest.mark.parametrize(
    "text", ["", "\n", "7767517", "7767517\n", "7767517\nx", "7767517\n3 3\nInput a 0 1 a\n", "a\0b"]
)
def test_what_is_no_graph_is_one_sentence(pair: Pair, tmp_path: Path, text: str) -> None:
    file = pair.write(tmp_path)
    file.write_text(text)
    with pytest.raises(ValueError, match=r"net\.param: (damaged|not a graph of ncnn)"):
        load_published(file)


def test_a_truncated_graph_is_refused(pair: Pair, tmp_path: Path) -> None:
    file = pair.write(tmp_path)
    whole = file.read_text()
    for kept in range(0, whole.rindex("BinaryOp") + 5, 7):
        file.write_text(whole[:kept])
        with pytest.raises(ValueError, match=r"net\.(param|bin): "):
            load_published(file)


def test_the_result_of_a_graph_that_shrinks_it_stays_whole_with_a_warning(pair: Pair, tmp_path: Path) -> None:
    pair.add("Interp", "0=3 1=5.000000e-01 2=5.000000e-01")
    with pytest.warns(UserWarning, match=r"net\.param: resizes the result by 0\.5"):
        assert load_published(pair.write(tmp_path)).scale == 4


def test_weights_stay_finite_and_exact_in_half_precision(tmp_path: Path) -> None:
    network = SRVGGNet(features=4, convolutions=1).eval()
    loaded = load_published(compact_pair(network, half=True).write(tmp_path))
    image = torch.rand(1, 3, 8, 8)
    np.testing.assert_allclose(loaded(image).detach(), network(image).detach(), atol=1e-3)


def spelt_out(pair: Pair) -> None:
    """Rewrite the graph as other converters do: with defaults, and with activations and factors as layers."""
    lines = []
    for line in pair.lines:
        kind, name, *_ = line.split()
        if kind == "Convolution":
            line, leaky, _ = (*line.partition(LEAKY),)
            lines.append(f"{line} 11=3 2=1 12=1 3=1 13=1 14=1 15=1 16=1")
            lines += [f"ReLU {name}_r 1 1 a b 0=2.000000e-01"] if leaky else []
        elif kind == "Eltwise":
            lines += [f"BinaryOp {name}_m 1 1 a b 0=2 1=1 2=2.000000e-01", f"BinaryOp {name}_a 2 1 a b c 0=0 1=0"]
        else:
            lines.append(f"{line} 3=0 4=0 6=0" if kind == "Interp" else line)
    pair.lines = lines


def test_defaults_and_activations_as_layers_are_the_same_network(tmp_path: Path) -> None:
    network = RRDBNet(features=5, growth=3, blocks=2, scale=4).eval()
    pair = rrdb_pair(network)
    spelt_out(pair)
    assert sum(line.startswith("ReLU") for line in pair.lines) == 2 * 12 + 3
    assert_same_weights(load_published(pair.write(tmp_path)), network)


@pytest.mark.parametrize(
    ("old", "new"), [("13=1", "13=2"), ("12=1", "12=2"), ("11=3", "11=1"), ("16=1", "16=0"), ("6=0", "6=1")]
)
def test_what_is_spelt_out_and_differs_is_refused(tmp_path: Path, old: str, new: str) -> None:
    pair = rrdb_pair(RRDBNet(features=5, growth=3, blocks=1, scale=4))
    spelt_out(pair)
    place = next(n for n, line in enumerate(pair.lines) if f" {old}" in line)
    pair.lines[place] = pair.lines[place].replace(f" {old}", f" {new}")
    with pytest.raises(ValueError, match=r"net\.param: layer \w+ \((Convolution|Interp)\) is in no RRDB"):
        load_published(pair.write(tmp_path))


def test_a_graph_of_another_converter_is_the_network_it_was_written_from(shared: Path) -> None:
    folder = shared / "cases" / "ncnn_chainner"
    assert_same_weights(load_published(folder / "tiny.param"), load_published(folder / "same.pth"))
