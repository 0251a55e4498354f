"""Training steps of R3GAN, and their moving average, against the authors' code as in `test_golden`."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from i2i import registry
from i2i.data.batch import Images
from i2i.recipe import Optimizer, components
from i2i.training.update import TrainingUpdate
from tests import golden, golden_r3gan

NAME = "step_r3gan_32"


def test_steps_are_those_of_the_reference(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = np.load(shared / "golden" / "steps" / "r3gan_32.npz")
    options, norms = json.loads(str(recorded["options"])), json.loads(str(recorded["final_norms"]))
    size, count, gamma = options["size"], options["batch"], options["gamma"]
    networks = {"generator": options, "discriminator": options["discriminator"]}
    own = {player: golden_r3gan.table(each) for player, each in networks.items()}
    method_table = {
        "name": "r3gan", "size": size, "gamma": gamma, "last_gamma": gamma, "adversarial": {"name": "rpgan"},
        **{player: {"name": "r3gan"} | {key: value for key, value in each.items() if key not in ("size", "classes")}
           for player, each in own.items()},
    }  # fmt: skip
    method = components.build(registry.methods, components.complete(registry.methods, method_table, "method")).double()
    players = {"G": method.generator, "D": method.discriminator}
    keys = {name: golden_r3gan.keys(network) for name, network in players.items()}
    for name, network in players.items():
        golden.fill(network, keys[name], f"{name}.")
    average = AveragedModel(method.generator, multi_avg_fn=get_ema_multi_avg_fn(0.5 ** (count / options["ema_nimg"])))
    average.n_averaged.fill_(1)  # it starts from the first weights

    update = TrainingUpdate(method.players(), Optimizer(lr=options["lr"], betas=(0.0, options["beta2"])))
    for update.step, losses in enumerate(json.loads(str(recorded["losses"]))):
        phases = iter("DG")
        monkeypatch.setattr(
            method,
            "draw_latents",
            lambda label, phases=phases: golden.normal(
                f"{NAME}.{next(phases)}.z.{update.step}", (len(label), options["NoiseDimension"])
            ).double(),
        )
        real = [golden.images(f"{NAME}.{phase}.real.{update.step}", (count, 3, size, size), -1, 1) for phase in "DG"]
        method.training_step(Images(torch.cat(real).double(), torch.zeros(2 * count, dtype=torch.int64)), update)
        average.update_parameters(method.generator)
        terms = {name: float(term) for name, term in update.terms.items()}
        adversarial = terms["discriminator.real"] + terms["discriminator.fake"]
        assert adversarial == pytest.approx(losses["D_adversarial"], rel=golden.LOSSES)
        assert terms["discriminator.r1"] == pytest.approx(gamma / 2 * losses["D_r1_penalty"], rel=golden.LOSSES)
        assert terms["discriminator.r2"] == pytest.approx(gamma / 2 * losses["D_r2_penalty"], rel=golden.LOSSES)
        assert terms["generator.gan"] == pytest.approx(losses["G_adversarial"], rel=golden.LOSSES)

    for name, network in {**players, "G_ema": average.module}.items():
        golden.check_norms(network, keys[name.removesuffix("_ema")], norms[name])
    z = golden.normal(f"{NAME}.probe.z", (1, options["NoiseDimension"])).double()
    for field, generator in (("output_G", method.generator), ("output_G_ema", average.module)):
        with torch.no_grad():
            golden.assert_recorded(generator.eval()(z), recorded, field)
