import os
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from i2i.interop import load_published
from tests.published import (
    assert_same_weights,
    published_resnet,
    published_rrdb,
    published_srvgg,
)


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
def test_a_truncated_file_is_refused_in_a_sentence(tmp_path, suffix, kept):
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
        ({}, r"not a published generator \(U-Net, ResNet, .*\); its keys are none"),
        ({"model.0.weight": torch.zeros(4, 3, 4, 4)}, "not a published generator .* its keys are model.0.weight"),
        ({"state_dict": {}}, "a dictionary of tensors and nothing else"),
        ({"state_dict": {"a.weight": torch.zeros(1)}}, r"RealPLKSR, .*; its keys are a.weight"),
        ([1, 2], "a dictionary of tensors and nothing else"),
        (published_resnet(blocks=1) | {"model.7.weight": torch.zeros(16, 9, 3, 3)}, "where Resnet.* has down.1.0"),
        (published_resnet(blocks=1) | {"model.4.blur": torch.zeros(3)}, "key model.4.blur is of no published network"),
        (published_resnet(blocks=1) | {"model.30.weight": torch.zeros(1, 4, 7, 7)}, "has model.30.weight, which"),
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


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state, other: state,
        lambda state, other: {"params": state},
        lambda state, other: {"params": other, "params_ema": state},
        lambda state, other: {"params-ema": state, "params": other},
        lambda state, other: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 1e-4}},
        lambda state, other: {"model": {"params": state}},
        lambda state, other: {"net": state},
        lambda state, other: {"model_state_dict": state, "optimizer_state_dict": {"state": {}, "param_groups": []}},
        lambda state, other: {"whatever": state, "epoch": 3},
        *[
            lambda state, other, prefix=prefix: {
                **{f"{prefix}{key}": tensor for key, tensor in state.items()},
                "netD.conv0_0.weight": torch.zeros(4, 3, 3, 3),
            }
            for prefix in ("netG.", "generator.", "net_g.", "generator._orig_mod.", "module.netG.")
        ],
        lambda state, other: {f"_orig_mod.{key}": tensor for key, tensor in state.items()},
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


@pytest.mark.parametrize(("called", "suffix"), [(".pth", ".safetensors"), (".safetensors", ".pth")])
def test_a_file_is_read_by_its_content_whatever_its_name(tmp_path, called, suffix):
    network, state = published_rrdb()
    file = tmp_path / f"net{called}"
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    assert_same_weights(load_published(file), network)


def test_a_torchscript_file_is_refused_without_advice_to_run_it(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Conv2d(3, 3, 3)), tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"net\.pth: a TorchScript program, and code .* save the state dict"):
        load_published(tmp_path / "net.pth")


def test_wrappers_around_several_networks_are_not_guessed(tmp_path):
    state = published_rrdb()[1]
    torch.save({"one": state, "other": state}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="not a published checkpoint"):
        load_published(tmp_path / "net.pth")


def test_a_wrapper_that_holds_itself_is_refused(tmp_path):
    content = {"epoch": 1}
    content["net"] = content
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="not a published checkpoint"):
        load_published(tmp_path / "net.pth")


class Intruder:
    """Pickled, it asks whoever unpickles it to make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_a_damaged_pickle_is_refused_without_advice_to_run_it(tmp_path):
    (tmp_path / "net.pth").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"net\.pth: no checkpoint or a damaged one \(\w+\); copy or"):
        load_published(tmp_path / "net.pth")


def test_nothing_in_a_file_is_run(tmp_path):
    torch.save({"params": published_rrdb()[1], "more": Intruder(tmp_path / "made")}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"net\.pth: contains code \(\w+\.mkdir\), but only data is loaded"):
        load_published(tmp_path / "net.pth")
    assert not (tmp_path / "made").exists()
