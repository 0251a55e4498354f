import json
import random

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from i2i.discriminators.patchgan import PatchGAN, PixelGAN
from i2i.generators.resnet import ResnetGenerator
from i2i.generators.unet import UnetGenerator
from i2i.interop import load_published, recognise, rename
from tests import golden

GOLDEN = {
    "resnet_6blocks_batch_ngf16": lambda: ResnetGenerator(features=16, blocks=6, norm="batch"),
    "resnet_9blocks_instance_ngf16": lambda: ResnetGenerator(features=16),
    "unet_128_batch_ngf16": lambda: UnetGenerator(features=16, depth=7),
    "unet_256_instance_ngf8": lambda: UnetGenerator(features=8, norm="instance"),
    "patchgan_3layers_batch_ndf16_6ch": lambda: PatchGAN(in_channels=6, features=16),
    "patchgan_3layers_instance_ndf16": lambda: PatchGAN(features=16, norm="instance"),
    "pixelgan_batch_ndf16": lambda: PixelGAN(in_channels=6, features=16),
}


def recorded(shared, name):
    """The recorded arrays, and the published state dict that they were recorded with."""
    arrays = np.load(shared / "golden" / "networks" / f"{name}.npz")
    return arrays, golden.weights(json.loads(str(arrays["state_dict"])))


@pytest.mark.parametrize("name", GOLDEN)
def test_published_weights_give_the_published_output(shared, name):
    arrays, state = recorded(shared, name)
    network = GOLDEN[name]().train(str(arrays["mode"]) == "train")
    network.load_state_dict(rename(state, network))
    with torch.no_grad():
        output = network(torch.from_numpy(arrays["input"]))
    torch.testing.assert_close(output, torch.from_numpy(arrays["output"]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", [name for name in GOLDEN if name.startswith(("resnet", "unet"))])
def test_a_published_file_needs_no_options(shared, name, tmp_path):
    arrays, state = recorded(shared, name)
    torch.save(state, tmp_path / "latest_net_G.pth")
    generator = load_published(tmp_path / "latest_net_G.pth")
    with torch.no_grad():
        output = generator(torch.from_numpy(arrays["input"]))
    torch.testing.assert_close(output, torch.from_numpy(arrays["output"]), atol=1e-5, rtol=0)


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


def published_resnet(*, blocks: int, norm: str = "instance", dropout: bool = False) -> Published:
    state = Published(norm)
    state.convolution("model.1", 2, 4, 7)
    state.normalisation("model.2", 4)
    for position, width in ((4, 8), (7, 16)):
        state.convolution(f"model.{position}", width // 2, width, 3)
        state.normalisation(f"model.{position + 1}", width)
    for block in range(10, 10 + blocks):
        for convolution in (1, 6 if dropout else 5):
            state.convolution(f"model.{block}.conv_block.{convolution}", 16, 16, 3)
            state.normalisation(f"model.{block}.conv_block.{convolution + 1}", 16)
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


@pytest.mark.parametrize("depth", [5, 7, 9])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_a_unet_is_recognised_whatever_its_options(depth, norm):
    state = published_unet(depth=depth, norm=norm)
    name, options = recognise(state)
    assert name == "unet"
    assert options == {"in_channels": 2, "out_channels": 1, "features": 4, "depth": depth, "norm": norm}
    UnetGenerator(**options).load_state_dict(rename(state, UnetGenerator(**options)))


@pytest.mark.parametrize("blocks", [1, 6, 12])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("dropout", [False, True])
def test_a_resnet_is_recognised_whatever_its_options(blocks, norm, dropout):
    state = published_resnet(blocks=blocks, norm=norm, dropout=dropout)
    name, options = recognise(state)
    assert name == "resnet"
    assert options == {
        "in_channels": 2, "out_channels": 1, "features": 4, "blocks": blocks, "norm": norm, "dropout": dropout,
    }  # fmt: skip
    ResnetGenerator(**options).load_state_dict(rename(state, ResnetGenerator(**options)))


def test_the_order_of_keys_does_not_matter(tmp_path):
    state = published_resnet(blocks=3, norm="batch")
    keys = list(state)
    random.Random(0).shuffle(keys)
    torch.save(dict(state), tmp_path / "net.pth")
    torch.save({key: state[key] for key in keys}, tmp_path / "shuffled.pth")
    save_file(state, tmp_path / "net.safetensors")
    image = torch.rand(1, 2, 16, 16)
    expected = load_published(tmp_path / "net.pth")(image)
    assert torch.equal(load_published(tmp_path / "shuffled.pth")(image), expected)
    assert torch.equal(load_published(tmp_path / "net.safetensors")(image), expected)


def test_running_statistics_of_old_instance_norms_are_left_out():
    state = published_resnet(blocks=1)
    network = ResnetGenerator(in_channels=2, out_channels=1, features=4, blocks=1)
    clean = rename(state, network)
    state |= {"model.2.running_mean": torch.ones(4), "model.2.running_var": torch.ones(4)}
    assert recognise(state)[1]["norm"] == "instance"
    assert rename(state, network).keys() == clean.keys()


def test_counters_that_old_batch_norms_lack_start_at_zero():
    state = published_resnet(blocks=1, norm="batch")
    old = {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
    network = ResnetGenerator(in_channels=2, out_channels=1, features=4, blocks=1, norm="batch")
    assert rename(old, network).keys() == rename(state, network).keys()


def test_a_loaded_generator_can_be_used_and_trained_and_drew_nothing(tmp_path):
    torch.save(dict(published_resnet(blocks=1)), tmp_path / "net.pth")
    before = torch.get_rng_state()
    generator = load_published(tmp_path / "net.pth")
    assert torch.equal(torch.get_rng_state(), before)
    assert not generator.training
    generator(torch.rand(1, 2, 16, 16)).mean().backward()
    assert all(weight.dtype == torch.float32 and weight.grad is not None for weight in generator.parameters())


def test_half_precision_weights_become_float32(tmp_path):
    torch.save({key: tensor.half() for key, tensor in published_resnet(blocks=1).items()}, tmp_path / "net.pth")
    assert load_published(tmp_path / "net.pth")(torch.rand(1, 2, 16, 16)).dtype == torch.float32


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"latest_net_G\.pth: no such file"):
        load_published(tmp_path / "latest_net_G.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_told_in_a_sentence(tmp_path, suffix, kept):
    path = tmp_path / f"net{suffix}"
    state = dict(published_resnet(blocks=1))
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    sentence = rf"net{suffix}: no checkpoint or a damaged one .*; copy or download it again"
    with pytest.raises(ValueError, match=sentence) as error:
        load_published(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({}, "looked for the U-Net's key model.model.0.weight .* found no keys at all"),
        ({"model.0.weight": torch.zeros(4, 3, 4, 4)}, "not a published generator: .* found model.0.weight"),
        ({"state_dict": {}}, "a dictionary of tensors and nothing else"),
        ([1, 2], "a dictionary of tensors and nothing else"),
        (published_resnet(blocks=1) | {"model.7.weight": torch.zeros(16, 9, 3, 3)}, "where Resnet.* has down.1.0"),
        (published_resnet(blocks=1) | {"model.4.filt": torch.zeros(3)}, "key model.4.filt is of no published network"),
        (published_resnet(blocks=1) | {"model.30.weight": torch.zeros(1, 4, 7, 7)}, "9 layers .* has 8"),
        (
            published_resnet(blocks=1) | {"model.2.weight": torch.ones(4), "model.2.bias": torch.ones(4)},
            "instance norm with weights of its own",
        ),
    ],
)
def test_what_is_no_published_generator_is_refused_with_the_reason(tmp_path, content, sentence):
    torch.save(dict(content) if isinstance(content, dict) else content, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=rf"net\.pth: .*({sentence})"):
        load_published(tmp_path / "net.pth")
