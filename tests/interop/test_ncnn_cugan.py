"""Real-CUGAN's networks in ncnn's format, written here in the layout of nihui's files."""

from pathlib import Path

import pytest
import torch

from i2i.interop import architectures, load_published
from i2i.interop.architectures import Measured
from i2i.interop.ncnn_cugan import NAMES
from i2i.interop.ncnn_graph import NcnnGraph
from tests.architectures import random_state


@pytest.fixture
def state(monkeypatch):
    monkeypatch.setattr(architectures, "measure", lambda generator: Measured(0, 0, True))
    return random_state("RealCUGAN")


def write(state, folder: Path) -> Path:
    """The layers with weights, one after another: the others are not read."""
    graph, blob = NcnnGraph(half=False), "data"
    for name in NAMES:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        if "seblock" in name:
            blob = graph.add("InnerProduct", blob, {0: len(bias), 1: 1, 2: weight.numel()})
        else:
            deconvolution = len(bias) == weight.shape[1] and name.endswith(("_up", "unet1.conv_bottom"))
            weight = weight.transpose(0, 1) if deconvolution else weight
            kind = "Deconvolution" if deconvolution else "Convolution"
            blob = graph.add(kind, blob, {0: len(bias), 1: weight.shape[-1], 5: 1, 6: weight.numel()})
        graph.add_weights(weight)
        graph.add_floats(bias)
    text, weights = graph.files(blob)
    (folder / "net.param").write_text(text)
    (folder / "net.bin").write_bytes(weights)
    return folder / "net.param"


def test_a_network_of_real_cugan_comes_back(tmp_path, state, monkeypatch):
    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path / "cache"))
    loaded = load_published(write(state, tmp_path))
    assert loaded.architecture == "RealCUGAN" and loaded.scale == 2
    found = loaded.network.state_dict()
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)


def test_weights_that_end_too_early_are_refused(tmp_path, state):
    file = write(state, tmp_path).with_suffix(".bin")
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"net\.bin: ends after"):
        load_published(file)
