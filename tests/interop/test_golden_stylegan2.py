"""StyleGAN2's networks held to what the authors' code computed from the same weights, in float64."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from i2i.losses.penalties import path_lengths
from i2i.networks.discriminators.stylegan2 import StyleGAN2Discriminator
from i2i.networks.generators.stylegan2 import StyleGAN2Generator
from tests import golden, golden_stylegan2

Recording = tuple[Mapping[str, np.ndarray], dict[str, Any]]


@pytest.fixture(params=["stylegan2_g_32", "stylegan2_g_64_cond"])
def generator_recording(request, shared) -> Recording:
    return recording(shared, request.param)


@pytest.fixture(params=["stylegan2_d_32", "stylegan2_d_64_cond"])
def discriminator_recording(request, shared) -> Recording:
    return recording(shared, request.param)


def recording(shared: Path, name: str) -> Recording:
    arrays = np.load(shared / "golden" / "networks" / f"{name}.npz")
    return arrays, json.loads(str(arrays["options"]))


def recorded_state(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    return golden_stylegan2.weights(json.loads(str(arrays["state_dict"])))


def generator_of(arrays: Mapping[str, np.ndarray], options: dict[str, Any]) -> StyleGAN2Generator:
    widths, mapping = options["synthesis_kwargs"], options["mapping_kwargs"]
    generator = StyleGAN2Generator(
        size=options["img_resolution"], classes=options["c_dim"], latent=options["z_dim"], style=options["w_dim"],
        mapping_layers=mapping["num_layers"], features=widths["channel_max"], base=widths["channel_base"],
    ).double().eval()  # fmt: skip
    generator.load_state_dict(golden_stylegan2.generator_state(recorded_state(arrays)))
    return generator


def discriminator_of(arrays: Mapping[str, np.ndarray], options: dict[str, Any]) -> StyleGAN2Discriminator:
    size, widths = options["img_resolution"], (options["channel_max"], options["channel_base"])
    judge = StyleGAN2Discriminator(size=size, classes=options["c_dim"], features=widths[0], base=widths[1]).double()
    judge.load_state_dict(golden_stylegan2.discriminator_state(recorded_state(arrays), size))
    return judge


def labels_of(options: dict[str, Any]) -> Tensor | None:
    return torch.tensor(options["c"]) if options["c"] else None


def latents_of(arrays: Mapping[str, np.ndarray], options: dict[str, Any]) -> Tensor:
    return golden.normal(f"{arrays['name']}.z", (len(arrays["ws"]), options["z_dim"])).double()


def assert_gradient_norms(network: nn.Module, recorded: Mapping[str, float | None]) -> None:
    """By our names; None where the authors' parameter has no gradient."""
    found = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert found.keys() == recorded.keys()
    for name, expected in recorded.items():
        norm = 0.0 if (gradient := found[name]) is None else gradient.norm().item()
        assert norm == pytest.approx(expected or 0.0, rel=1e-7, abs=1e-9), name


def test_styles_and_images_are_the_recorded_ones(generator_recording):
    arrays, options = generator_recording
    generator, z, label = generator_of(*generator_recording), latents_of(*generator_recording), labels_of(options)
    with torch.no_grad():
        w, truncated, halved = (generator.map(z, label, truncation=psi) for psi in (1.0, 0.7, 0.5))
        golden.assert_recorded(w, arrays, "ws")
        golden.assert_recorded(generator.synthesise(w), arrays)
        golden.assert_recorded(generator.synthesise(truncated), arrays, "output_psi_0.7")
        first_four = torch.cat([halved[:, :4], w[:, 4:]], dim=1)
        golden.assert_recorded(generator.synthesise(first_four), arrays, "output_psi_0.5_cutoff_4")
        for layer in [*generator.up, *generator.flat]:
            layer.noise.zero_()
        golden.assert_recorded(generator.synthesise(w[:1]), arrays, "output_no_noise")


def test_the_first_layers_are_the_recorded_ones(generator_recording):
    arrays, options = generator_recording
    generator, w = generator_of(arrays, options), torch.from_numpy(arrays["ws"][:1])
    with torch.no_grad():
        first = generator.flat[0](generator.constant, w[:, 0])
        second = generator.up[0](first, w[:, 1])
        golden.assert_recorded(first, arrays, "layer_b4_conv1")
        golden.assert_recorded(generator.to_image[0](first, w[:, 1]), arrays, "layer_b4_torgb")
        golden.assert_recorded(second, arrays, "layer_b8_conv0")
        golden.assert_recorded(generator.flat[1](second, w[:, 2]), arrays, "layer_b8_conv1")


def test_the_mean_style_follows_as_the_authors_does(generator_recording):
    arrays, options = generator_recording
    generator = generator_of(arrays, options).train()
    generator.map(latents_of(arrays, options), labels_of(options))
    golden.assert_recorded(generator.mean_style, arrays, "w_avg_after_update")


def test_path_lengths_and_their_gradients_are_the_recorded_ones(generator_recording):
    arrays, options = generator_recording
    generator = generator_of(arrays, options)
    w = generator.map(latents_of(arrays, options), labels_of(options))
    image = generator.synthesise(w)
    noise = golden.normal(f"{arrays['name']}.pl_noise", image.shape).double() / generator.size
    lengths = path_lengths(image, w, noise)
    golden.assert_recorded(lengths.detach(), arrays, "pl_lengths")
    mean = 0.01 * lengths.mean()
    (2 * (lengths - mean).square()).mean().backward()
    norms = json.loads(str(arrays["pl_gradient_norms"]))
    assert_gradient_norms(generator, {golden_stylegan2.generator_name(key): norm for key, norm in norms.items()})


def test_logits_are_the_recorded_ones(discriminator_recording):
    arrays, options = discriminator_recording
    judge, size = discriminator_of(arrays, options), options["img_resolution"]
    image = golden.images(f"{arrays['name']}.input", (options["batch"], 3, size, size), -1.0, 1.0).double()
    with torch.no_grad():
        features = judge.stem(image)
        golden.assert_recorded(judge.blocks[0](features)[:1], arrays, f"layer_b{size}")
        deviation = judge.head[0](judge.blocks(features))[:, -1, 0, :1]
        golden.assert_recorded(deviation, arrays, "minibatch_std")
        golden.assert_recorded(judge(image, labels_of(options)), arrays)


def test_r1_and_its_gradients_are_the_recorded_ones(discriminator_recording):
    arrays, options = discriminator_recording
    judge, size = discriminator_of(arrays, options), options["img_resolution"]
    image = golden.images(f"{arrays['name']}.input", (options["batch"], 3, size, size), -1.0, 1.0).double()
    image.requires_grad_()
    (gradient,) = torch.autograd.grad(judge(image, labels_of(options)).sum(), image, create_graph=True)
    penalty = gradient.square().sum((1, 2, 3))
    golden.assert_recorded(penalty.detach(), arrays, "r1_penalty")
    (options["r1_gamma"] / 2 * penalty).mean().backward()
    norms = json.loads(str(arrays["r1_gradient_norms"]))
    assert_gradient_norms(judge, {golden_stylegan2.discriminator_name(key, size): norm for key, norm in norms.items()})
