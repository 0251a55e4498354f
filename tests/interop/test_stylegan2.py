"""Published StyleGAN2 generators: read as data, recognised by content, and equal to the network that they came from."""

import json
import os
import pickle
import pickletools
import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i import interop
from i2i.interop.stylegan2 import nvidia_names
from i2i.latent import sampler
from i2i.networks.generators.stylegan2 import StyleGAN2Generator
from i2i.networks.generators.stylegan3 import StyleGAN3Generator
from i2i_runtime import images
from tests import golden, golden_stylegan2, nvidia_pickles
from tests.cli.test_cli import i2i_run

OPTIONS = {"size": 16, "latent": 12, "style": 8, "mapping_layers": 3, "features": 8, "base": 64}


def generator_of(**more: Any) -> StyleGAN2Generator:
    torch.manual_seed(0)
    generator = StyleGAN2Generator(**{**OPTIONS, **more}).eval()
    for name, tensor in generator.state_dict().items():
        if name.endswith(("bias", "strength", "mean_style")):
            tensor.copy_(torch.randn(tensor.shape))
    return generator


def in_nvidias_layout(generator: StyleGAN2Generator) -> dict[str, Tensor]:
    names = nvidia_names(levels=len(generator.flat), layers=len(generator.mapping.layers) // 2)
    if generator.classes:
        names |= {f"mapping.embedding.{leaf}": f"mapping.embed.{leaf}" for leaf in ("weight", "bias")}
    state = generator.state_dict()
    named = {theirs: state[ours].clone() for ours, theirs in names.items()}
    for key, tensor in named.items():
        if key.endswith((".bias", "noise_const", ".const")) and "affine" not in key:
            named[key] = tensor.squeeze()
    return named | {"synthesis.b8.resample_filter": torch.ones(4, 4)}


def assert_equal_images(found: StyleGAN2Generator, expected: StyleGAN2Generator) -> None:
    z, label = torch.randn(3, expected.latent), torch.arange(3) if expected.classes else None
    for psi in (1.0, 0.7):
        images = [each.synthesise(each.map(z, label, truncation=psi)) for each in (found, expected)]
        torch.testing.assert_close(*images, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_of_nvidia_gives_the_network_that_it_came_from(protocol: int, tmp_path: Path) -> None:
    generator = generator_of(classes=3 if protocol == 4 else 0)
    file = nvidia_pickles.published(in_nvidias_layout(generator), tmp_path / "any.name", protocol)
    assert nvidia_pickles.SOURCE.encode()[:9] in file.read_bytes(), "the file holds source text"
    assert_equal_images(interop.load_published(file), generator)


def test_a_pickle_of_stylegan3_gives_the_network_that_it_came_from(tmp_path: Path) -> None:
    torch.manual_seed(0)
    options = {"size": 16, "latent": 4, "style": 4, "layers": 4, "features": 8, "base": 64}
    generator = StyleGAN3Generator(**options, kind="r").eval()
    sizes = [layer.weight.shape[0] for layer in generator.body]
    named = {
        re.sub(r"^body\.(\d+)", lambda found: f"synthesis.L{found[1]}_16_{sizes[int(found[1])]}", key): tensor
        for key, tensor in generator.state_dict().items()
    }
    theirs = {
        **{"mean_style": "mapping.w_avg", "magnitude": "magnitude_ema", "stem.frequencies": "synthesis.input.freqs"},
        **{"stem.": "synthesis.input.", "mapping.layers.0": "mapping.fc0", "mapping.layers.2": "mapping.fc1"},
    }
    for ours, their in theirs.items():
        named = {key.replace(ours, their): tensor for key, tensor in named.items()}
    file = nvidia_pickles.published(named | {"synthesis.L0_16_8.up_filter": torch.ones(12)}, tmp_path / "a.pkl")
    assert_equal_images(interop.load_published(file), generator)


def test_the_names_of_nvidias_tensors_are_the_recorded_ones(shared: Path) -> None:
    arrays = np.load(shared / "golden" / "networks" / "stylegan2_g_32.npz")
    shapes, options = json.loads(str(arrays["state_dict"])), json.loads(str(arrays["options"]))
    state = golden_stylegan2.weights(shapes)
    name, found = interop.recognise(state)
    generator = StyleGAN2Generator(**found).double().eval()
    generator.load_state_dict({key: each.double() for key, each in interop.RENAMED[name](state, generator).items()})
    z = golden.normal("stylegan2_g_32.z", (len(arrays["ws"]), options["z_dim"])).double()
    with torch.no_grad():
        golden.assert_recorded(generator(z), arrays)


def test_samples_are_written_from_a_pickle_and_in_rosinalitys_layout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = generator_of()
    file = nvidia_pickles.published(in_nvidias_layout(generator), tmp_path / "faces.pkl")
    i2i_run("sample", file, tmp_path / "a", "--n", "2", "--truncation", "0.7", "--device", "cpu", capsys=capsys)
    expected = sampler.Sampler(generator)([0, 1], truncation=0.7)
    written = [images.read(each) for each in sorted((tmp_path / "a").glob("*.png"))]
    assert np.abs(np.stack(written).astype(int) - expected).max() <= 1
    i2i_run("convert", file, "--to", "official", "--out", tmp_path / "faces.pt", capsys=capsys)
    assert_equal_images(interop.load_published(tmp_path / "faces.pt"), generator)
    state = torch.load(tmp_path / "faces.pt", weights_only=True)
    assert state["latent_avg"].shape == (8,) and state["g_ema"]["convs.0.conv.weight"].shape == (1, 8, 8, 3, 3)
    assert state["g_ema"]["to_rgbs.0.bias"].shape == (1, 3, 1, 1) and "convs.0.conv.blur.kernel" in state["g_ema"]


def test_a_checkpoint_of_training_by_rosinality_loads_and_its_mean_style_is_computed(tmp_path: Path) -> None:
    generator = generator_of()
    state = interop.publish(generator)
    del state["latent_avg"]
    torch.save({"g": {}, "g_ema": state, "args": Namespace(size=16), "ada_aug_p": 0.1}, tmp_path / "000100.pt")
    loaded = interop.load_published(tmp_path / "000100.pt")
    w = generator.mapping(torch.randn(5000, generator.latent), None)
    assert (loaded.mean_style - w.mean(0)).abs().max() < 0.1 * w.std()


class Runs:
    """Pickles as a call of os.system."""

    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


def in_a_state() -> Any:
    root = nvidia_pickles.persistent(in_nvidias_layout(generator_of()))
    root.modules["synthesis"].parameters["evil"] = Runs()
    return root


def aliased(levels: int = 14) -> Any:
    inner: Any = nvidia_pickles.Persistent("X")
    for _ in range(levels):  # 2 ** levels modules by their paths
        outer = nvidia_pickles.Persistent("X")
        outer.modules = {"a": inner, "b": inner}
        inner = outer
    return inner


def deep() -> Any:
    return aliased(40)


def looped() -> Any:
    root = nvidia_pickles.Persistent("X")
    inner = {"_modules": {}}
    inner["_modules"]["again"] = inner
    root.modules["a"] = inner
    return root


HOSTILE = {"called": Runs, "in the state": in_a_state, "aliased": aliased, "deep": deep, "a loop": looped}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("case", HOSTILE)
def test_nothing_in_a_pickle_is_run_and_a_sentence_says_what_is_wrong(
    case: str, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = nvidia_pickles.write(
        Path("evil.pkl"), {"G_ema": HOSTILE[case](), "mark": nvidia_pickles.persistent({})}, protocol
    )
    with pytest.raises(ValueError, match=r"^evil\.pkl: "):
        interop.load_published(file)
    assert not Path("ran").exists()


HAND_MADE = {
    "a call": b"cos\nsystem\n(S'touch ran'\ntR.",
    "an instance": b"(S'touch ran'\nios\nsystem\n.",
    "an object": b"(cos\nsystem\nS'touch ran'\no.",
    "eval": b'c__builtin__\neval\n(S\'__import__("os").system("touch ran")\'\ntR.',
    "getattr": b"cbuiltins\ngetattr\n(cos\nsystem\nS'__call__'\ntR(S'touch ran'\ntR.",
    "a dotted name": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09touch ran\x85R.",
    "a builder's own state": b"ctorch.storage\n_load_from_bytes\n(dS'_build'\ncos\nsystem\nsb(S'touch ran'\ntR.",
    "an outer object": b"S'ran'\nQ.",
    "numbers that are a pickle": (
        b"ctorch.storage\n_load_from_bytes\n(c_codecs\nencode\n"
        b"(S'cos\\nsystem\\n(S\\'touch ran\\'\\ntR.'\nS'latin1'\ntRtR."
    ),
}


@pytest.mark.parametrize("case", HAND_MADE)
def test_no_opcode_calls_what_it_names(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    list(pickletools.genops(HAND_MADE[case]))  # it is a pickle
    Path("evil.pkl").write_bytes(HAND_MADE[case] + b"_reconstruct_persistent_obj")
    with pytest.raises(ValueError, match=r"^evil\.pkl: "):
        interop.load_published("evil.pkl")
    assert not Path("ran").exists()


def test_the_hostile_pickles_are_hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pickle.loads(HAND_MADE["a call"])
    assert Path("ran").exists()


@pytest.mark.parametrize(("key", "tensor", "sentence"), [
    ("synthesis.b8.conv0.weight", None, "lacks synthesis.b8.conv0.weight"),
    ("synthesis.b16.conv1.weight", torch.zeros(4, 4, 1, 3), "synthesis.b16.conv1.weight is"),
])  # fmt: skip
def test_a_pickle_that_lacks_a_tensor_names_it(key: str, tensor: Tensor | None, sentence: str, tmp_path: Path) -> None:
    state = in_nvidias_layout(generator_of())
    state.pop(key)
    state |= {} if tensor is None else {key: tensor}
    with pytest.raises(ValueError, match=sentence):
        interop.load_published(nvidia_pickles.published(state, tmp_path / "a.pkl"))


def test_a_tensor_cannot_claim_more_numbers_than_the_file_holds(tmp_path: Path) -> None:
    state = in_nvidias_layout(generator_of())
    state["mapping.w_avg"] = torch.zeros(1).expand(10**9)
    with pytest.raises(ValueError, match="more numbers than the file holds"):
        interop.load_published(nvidia_pickles.published(state, tmp_path / "a.pkl"))
