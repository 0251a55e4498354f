"""Training steps of ESRGAN, and their moving average, against the authors' code as in `test_golden`."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from i2i import recipe, registry
from i2i.data.batch import Pair
from i2i.recipe import components
from i2i.training.update import TrainingUpdate
from tests import golden
from tests.vgg import write_vgg19

NAME = "esrgan_x4"
SMALL = [
    "method.generator.features=16",
    "method.generator.blocks=2",
    "method.generator.growth=8",
    "method.discriminator.features=8",
]
# The reference's name for a loss -> our term.
LOSSES = {
    "l_g_pix": "generator.pixel",
    "l_g_percep": "generator.perceptual",
    "l_g_gan": "generator.gan",
    "l_d_real": "discriminator.real",
    "l_d_fake": "discriminator.fake",
}
# The reference has five discriminator passes a step, ours has four.
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def test_esrgan_steps_are_those_of_the_reference(shared: Path, tmp_path: Path) -> None:
    recorded = np.load(shared / "golden" / "steps" / f"{NAME}_f64.npz")
    weights = write_vgg19(tmp_path / "vgg19.safetensors")
    chosen = recipe.load(recipe.find("esrgan"), ["unused"], [*SMALL, f"method.perceptual.weights={weights}"])
    method = components.build(registry.methods, chosen.method).double().train()
    norms = json.loads(str(recorded["final_norms"]))
    networks = {"G": method.generator, "D": method.discriminator}
    # The reference's keys are in the order of ours.
    keys = {name: dict(zip(network.state_dict(), norms[name], strict=True)) for name, network in networks.items()}
    for name, network in networks.items():
        golden.fill(network, keys[name], f"{name}.")
    average = AveragedModel(method.generator, multi_avg_fn=get_ema_multi_avg_fn(chosen.train.ema), use_buffers=True)
    average.n_averaged.fill_(1)  # the published average starts from the first weights, and has no warm-up

    update = TrainingUpdate(method.players(), chosen.optimizer)
    for step, losses in enumerate(json.loads(str(recorded["losses"]))):
        high = golden.images(f"step_{NAME}.gt.{step}", (2, 3, 128, 128), 0, 1).double()
        method.training_step(Pair(F.avg_pool2d(high, 4), high), update)
        average.update_parameters(method.generator)
        for loss, term in LOSSES.items():
            expected = pytest.approx(losses[loss], rel=golden.LOSSES)
            assert float(update.terms[term]) == expected, f"{loss} at step {step}"

    for name, network in networks.items():
        trained = {ours: theirs for ours, theirs in keys[name].items() if not ours.endswith(STATISTICS)}
        golden.check_norms(network, trained, norms[name])
    probe = torch.from_numpy(recorded["probe"]).double()
    with torch.no_grad():
        golden.assert_recorded(method.generator(probe), recorded, "output_G")
        golden.assert_recorded(average.module(probe), recorded, "output_G_ema")
