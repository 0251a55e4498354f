"""Training steps of CUT and FastCUT against the authors' code, recorded in float64: the losses of every step and the
first gradients, then the norms of all weights and the generator's output.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from i2i import recipe, registry
from i2i.data.batch import Unpaired
from i2i.losses import contrastive
from i2i.methods import cut
from i2i.recipe import components
from i2i.training.update import TrainingUpdate
from tests import golden

SMALL = ["method.generator.features=16", "method.discriminator.features=16"]
NOT_ANTIALIASED = [
    "method.generator.antialias_down=false",
    "method.generator.antialias_up=false",
    "method.discriminator.antialias=false",
]
# Overrides of the general recipe
CASES = {"cut": [], "cut_b2": [], "cut_b2_noaa": NOT_ANTIALIASED, "fastcut": [], "fastcut_b2_noaa": NOT_ANTIALIASED}


class FirstGradients(TrainingUpdate):
    """The optimisers, which keep the norm of each parameter's gradient before a player's first step."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.first: dict[nn.Parameter, float] = {}

    def apply_gradients(self, player: str) -> None:
        for weight in self.parameters[player]:
            self.first.setdefault(weight, 0.0 if weight.grad is None else float(weight.grad.norm()))
        super().apply_gradients(player)


def recorded_positions(name: str, options: Mapping[str, Any], step: int) -> Iterator[list[Tensor]]:
    """Those of the term for sources, then those of the identity, by the rule of the recordings."""

    def draw(text: str, pixels: int) -> Tensor:
        numbers = np.random.Generator(np.random.PCG64(zlib.crc32(text.encode()))).random(pixels)
        return torch.from_numpy(np.argsort(numbers, kind="stable")[: options["num_patches"]])

    maps: Sequence[Tensor] = yield []
    for term in ("NCE", "NCE_Y"):
        maps = yield [
            draw(f"{name}.patches.{term}.{layer}.{step}", each[0, 0].numel())
            for layer, each in zip(options["nce_layers"], maps, strict=True)
        ]


@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_the_reference(shared: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = np.load(shared / "golden" / "steps" / f"{name}.npz")
    options, norms, gradients = (
        json.loads(str(recorded[field])) for field in ("options", "final_norms", "first_gradients")
    )
    chosen = recipe.load(recipe.find(name.partition("_")[0]), ["unused"], [*SMALL, *CASES[name]])
    method: Any = components.build(registry.methods, chosen.method).double().train()
    networks: dict[str, nn.Module] = {"G": method.generator, "F": method.nce, "D": method.discriminator}
    keys = {theirs: _published_keys(network, norms[theirs]) for theirs, network in networks.items()}
    for theirs, network in networks.items():
        golden.fill(network, keys[theirs], f"{theirs}.")

    update = FirstGradients(method.players(), chosen.optimizer)
    for step, losses in enumerate(json.loads(str(recorded["losses"]))):
        positions = recorded_positions(f"step_{name}", options, step)
        next(positions)
        monkeypatch.setattr(contrastive, "draw_positions", lambda maps, _, source=positions: source.send(maps))
        monkeypatch.setattr(cut, "draw_flip", lambda step=step: options["flips"][step])
        shape = (options["batch"], 3, options["size"], options["size"])
        a, b = (golden.images(f"step_{name}.{side}.{step}", shape, -1, 1).double() for side in "AB")
        method.training_step(Unpaired(a, b), update)
        terms = {term: float(value) for term, value in update.terms.items()}
        half = 0.5 if options["nce_idt"] else 1.0  # the reference logs its terms before they are halved
        found = {
            "D_real": 2 * terms["discriminator.real"],
            "D_fake": 2 * terms["discriminator.fake"],
            "G_GAN": terms["generator.gan"],
            "NCE": terms["generator.nce"] / half,
            "G": sum(value for term, value in terms.items() if term.startswith("generator")),
        }
        if options["nce_idt"]:
            found["NCE_Y"] = terms["generator.identity"] / half
        assert found == pytest.approx(losses, rel=golden.LOSSES), f"step {step}"
        update.terms = {}

    for theirs, network in networks.items():
        weights = dict(network.named_parameters())
        for ours, key in keys[theirs].items():
            assert update.first[weights[ours]] == pytest.approx(gradients[theirs][key], rel=1e-7, abs=1e-9), key
        golden.check_norms(network, keys[theirs], norms[theirs])
    with torch.no_grad():
        output = method.eval().generator(torch.from_numpy(recorded["probe"]).double())
    golden.assert_recorded(output, recorded, "output_G")


def _published_keys(network: nn.Module, published: Mapping[str, Any]) -> dict[str, str]:
    """Our keys -> the reference's, which are in the same order; its filters are no weights of ours."""
    pairs = dict(zip(network.state_dict(), [key for key in published if not key.endswith(".filt")], strict=True))
    assert all(ours.rpartition(".")[2] == theirs.rpartition(".")[2] for ours, theirs in pairs.items())
    return pairs
