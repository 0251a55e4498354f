"""StyleGAN3's generators held to what the authors' code computed from the same weights, in float64."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i import interop
from i2i.networks.generators.stylegan3 import StyleGAN3Generator
from tests import golden, golden_stylegan2

Recording = tuple[Mapping[str, np.ndarray], StyleGAN3Generator]
_BIAS_OF_INPUT = torch.tensor([1.0, 0.0, 0.0, 0.0])


LARGE = pytest.param("stylegan3_t_64", marks=pytest.mark.slow)


@pytest.fixture(params=["stylegan3_t_32", "stylegan3_r_32", LARGE], scope="module")
def recorded(request, shared: Path) -> Recording:
    arrays = np.load(shared / "golden" / "networks" / f"{request.param}.npz")
    shapes = json.loads(str(arrays["state_dict"]))
    state = {key: weight(key, shape, arrays) for key, shape in shapes.items() if not key.endswith("_filter")}
    name, options = interop.recognise(state)
    generator = StyleGAN3Generator(**options).eval()
    generator.load_state_dict(interop.RENAMED[name](state, generator))
    return arrays, generator.double()


def weight(key: str, shape: list[int], arrays: Mapping[str, np.ndarray]) -> Tensor:
    noise = golden.normal(key, shape)
    match key.removeprefix("synthesis.input."):
        case "freqs" | "phases" as stored:
            return torch.from_numpy(arrays[stored])
        case "transform":
            return torch.eye(3)
        case "affine.weight":
            return noise * np.float32(0.2)
        case "affine.bias":
            return _BIAS_OF_INPUT + noise * np.float32(0.1)
    if key.endswith("magnitude_ema"):
        return 1 + noise.abs() * np.float32(0.5)
    return golden_stylegan2.weights({key: shape})[key]


def latents(arrays: Mapping[str, np.ndarray], generator: StyleGAN3Generator) -> tuple[Tensor, Any]:
    options = json.loads(str(arrays["options"]))
    z = golden.normal(f"{arrays['name']}.z", (len(arrays["ws"]), generator.latent)).double()
    return z, torch.tensor(options["c"]) if options["c"] else None


def test_filters_are_the_recorded_ones(recorded: Recording) -> None:
    arrays, generator = recorded
    for number, layer in enumerate(generator.body):
        for name in ("up_filter", "down_filter"):
            kernel = getattr(layer, name)
            assert (kernel is None) == (f"{name}_{number}" not in arrays)
            if kernel is not None:
                np.testing.assert_allclose(kernel.numpy(), arrays[f"{name}_{number}"], rtol=0, atol=1e-7)


@torch.no_grad()
def test_styles_layers_and_images_are_the_recorded_ones(recorded: Recording) -> None:
    arrays, generator = recorded
    z, label = latents(arrays, generator)
    for number, layer in enumerate(generator.body):  # of another rounding in the last bit
        for name in ("up_filter", "down_filter"):
            if f"{name}_{number}" in arrays:
                setattr(layer, name, torch.from_numpy(arrays[f"{name}_{number}"]).double())
    w, truncated, halved = (generator.map(z, label, truncation=psi) for psi in (1.0, 0.7, 0.5))
    golden.assert_recorded(w, arrays, "ws")
    stride = json.loads(str(arrays["layer_channel_stride"]))
    features = generator.stem(w[:1, 0])
    golden.assert_recorded(features[:, :: stride["layer_input"]][:, :8], arrays, "layer_input")
    for number, layer in enumerate(generator.body[:-1]):
        features = layer(features, w[:1, number + 1])
        name = {0: "layer_0", 1: "layer_1", len(generator.body) - 2: "layer_last"}.get(number)
        if name:
            golden.assert_recorded(features[:, :: stride[name]][:, :8], arrays, name)
    golden.assert_recorded(generator.synthesise(w), arrays)
    if generator.body[0].kernel > 1:  # truncation is the same for both kinds
        golden.assert_recorded(generator.synthesise(truncated), arrays, "output_psi_0.7")
        first_six = torch.cat([halved[:1, :6], w[:1, 6:]], dim=1)
        golden.assert_recorded(generator.synthesise(first_six), arrays, "output_psi_0.5_cutoff_6")
    generator.stem.transform.copy_(torch.from_numpy(arrays["transform"]))
    golden.assert_recorded(generator.synthesise(w[:1]), arrays, "output_transformed")
    generator.stem.transform.copy_(torch.eye(3))


@torch.no_grad()
def test_averages_move_as_the_recorded_ones(recorded: Recording) -> None:
    arrays, generator = recorded
    generator.train()
    generator.synthesise(generator.map(*latents(arrays, generator)))
    golden.assert_recorded(generator.mean_style, arrays, "w_avg_after_update")
    found = torch.stack([layer.magnitude for layer in generator.body])
    golden.assert_recorded(found, arrays, "magnitude_ema_after_update")
