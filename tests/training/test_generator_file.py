"""A run whose generator is that of a published file, of any architecture."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from i2i import inference, recipe
from i2i.checkpoints import run as checkpoint
from i2i.interop import architectures, save_published
from i2i.interop.architectures import Measured
from i2i.networks.generators.srvgg import SRVGGNet
from i2i.training import run
from i2i.training.context import Interrupted
from tests.architectures import random_state
from tests.worlds import Recorder, tiny_world

SHORT = ["augment.train.crop.size=16", "train.batch_size=2", "train.steps=3", "train.workers=0", "train.ema=0.5"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("data") / "world") / "trainB"


@pytest.fixture(autouse=True)
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.setattr(architectures, "measure", lambda generator: Measured(0, 0, True))


@pytest.fixture
def published(tmp_path: Path) -> Path:
    file = tmp_path / "their.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in random_state("MoSR").items()}, file)
    return file


def of_file(file: Path, photos: Path, *more: str, method: str = "rrdb-psnr") -> recipe.Recipe:
    table = f'method.generator={{name = "spandrel", file = "{file}"}}'
    return recipe.choose(method, [str(photos)], [table, *SHORT, *more])[0]


def test_the_file_settles_network_and_scale_and_is_where_the_weights_start(published, photos, tmp_path) -> None:
    reporter = Recorder()
    run.train(of_file(published, photos, "train.steps=1", "optimizer.lr=1e-30"), tmp_path / "run", reporter=reporter)
    assert any("MoSR, method.scale = 2, method.channels = 3" in message for message in reporter.messages)
    assert recipe.load_run(tmp_path / "run").method["generator"]["parameters"] == {
        "dim": 16,
        "n_block": 2,
        "upscale": 2,
    }
    theirs, ours = (inference.load(each, device="cpu") for each in (published, tmp_path / "run"))
    image = torch.rand(3, 9, 12)
    assert ours.card.scale == 2 and torch.allclose(ours(image), theirs(image), atol=1e-6)


def test_a_run_goes_on_bit_for_bit_when_the_file_is_gone(published, photos, tmp_path) -> None:
    chosen = of_file(published, photos)
    run.train(chosen, tmp_path / "whole", reporter=Recorder())
    stops = iter([False, True])
    with pytest.raises(Interrupted):
        run.train(chosen, tmp_path / "stopped", reporter=Recorder(), stop=lambda: next(stops, False))
    published.unlink()
    run.resume(tmp_path / "stopped", reporter=Recorder())
    whole, resumed = (
        load_file(checkpoint.find(tmp_path / name) / "low_to_high.safetensors") for name in ("whole", "stopped")
    )
    assert all(torch.equal(tensor, resumed[key]) for key, tensor in whole.items())


def test_a_file_of_one_of_our_networks_becomes_that_network(photos, tmp_path) -> None:
    save_published(SRVGGNet(features=4, convolutions=1, scale=3), tmp_path / "compact.pth")
    chosen = of_file(tmp_path / "compact.pth", photos, "augment.train.crop.size=15", "train.steps=1")
    run.train(chosen, tmp_path / "run", reporter=Recorder())
    written = recipe.load_run(tmp_path / "run")
    assert written.method["generator"]["name"] == "srvgg" and written.method["scale"] == 3


def test_without_a_file_the_sentence_says_how_to_name_one(photos, tmp_path) -> None:
    chosen = recipe.choose("rrdb-psnr", [str(photos)], ["method.generator=spandrel", *SHORT])[0]
    with pytest.raises(ValueError, match=r"spandrel: no network; name a published file, --set method\.generator\.file"):
        run.train(chosen, tmp_path / "run")


def test_another_architecture_than_spandrel_has_is_refused(photos, tmp_path) -> None:
    table = 'method.generator={name = "spandrel", architecture = "MoRS", network = "MoSR"}'
    chosen = recipe.choose("rrdb-psnr", [str(photos)], [table, *SHORT])[0]
    with pytest.raises(ValueError, match=r"unknown architecture 'MoRS'; did you mean 'MoSR'\?"):
        run.train(chosen, tmp_path / "run")
