"""Training steps of CycleGAN and Pix2Pix against the authors' code, recorded in float64: the losses of every step, then
the norms of all weights and the generators' outputs.

In float32 one ReLU that rounding opens or shuts changes many gradients, and Adam's first steps are as long for small
gradients as for large ones: trajectories differ from processor to processor.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from i2i import recipe, registry
from i2i.data.batch import Pair, Unpaired
from i2i.recipe import components
from i2i.training.update import TrainingUpdate
from tests import golden

NETWORKS = {
    "cyclegan": {"G_A": "a_to_b", "G_B": "b_to_a", "D_A": "judge_b", "D_B": "judge_a"},
    "pix2pix": {"G": "generator", "D": "discriminator"},
}
# The reference's name for a loss -> our terms that make it up, and the factor between them.
LOSSES: dict[str, dict[str, tuple[float, list[str]]]] = {
    "cyclegan": {
        "G_A": (1, ["generators.gan_a_to_b"]),
        "G_B": (1, ["generators.gan_b_to_a"]),
        "cycle_A": (1, ["generators.cycle_a_to_b"]),
        "cycle_B": (1, ["generators.cycle_b_to_a"]),
        "idt_A": (1, ["generators.identity_a_to_b"]),
        "idt_B": (1, ["generators.identity_b_to_a"]),
        "D_A": (1, ["discriminators.real_b", "discriminators.fake_b"]),
        "D_B": (1, ["discriminators.real_a", "discriminators.fake_a"]),
    },
    "pix2pix": {
        "G_GAN": (1, ["generator.gan"]),
        "G_L1": (1, ["generator.l1"]),
        "D_real": (2, ["discriminator.real"]),  # the reference reports it before the factor 0.5
        "D_fake": (2, ["discriminator.fake"]),
    },
}
SMALL = ["method.generator.features=16", "method.discriminator.features=16"]
SIX_BLOCKS = ["method.generator.name=resnet", "method.generator.blocks=6"]
# Overrides of the general recipe.
CASES: dict[str, list[str]] = {
    "cyclegan_lsgan": [*SMALL, *SIX_BLOCKS],
    "cyclegan_vanilla_noidt_b2": [
        *(*SMALL, *SIX_BLOCKS),
        *("method.adversarial=vanilla", "method.identity_weight=0"),
    ],
    "pix2pix_vanilla": [*SMALL, "method.generator.depth=7", "method.generator.dropout=false"],
    "pix2pix_lsgan_instance": [
        *(*SMALL, *SIX_BLOCKS),
        *("method.discriminator.norm=instance", "method.adversarial=lsgan"),
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_the_reference(shared: Path, name: str) -> None:
    recorded = np.load(shared / "golden" / "steps" / f"{name}_f64.npz")
    options, norms = json.loads(str(recorded["options"])), json.loads(str(recorded["final_norms"]))
    kind = name.partition("_")[0]
    chosen = recipe.load(recipe.find(kind), ["unused"], CASES[name])
    method = components.build(registry.methods, chosen.method).double().train()
    networks = {theirs: getattr(method, ours) for theirs, ours in NETWORKS[kind].items()}
    keys = {theirs: _published_keys(network, norms[theirs]) for theirs, network in networks.items()}
    for theirs, network in networks.items():
        golden.fill(network, keys[theirs], f"{theirs}.")

    update = TrainingUpdate(method.players(), chosen.optimizer)
    for step, losses in enumerate(json.loads(str(recorded["losses"]))):
        shape = (options["batch"], 3, options["size"], options["size"])
        a, b = (golden.images(f"step_{name}.{side}.{step}", shape, -1, 1).double() for side in "AB")
        method.training_step(Unpaired(a, b) if kind == "cyclegan" else Pair(a, b), update)
        for loss, (factor, terms) in LOSSES[kind].items():
            ours = factor * sum(float(update.terms.get(term, 0.0)) for term in terms)
            assert ours == pytest.approx(losses[loss], rel=golden.LOSSES), f"{loss} at step {step}"

    for theirs, network in networks.items():
        golden.check_norms(network, keys[theirs], norms[theirs])
    method.eval()
    probe = torch.from_numpy(recorded["probe"]).double()
    for theirs, network in networks.items():
        if theirs.startswith("G"):
            with torch.no_grad():
                golden.assert_recorded(network(probe), recorded, f"output_{theirs}")


def _published_keys(network: nn.Module, published: dict[str, Any]) -> dict[str, str]:
    """Our keys -> the reference's, which correspond in the order of their positions."""
    ordered = sorted(published, key=lambda key: [int(part) for part in key.split(".") if part.isdigit()])
    pairs = dict(zip(network.state_dict(), ordered, strict=True))
    assert all(ours.rpartition(".")[2] == theirs.rpartition(".")[2] for ours, theirs in pairs.items())
    return pairs
