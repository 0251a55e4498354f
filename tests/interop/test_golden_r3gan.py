"""R3GAN's networks held to what the authors' code computed from the same weights, in float64."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from i2i.losses.penalties import squared_slope
from i2i.losses.relativistic import RelativisticPairing
from tests import golden, golden_r3gan


def recording(shared: Path, name: str) -> tuple[dict[str, np.ndarray], nn.Module]:
    """What was recorded, and the network with its weights."""
    arrays = np.load(shared / "golden" / "networks" / f"{name}.npz")
    options = json.loads(str(arrays["options"]))
    make = golden_r3gan.generator_of if name.startswith("r3gan_g") else golden_r3gan.discriminator_of
    network = make(options)
    keys, recorded = golden_r3gan.keys(network), json.loads(str(arrays["state_dict"]))
    state = network.state_dict()
    expected = {key: shape for key, shape in recorded.items() if not key.endswith(".Kernel")}
    assert {theirs: list(state[ours].shape) for ours, theirs in keys.items()} == expected
    golden.fill(network, keys)
    return arrays, network.double()


def latents(generator: nn.Module) -> Tensor:
    return golden.normal("r3gan_g_32.z", (4, generator.latent)).double()


def test_images_are_the_recorded_ones(shared: Path) -> None:
    arrays, generator = recording(shared, "r3gan_g_32")
    with torch.no_grad():
        z = latents(generator)
        golden.assert_recorded(generator(z), arrays)
        first = generator.stages[0](generator.basis * generator.stem(z)[:1, :, None, None])
        golden.assert_recorded(first, arrays, "stage_0")
        golden.assert_recorded(generator.stages[1](first), arrays, "stage_1")


def test_logits_penalties_and_losses_are_the_recorded_ones(shared: Path) -> None:
    arrays, judge = recording(shared, "r3gan_d_32")
    _, generator = recording(shared, "r3gan_g_32")
    real = golden.images("r3gan_d_32.input", (4, 3, 32, 32), -1, 1).double().requires_grad_()
    with torch.no_grad():
        golden.assert_recorded(judge(real)[:, 0], arrays)
        first = judge.stages[0](judge.stem(real[:1]))
        golden.assert_recorded(first, arrays, "stage_0")
        golden.assert_recorded(judge.stages[1](first), arrays, "stage_1")
    fake, objective = generator(latents(generator)), RelativisticPairing()
    losses, gamma = json.loads(str(arrays["losses"])), float(arrays["gamma"])

    terms = {"gan": objective.generator(judge(fake), judge(real))}
    assert terms["gan"].item() == pytest.approx(np.mean(losses["generator"]["adversarial"]), rel=1e-9)
    check_gradients(generator, terms, losses["generator_gradient_norms"])

    fake = fake.detach().requires_grad_()
    real_logits, fake_logits = judge(real), judge(fake)
    terms = objective.discriminator(real_logits, fake_logits)
    assert sum(terms.values()).item() == pytest.approx(np.mean(losses["discriminator"]["adversarial"]), rel=1e-9)
    penalties = {"r1": squared_slope(real_logits, real), "r2": squared_slope(fake_logits, fake)}
    assert penalties["r1"].item() == pytest.approx(np.mean(arrays["r1_penalty"]), rel=1e-9)
    terms |= {name: gamma / 2 * penalty for name, penalty in penalties.items()}
    check_gradients(judge, terms, losses["discriminator_gradient_norms"])


def check_gradients(network: nn.Module, terms: dict[str, Tensor], norms: dict[str, float]) -> None:
    names, weights = zip(*network.named_parameters(), strict=True)
    gradients = torch.autograd.grad(sum(terms.values()), weights, retain_graph=True)
    theirs = golden_r3gan.keys(network)
    found = {theirs[name]: float(each.norm()) for name, each in zip(names, gradients, strict=True)}
    assert found == pytest.approx(norms, rel=1e-7, abs=1e-9)
