"""The manual of plugins: its listings train by its commands, and its GcGAN is the paper's."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i import load, recipe, registry
from i2i.checkpoints import run as checkpoint
from i2i.data.batch import Unpaired
from i2i.recipe.components import build
from tests.cli.test_cli import i2i_run
from tests.plugins import MANUAL, listing, no_plugins, small
from tests.worlds import tiny_world

__all__ = ["no_plugins"]
pytestmark = pytest.mark.usefixtures("no_plugins")
COMMANDS = re.findall(r"^i2i train .*", MANUAL.read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_manual_trains(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_world(Path("world"))
    for folder, domain in (("photos", "trainA"), ("paintings", "trainB")):
        shutil.copytree(Path("world") / domain, folder)
    words = command.partition("#")[0].split()[1:]
    Path(words[words.index("--plugin") + 1]).write_text(listing(words[words.index("--plugin") + 1]))
    tiny = [] if "method.generator=tiny" in words else ["method.generator.features=4"]
    code, out, errors = i2i_run(*words, *small("train.steps=3", "train.log_every=1", *tiny), capsys=capsys)
    assert code == 0, errors
    folder = Path(re.findall(r"done: (.*)", out)[0])
    assert checkpoint.find(folder).name == "00000003"
    assert load(folder).card.product == "a_to_b"
    losses = np.loadtxt(folder / "losses.csv", delimiter=",", skiprows=1)
    assert len(losses) == 3 and np.isfinite(losses).all()


def test_a_method_fits_in_seventy_lines() -> None:
    assert sum(bool(line.strip()) for line in listing("gcgan.py").splitlines()) < 70


class Terms:
    """An update that keeps the loss terms alone."""

    def __init__(self) -> None:
        self.terms: dict[str, Tensor] = {}

    def __call__(self, player: str, **terms: Tensor) -> None:
        self.terms |= {f"{player}.{name}": term for name, term in terms.items()}


def test_gcgan_compares_the_translation_of_a_flipped_image_with_the_flipped_translation(tmp_path: Path) -> None:
    (tmp_path / "gcgan.py").write_text(listing("gcgan.py"))
    registry.load_plugins([tmp_path / "gcgan.py"])
    settings = {"method.generator.features": 4, "method.generator.blocks": 1, "method.discriminator.features": 4}
    settings |= {"method.discriminator.layers": 1, "method.generator.init_gain": 0.3}
    method: Any = build(registry.methods, recipe.choose("gcgan", ["a", "b"], settings)[0].method).double()
    a, b = torch.rand(2, 1, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    method.training_step(Unpaired(a, b), update := Terms())
    fake, flipped_fake = method.generator(a), method.generator(a.flip(2))
    rows = [(fake[:, :, row] - flipped_fake[:, :, 15 - row]).abs() for row in range(16)]
    geometry = update.terms["generator.geometry"]
    torch.testing.assert_close(geometry, 20 * torch.stack(rows).mean())
    assert geometry > 0.1
    squared = (method.flipped(b.flip(2)) - 1).square().mean() / 2
    torch.testing.assert_close(update.terms["discriminators.real_flipped"], squared)
    torch.testing.assert_close(update.terms["generator.gan_upright"], (method.upright(fake) - 1).square().mean())
