"""Training steps of StyleGAN2, and their moving average, against the authors' code as in `test_golden`.

Latents and noise are the recorded ones, and so is which layers are mixed: here it is drawn for each image, there for a
batch.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from i2i import registry
from i2i.data.batch import Images
from i2i.losses import penalties
from i2i.methods.stylegan2 import StyleGAN2
from i2i.recipe import Optimizer, components
from i2i.training.update import TrainingUpdate
from tests import golden, golden_stylegan2

NAME, SIZE, LATENT, BATCH = "step_stylegan2_32", 32, 32, 4
WIDTHS = {"features": 32, "base": 512}
TABLE = {
    "name": "stylegan2",
    "size": SIZE,
    "generator": {"name": "stylegan2", "latent": LATENT, "style": 32, "mapping_layers": 2, **WIDTHS},
    "discriminator": {"name": "stylegan2", "group": 4, **WIDTHS},
    "adversarial": {"name": "vanilla"},
}
INTERVALS = {"generator": 4, "discriminator": 16}  # steps between two penalties
GAMMA, PATH_WEIGHT = 1.0, 2.0


def test_steps_are_those_of_the_reference(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = np.load(shared / "golden" / "steps" / "stylegan2_32.npz")
    options, norms = json.loads(str(recorded["options"])), json.loads(str(recorded["final_norms"]))
    method = components.build(registry.methods, components.complete(registry.methods, TABLE, "method")).double().train()
    networks = {"G": method.generator, "D": method.discriminator}
    keys = {name: published_keys(name, norms[name]) for name in networks}
    for name, network in networks.items():
        fill(network, keys[name])
    for layer in (*method.generator.up, *method.generator.flat):
        layer.eval()  # its noise is constant
    average = AveragedModel(method.generator, multi_avg_fn=get_ema_multi_avg_fn(0.5 ** (BATCH / options["ema_nimg"])))
    average.n_averaged.fill_(1)  # it starts from the first weights

    update = TrainingUpdate(method.players(), corrected_for_lazy_penalties(options["lr"], options["beta2"]))
    for update.step, losses in enumerate(json.loads(str(recorded["losses"]))):
        use_recorded_randomness(monkeypatch, method, update.step, options["cutoffs"][update.step])
        real = golden.images(f"{NAME}.real.{update.step}", (BATCH, 3, SIZE, SIZE), -1, 1).double()
        method.training_step(Images(real, torch.zeros(BATCH, dtype=torch.int64)), update)
        average.update_parameters(method.generator)
        terms = {name: float(term) for name, term in update.terms.items()}
        assert terms["generator.gan"] == pytest.approx(losses["Gmain:G/loss"], rel=golden.LOSSES)
        discriminator = terms["discriminator.real"] + terms["discriminator.fake"]
        assert discriminator == pytest.approx(losses["Dmain:D/loss"], rel=golden.LOSSES)
        assert float(method.mean_length) == pytest.approx(losses["pl_mean"], rel=golden.LOSSES)
        if update.step == 0:
            path, r1 = losses["Greg:G/reg"] * INTERVALS["generator"], losses["Dreg:D/reg"] * INTERVALS["discriminator"]
            assert terms["generator.path"] == pytest.approx(path, rel=golden.LOSSES)
            assert terms["discriminator.r1"] == pytest.approx(r1, rel=golden.LOSSES)

    for name, network in {**networks, "G_ema": average.module}.items():
        golden.check_norms(network, keys[name.removesuffix("_ema")], norms[name])
    z = golden.normal(f"{NAME}.probe.z", (1, LATENT)).double()
    for field, generator in (("output_G", method.generator), ("output_G_ema", average.module)):
        with torch.no_grad():
            golden.assert_recorded(generator.eval()(z), recorded, field)


def published_keys(name: str, published: dict[str, float]) -> dict[str, str]:
    """Our keys -> the reference's, without its constant filters."""
    rename: Callable[[str], str] = (
        golden_stylegan2.generator_name if name == "G" else lambda key: golden_stylegan2.discriminator_name(key, SIZE)
    )
    return {rename(key): key for key in published if not key.endswith("resample_filter")}


def fill(network: nn.Module, keys: dict[str, str]) -> None:
    """By the rule, in which only the number of a tensor's values matters, and not its shape."""
    state = network.state_dict()
    weights = golden_stylegan2.weights({theirs: state[ours].shape for ours, theirs in keys.items()})
    missing, unexpected = network.load_state_dict({ours: weights[keys[ours]] for ours in keys}, strict=False)
    assert not unexpected and not missing


def corrected_for_lazy_penalties(rate: float, decay: float) -> Optimizer:
    """They are optimiser steps, too (appendix B)."""
    shares = {player: every / (every + 1) for player, every in INTERVALS.items()}
    return Optimizer(
        players={player: {"lr": rate * share, "betas": (0.0, decay**share)} for player, share in shares.items()}
    )


def use_recorded_randomness(patch: pytest.MonkeyPatch, method: StyleGAN2, step: int, cutoffs: dict[str, int]) -> None:
    """Styles of each phase in its order, and the noise of path lengths."""
    phases = iter([phase for phase in ("Gmain", "Greg", "Dmain") if phase in cutoffs])

    def draw_styles(label: Tensor) -> Tensor:
        phase, generator = next(phases), method.generator
        z, mixed = (golden.normal(f"{NAME}.{phase}.{kind}.{step}", (BATCH, LATENT)).double() for kind in ("z", "mix"))
        w = generator.map(z[: len(label)])
        cutoff = cutoffs[phase] or w.shape[1]
        other = generator.mapping(mixed[: len(label)], None)[:, None].expand_as(w)
        return torch.cat([w[:, :cutoff], other[:, cutoff:]], dim=1)

    def path_lengths(image: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        recorded = golden.normal(f"{NAME}.Greg.pl_noise.{step}", image.shape).double() / SIZE
        return penalties.path_lengths(image, w, recorded)

    patch.setattr(method, "draw_styles", draw_styles)
    patch.setattr("i2i.methods.stylegan2.path_lengths", path_lengths)
