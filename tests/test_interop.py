import json
import os
import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

import i2i
from i2i.discriminators.patchgan import PatchGAN, PixelGAN
from i2i.discriminators.unet import UnetDiscriminator
from i2i.discriminators.vgg import VGGDiscriminator
from i2i.generators.resnet import ResnetGenerator
from i2i.generators.rrdb import RRDBNet
from i2i.generators.srvgg import SRVGGNet
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
    "rrdb_x2_2blocks_nf16_gc8": lambda: RRDBNet(features=16, growth=8, blocks=2, scale=2),
    "rrdb_x4_3blocks_nf16_gc8": lambda: RRDBNet(features=16, growth=8, blocks=3),
    "srvgg_x4_nf16_conv4": lambda: SRVGGNet(features=16, convolutions=4),
    "unet_discriminator_sn_nf8": lambda: UnetDiscriminator(features=8),
    "vgg_discriminator_128_nf8": lambda: VGGDiscriminator(features=8),
}
JUDGES = ("patchgan", "pixelgan", "discriminator")


def recorded(shared, name):
    """The recorded arrays, and the published state dict that they were recorded with."""
    arrays = np.load(shared / "golden" / "networks" / f"{name}.npz")
    state = golden.weights(json.loads(str(arrays["state_dict"])))
    for key in [key for key in state if key.endswith("weight_orig")]:
        # A power iteration that has converged: the leading singular vectors.
        left, _, right = torch.linalg.svd(state[key].flatten(1), full_matrices=False)
        prefix = key.removesuffix("orig")
        state |= {f"{prefix}u": left[:, 0], f"{prefix}v": right[0]}
    return arrays, state


@pytest.mark.parametrize("name", GOLDEN)
def test_published_weights_give_the_published_output(shared, name):
    arrays, state = recorded(shared, name)
    network = GOLDEN[name]().train(str(arrays["mode"]) == "train")
    network.load_state_dict(rename(state, network))
    with torch.no_grad():
        output = network(torch.from_numpy(arrays["input"]))
    torch.testing.assert_close(output, torch.from_numpy(arrays["output"]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", [name for name in GOLDEN if not any(judge in name for judge in JUDGES)])
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
        ({"state_dict": {"a.weight": torch.zeros(1)}}, "the compact SRVGG network's body.2.weight; found a.weight"),
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


@pytest.mark.parametrize("layout", ["2018", "2019", "2021"])
@pytest.mark.parametrize(
    ("blocks", "scale", "unshuffle"),
    [(1, 1, True), (1, 2, True), (1, 1, False), (1, 2, False), (11, 4, False), (1, 8, False)],
)
def test_an_rrdb_network_is_recognised_in_every_layout(tmp_path, layout, blocks, scale, unshuffle):
    network, state = published_rrdb(layout, blocks=blocks, scale=scale, unshuffle=unshuffle)
    keys = list(state)
    random.Random(0).shuffle(keys)
    torch.save({key: state[key] for key in keys}, tmp_path / "net.pth")
    loaded = load_published(tmp_path / "net.pth")
    assert_same_weights(loaded, network)
    assert (loaded.scale, loaded.multiple_of) == (scale, network.multiple_of)
    image = torch.rand(1, 3, 8, 12)
    assert torch.equal(loaded(image), network(image))


@pytest.mark.parametrize("channels", [(1, 1), (4, 4), (1, 3)])
def test_other_channels_are_no_unshuffling(channels):
    before, after = channels
    _, state = published_rrdb(in_channels=before, out_channels=after)
    assert recognise(state)[1] == {
        "in_channels": before, "out_channels": after, "features": 4, "blocks": 1, "growth": 2, "scale": 4,
        "unshuffle": False,
    }  # fmt: skip


@pytest.mark.parametrize("options", [{"convolutions": 11}, {"convolutions": 1, "scale": 2, "in_channels": 1}])
def test_a_compact_network_is_recognised_whatever_its_options(options):
    channels = options.get("in_channels", 3)
    network, state = published_srvgg(**options, out_channels=channels)
    name, found = recognise(dict(reversed(state.items())))
    expected = {"in_channels": channels, "out_channels": channels, "features": 4, "scale": 4, **options}
    assert (name, found) == ("srvgg", expected)
    loaded = SRVGGNet(**found)
    loaded.load_state_dict(rename(state, loaded))
    assert_same_weights(loaded, network)


def test_a_compact_network_without_prelu_loads_once_told_which_activation():
    network, state = published_srvgg(convolutions=2, activation="leakyrelu")
    with pytest.raises(ValueError, match="do not say whether it was trained with relu or leakyrelu"):
        recognise(state)
    assert network.load_state_dict(rename(state, network))


def test_the_order_of_a_discriminator_s_keys_does_not_matter():
    network = VGGDiscriminator(size=32, features=4)
    levels = [f"{kind}{level}_{step}" for level in range(3) for step in (0, 1) for kind in ("conv", "bn")]
    state = named([*(name for name in levels if name != "bn0_0"), "linear1", "linear2"], network)
    renamed = rename(dict(reversed(state.items())), network)
    assert all(renamed[key] is tensor for key, tensor in rename(state, network).items())
    assert renamed.keys() == network.state_dict().keys()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state, other: state,
        lambda state, other: {"params": state},
        lambda state, other: {"params": other, "params_ema": state},
        lambda state, other: {"params-ema": state, "params": other},
        lambda state, other: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 1e-4}},
        lambda state, other: {"model": {"params": state}},
        lambda state, other: {f"module.{key}": tensor for key, tensor in state.items()},
        lambda state, other: {"params_ema": {f"module.{key}": tensor for key, tensor in state.items()}},
    ],
)
def test_what_a_state_dict_is_wrapped_in_does_not_matter(tmp_path, wrap):
    network, state = published_rrdb()
    torch.save(wrap(state, {key: tensor + 1 for key, tensor in state.items()}), tmp_path / "net.pth")
    assert_same_weights(load_published(tmp_path / "net.pth"), network)


@pytest.mark.parametrize("published", [published_rrdb, lambda: published_srvgg(convolutions=1)])
def test_super_resolution_weights_may_be_safetensors(tmp_path, published):
    network, state = published()
    save_file({f"module.{key}": tensor for key, tensor in state.items()}, tmp_path / "net.safetensors")
    assert_same_weights(load_published(tmp_path / "net.safetensors"), network)


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ({f"body.0.rdb{n}.conv1x1.weight": torch.zeros(2, 4, 1, 1) for n in (1, 2, 3)}, "has 19 to 22 layers, all"),
        ({"body.0.rdb1.conv3.weight": torch.zeros(2, 7, 3, 3)}, r"where RRDBNet has blocks\.0\.residual\.0\.conv"),
        ({"body.0.norm.weight": torch.ones(4)}, "has 19 to 22 layers, all convolutions, but here are 22, of which 21"),
        ({f"conv_up{n}.weight": torch.zeros(4, 4, 3, 3) for n in (3, 4)}, "but here are 23, of which 23"),
    ],
)
def test_what_is_almost_an_rrdb_network_is_refused_with_the_reason(tmp_path, extra, sentence):
    torch.save(published_rrdb()[1] | extra, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=rf"net\.pth: .*{sentence}"):
        load_published(tmp_path / "net.pth")


class Intruder:
    """Pickled, it asks whoever unpickles it to make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_a_damaged_pickle_is_told_without_advice_to_run_it(tmp_path):
    (tmp_path / "net.pth").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"net\.pth: no checkpoint or a damaged one \(\w+\); copy or"):
        load_published(tmp_path / "net.pth")


def test_nothing_in_a_file_is_run(tmp_path):
    torch.save({"params": published_rrdb()[1], "more": Intruder(tmp_path / "made")}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"net\.pth: asks for \w+\.mkdir to be run, but only data is loaded"):
        load_published(tmp_path / "net.pth")
    assert not (tmp_path / "made").exists()


def test_a_published_upscaler_takes_images_of_any_size(tmp_path):
    network, state = published_rrdb(scale=2)
    torch.save({"params_ema": state}, tmp_path / "x2.pth")
    upscale = i2i.load(tmp_path / "x2.pth", device="cpu")
    card = upscale.card
    assert (card.scale, card.multiple_of, card.min_size, card.value_range) == (2, 2, 2, (0.0, 1.0))
    image = torch.rand(3, 7, 9)
    # The last row and column are padded by reflection, and what they became is cut off.
    padded = torch.cat([image, image[:, 5:6]], dim=1)
    padded = torch.cat([padded, padded[:, :, 7:8]], dim=2)
    with torch.no_grad():
        expected = network(padded[None])[0, :, :14, :18].clamp(0, 1)
    torch.testing.assert_close(upscale(image), expected)
    pixels = (255 * image).round().byte().permute(1, 2, 0).numpy()
    assert upscale(pixels).shape == (14, 18, 3) and upscale(pixels[:1, :1, 0]).shape == (2, 2, 3)


def luma(image: np.ndarray) -> np.ndarray:
    """BT.601 studio luma of an RGB uint8 image without the border that papers leave out at x4."""
    return (image @ np.array([65.481, 128.553, 24.966]) / 255 + 16)[4:-4, 4:-4]


def test_a_real_published_upscaler_gives_its_published_psnr(shared):
    file = shared / "weights" / "realesr-animevideov3.pth"
    if not file.is_file():
        pytest.skip(f"no {file.name}")
    upscale, decibels = i2i.load(file, device="cpu"), []
    for path in sorted((shared / "data" / "Set5").glob("*.png")):
        true = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        true = true[: true.shape[0] // 4 * 4, : true.shape[1] // 4 * 4]
        pixels = torch.from_numpy(true).permute(2, 0, 1)[None].float()
        low = F.interpolate(pixels, scale_factor=1 / 4, mode="bicubic", antialias=True).clamp(0, 255).round().byte()
        error = luma(upscale(low[0].permute(1, 2, 0).numpy())) - luma(true)
        decibels.append(10 * np.log10(255**2 / np.square(error).mean()))
    assert len(decibels) == 5
    assert np.mean(decibels) == pytest.approx(28.25, abs=0.05)
