"""The manual of plugins: its listings train by its commands, and its CUT is the paper's."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i import load, recipe, registry
from i2i.checkpoints import run as checkpoint
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
    tiny += ["method.width=8", "method.patches=16"] if words[1] == "cut" else []
    code, out, errors = i2i_run(*words, *small("train.steps=3", "train.log_every=1", *tiny), capsys=capsys)
    assert code == 0, errors
    folder = Path(re.findall(r"done: (.*)", out)[0])
    assert checkpoint.find(folder).name == "00000003"
    assert load(folder).card.product == "a_to_b"
    losses = np.loadtxt(folder / "losses.csv", delimiter=",", skiprows=1)
    assert len(losses) == 3 and np.isfinite(losses).all()


def test_cut_fits_in_eighty_lines() -> None:
    assert sum(bool(line.strip()) for line in listing("cut.py").splitlines()) < 80


def test_the_contrast_of_cut_is_equation_4(tmp_path: Path) -> None:
    (tmp_path / "cut.py").write_text(listing("cut.py"))
    registry.load_plugins([tmp_path / "cut.py"])
    settings = {"method.generator.features": 4, "method.width": 16, "method.patches": 10**6, "method.layers": [0, 8]}
    method: Any = build(registry.methods, recipe.choose("cut", ["a", "b"], settings)[0].method).double()
    source, fake = torch.rand(2, 1, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    fake.requires_grad_()
    loss, expected = method.contrast(source, fake), equation_4(method, source, fake)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(*(torch.autograd.grad(each, fake)[0] for each in (loss, expected)))


def equation_4(method: Any, source: Tensor, fake: Tensor) -> Tensor:
    """PatchNCE of a batch of one over all positions, position by position; keys are constants."""
    means = []
    for layer, project in zip(method.layers, method.projections, strict=True):
        with torch.no_grad():
            keys = F.normalize(project(method.generator.features(source, [layer])[0][0].flatten(1).T))
        queries = F.normalize(project(method.generator.features(fake, [layer])[0][0].flatten(1).T))
        terms = []
        for position, query in enumerate(queries):
            similarity = torch.stack([query @ key for key in keys]) / 0.07
            terms.append(-torch.log(similarity[position].exp() / similarity.exp().sum()))
        means.append(torch.stack(terms).mean())
    return torch.stack(means).mean()
