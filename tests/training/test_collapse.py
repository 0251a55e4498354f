"""Mode collapse is detected, and healthy training is not taken for it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from i2i import recipe
from i2i.checkpoints import run as checkpoint
from i2i.methods.base import Outputs
from i2i.networks.generators.dcgan import DCGANGenerator
from i2i.recipe import Collapse
from i2i.registry import generators
from i2i.training import run
from i2i.training.collapse import Collapsed, CollapseDetector, diversity, separation
from tests.logs import read_log
from tests.worlds import Recorder, digits, overrides, tiny_recipe, tiny_world

COLLAPSES = 160  # calls in training, two in every step: after step 80


class Forgetful(DCGANGenerator):
    """Ignores its noise after so many steps, of one call each."""

    def __init__(
        self, *, size: int = 32, out_channels: int = 1, classes: int = 0, latent: int = 8, features: int = 8
    ) -> None:
        super().__init__(size=size, out_channels=out_channels, classes=classes, latent=latent, features=features)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        self.calls += self.training
        return super().synthesise(w * 0 + 1 if self.calls > COLLAPSES else w, label)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits(tmp_path_factory.mktemp("data") / "digits", each=12)


def settings(*more: str) -> list[str]:
    return overrides("dcgan", "train.batch_size=16", "train.steps=200", "optimizer.lr=2e-3", "collapse.every=40", *more)


def test_a_collapse_is_reported_once_and_ends_the_run_with_collapse_stop(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(generators._parts, "forgetful", Forgetful)
    options = settings("method.generator=forgetful", "collapse.stop=true")
    chosen = recipe.load(recipe.find("dcgan"), [str(folder)], options)
    reporter = Recorder()
    with pytest.raises(Collapsed, match=r"times as diverse as real images .*: try "):
        run.train(chosen, tmp_path / "run", reporter=reporter)
    assert len([message for message in reporter.messages if "warning: step 160" in message]) == 1
    assert checkpoint.find(tmp_path / "run").name == "00000160", "within two checks of the collapse, and saved"
    log = read_log(tmp_path / "run/diversity.csv")
    assert log["step"] == [40, 80, 120, 160] and log["generator.diversity"][-1] < 0.01 < log["generator.diversity"][1]


def test_a_healthy_run_is_not_reported(folder: Path, tmp_path: Path) -> None:
    reporter = Recorder()
    chosen = recipe.load(recipe.find("dcgan"), [str(folder)], settings())
    run.train(chosen, tmp_path / "run", reporter=reporter)
    assert not [message for message in reporter.messages if "warning" in message]
    log = read_log(tmp_path / "run/diversity.csv")
    assert log["generator.diversity"][-1] > 0.5
    assert all(0 <= share <= 1 for share in log["generator.separation"])
    losses = read_log(tmp_path / "run/losses.csv")
    assert min(losses["generator.gradient_norm"]) > 0 and min(losses["discriminator.gradient_norm"]) > 0


@pytest.mark.parametrize("method", ["pix2pix", "cyclegan"])
def test_diversity_of_every_product_of_a_translator_is_logged(method: str, tmp_path: Path) -> None:
    world = tiny_world(tmp_path / "world")
    run.train(tiny_recipe(method, world, "train.steps=4", "collapse.every=2"), tmp_path / "run", reporter=Recorder())
    log = read_log(tmp_path / "run/diversity.csv")
    assert log["step"] == [2, 4] and len(log) == (3 if method == "pix2pix" else 5)


def outputs(fake: Tensor, real: Tensor) -> dict[str, Outputs]:
    return {"a_to_b": Outputs(list(fake.split(1)), list(real.split(1)), fake.mean((1, 2, 3)), real.mean((1, 2, 3)))}


def test_translators_that_ignore_their_inputs_have_collapsed() -> None:
    detector, real = CollapseDetector(Collapse()), torch.rand(6, 3, 16, 16)
    assert detector.check(100, outputs(real.flip(0), real))[1] == []
    same = real[:1].expand(6, -1, -1, -1)
    assert detector.check(200, outputs(same, real))[1] == []
    assert len(detector.check(300, outputs(same, real))[1]) == 1
    assert detector.check(400, outputs(same, real))[1] == []  # said once


def test_a_generator_that_was_never_diverse_has_a_grace_period() -> None:
    detector, real = CollapseDetector(Collapse()), torch.rand(6, 3, 16, 16)
    same = real[:1].expand(6, -1, -1, -1)
    assert [len(detector.check(step, outputs(same, real))[1]) for step in (100, 900, 1000, 1100)] == [0, 0, 0, 1]


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    flat = [torch.full((1, 3, 32, 32), value) for value in (0.0, 0.0, 0.6)]
    assert diversity(flat) == pytest.approx(0.4)


def test_separation_is_the_area_under_the_roc_curve() -> None:
    real, fake = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.0])
    assert separation(real, fake) == pytest.approx((3 + 0.5) / 4)


def test_one_image_of_each_class_is_a_collapse() -> None:
    labels = [0, 1] * 8
    real = torch.rand(16, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    same = real[:2].repeat(8, 1, 1, 1)
    detector = CollapseDetector(Collapse())
    assert detector.check(100, {"generator": outputs(real.flip(0), real)["a_to_b"]._replace(labels=labels)})[1] == []
    collapsed = {"generator": outputs(same, real)["a_to_b"]._replace(labels=labels)}
    values = [detector.check(step, collapsed) for step in (200, 300)]
    assert values[0][0]["generator.diversity"] == 0 and len(values[1][1]) == 1
    assert diversity(list(same.split(1))) > 0.1, "which without classes would look diverse"
