"""BigGAN-deep in the layout of pytorch-pretrained-biggan: recognised, and equal to a second implementation."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i import interop

FEATURES, LATENT, CLASSES, STATISTICS = 4, 6, 3, 51
WIDTHS = [16, 16, 16, 16, 8, 8, 4, 4, 2]  # of 64 pixels, in units of FEATURES: before the first block, and after each
State = dict[str, Tensor]


def layer(state: State, name: str, *shape: int, bias: bool = True) -> None:
    """A layer with PyTorch's first spectral norm, whose vectors have converged to a singular value other than 1."""
    weight = torch.nn.init.orthogonal_(torch.empty(shape)).flatten(1)
    weight = (1 + torch.rand(())) * weight + 0.1 * torch.randn(weight.shape)
    left, _, right = torch.linalg.svd(weight, full_matrices=False)
    state |= {f"{name}.weight_orig": weight.reshape(shape), f"{name}.weight_u": left[:, 0]}
    state |= {f"{name}.weight_v": right[0]} | ({f"{name}.bias": 0.3 * torch.randn(shape[0])} if bias else {})


def statistics(state: State, name: str, channels: int) -> None:
    state[f"{name}.running_means"] = 0.3 * torch.randn(STATISTICS, channels)
    state[f"{name}.running_vars"] = 0.5 + torch.rand(STATISTICS, channels)


def published(*, attention: bool) -> State:
    torch.manual_seed(0)
    state = {"embeddings.weight": torch.randn(LATENT, CLASSES)}
    widths = [FEATURES * width for width in WIDTHS]
    layer(state, "generator.gen_z", 16 * widths[0], 2 * LATENT)
    number = 0
    for block, (width, after) in enumerate(pairwise(widths)):
        name, inner = f"generator.layers.{number}", width // 4
        for each, (before, channels, kernel) in enumerate(
            [(width, inner, 1), (inner, inner, 3), (inner, inner, 3), (inner, after, 1)]
        ):
            statistics(state, f"{name}.bn_{each}", before)
            for leaf in ("scale", "offset"):
                layer(state, f"{name}.bn_{each}.{leaf}", before, 2 * LATENT, bias=False)
            layer(state, f"{name}.conv_{each}", channels, before, kernel, kernel)
        number += 1
        if attention and block == 5:
            name = f"generator.layers.{number}"
            state[f"{name}.gamma"] = torch.tensor([0.7])
            for leaf, shape in {"theta": (after // 8, after), "phi": (after // 8, after)}.items():
                layer(state, f"{name}.snconv1x1_{leaf}", *shape, 1, 1, bias=False)
            layer(state, f"{name}.snconv1x1_g", after // 2, after, 1, 1, bias=False)
            layer(state, f"{name}.snconv1x1_o_conv", after, after // 2, 1, 1, bias=False)
            number += 1
    statistics(state, "generator.bn", widths[-1])
    state |= {"generator.bn.weight": torch.rand(widths[-1]), "generator.bn.bias": torch.randn(widths[-1])}
    layer(state, "generator.conv_to_rgb", widths[-1], widths[-1], 3, 3)
    return state


def image_of(state: State, z: Tensor, label: Tensor) -> Tensor:
    """What the published network makes of an untruncated z, by the state dict alone."""

    def weight(name: str) -> Tensor:
        original = state[f"generator.{name}.weight_orig"]
        return original / torch.linalg.matrix_norm(original.flatten(1), 2)

    def normed(features: Tensor, name: str) -> Tensor:
        mean, variance = (state[f"generator.{name}.running_{each}"][-1] for each in ("means", "vars"))
        return (features - mean[:, None, None]) / (variance[:, None, None] + 1e-4).sqrt()

    def convolved(features: Tensor, name: str) -> Tensor:
        kernel = weight(name)
        return F.conv2d(features, kernel, state.get(f"generator.{name}.bias"), padding=kernel.shape[-1] // 2)

    condition = torch.cat([z, state["embeddings.weight"].T[label]], dim=1)
    features = F.linear(condition, weight("gen_z"), state["generator.gen_z.bias"])
    features = features.reshape(len(z), 4, 4, -1).permute(0, 3, 1, 2)
    blocks = 0
    for number in sorted({int(found[1]) for key in state if (found := re.match(r"generator\.layers\.(\d+)\.", key))}):
        name = f"layers.{number}"
        if f"generator.{name}.gamma" in state:
            query, key, value = (convolved(features, f"{name}.snconv1x1_{each}") for each in ("theta", "phi", "g"))
            key, value = (F.max_pool2d(each, 2).flatten(2) for each in (key, value))
            shares = torch.softmax(query.flatten(2).transpose(1, 2) @ key, dim=2)
            seen = (value @ shares.transpose(1, 2)).reshape(len(z), -1, *features.shape[2:])
            features = features + state[f"generator.{name}.gamma"] * convolved(seen, f"{name}.snconv1x1_o_conv")
            continue
        change = features
        for each in range(4):
            gain, bias = (condition @ weight(f"{name}.bn_{each}.{leaf}").T for leaf in ("scale", "offset"))
            change = normed(change, f"{name}.bn_{each}") * (1 + gain[..., None, None]) + bias[..., None, None]
            change = change.relu()
            if blocks % 2 and each == 1:
                change = change.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
            change = convolved(change, f"{name}.conv_{each}")
        kept = features[:, : change.shape[1]]
        features = change + (kept.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3) if blocks % 2 else kept)
        blocks += 1
    features = normed(features, "bn") * state["generator.bn.weight"][:, None, None]
    features = (features + state["generator.bn.bias"][:, None, None]).relu()
    return convolved(features, "conv_to_rgb")[:, :3].tanh()


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("attention", [True, False])
def test_a_published_file_gives_the_images_of_its_network(attention: bool, prefix: str, tmp_path: Path) -> None:
    state = published(attention=attention)
    torch.save({prefix + key: tensor for key, tensor in state.items()}, tmp_path / "pytorch_model.bin")
    generator = interop.load_published(tmp_path / "pytorch_model.bin")
    z, label = torch.randn(4, LATENT), torch.tensor([0, 1, 2, 0])
    with torch.no_grad():
        image = generator(z, label)
    expected = image_of(state, z, label)
    torch.testing.assert_close(image, expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.1 and expected.abs().mean() < 0.95, "and there is something to compare"
    assert generator.spec["name"] == "biggan-deep" and generator.spec["attention"] == 32 * attention


@pytest.mark.parametrize(
    ("lost", "sentence"),
    [
        ("generator.layers.1.conv_2.bias", r"such as blocks\.1\.convolutions\.2\.bias by our names; copy"),
        ("generator.layers.1.conv_2.weight_u", r"layers\.1\.conv_2 has no vectors of its spectral norm that fit"),
        ("embeddings.weight", "a BigGAN-deep of 8 blocks that is not whole"),
    ],
)
def test_a_damaged_file_is_refused_with_what_it_lacks(lost: str, sentence: str, tmp_path: Path) -> None:
    state = published(attention=False)
    del state[lost]
    torch.save(state, tmp_path / "x.bin")
    with pytest.raises(ValueError, match=sentence):
        interop.load_published(tmp_path / "x.bin")
