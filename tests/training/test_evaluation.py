"""Metrics during training: logged, deciding on the best checkpoint, and without an effect on the run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from i2i.checkpoints import run as checkpoint
from i2i.methods.gan import GAN
from i2i.metrics.features.base import FeatureExtractor
from i2i.recipe import Recipe
from i2i.registry import features
from i2i.training import run
from i2i_runtime.seeds import latents
from tests.logs import read_log
from tests.worlds import Recorder, digits, tiny_recipe, tiny_world

SETTINGS = ["train.steps=6", "train.checkpoint_every=3", "evaluate.features=means"]


class Means(FeatureExtractor):
    """Mean and deviation of each channel; `seen` counts the images of all instances."""

    seen = 0

    def __init__(self, *, weights: str = "", device: str = "cpu") -> None:
        super().__init__("means", "0", device)

    def extract(self, images: Tensor) -> Tensor:
        type(self).seen += len(images)
        assert images.dtype == torch.float32 and images.min() >= 0 and images.max() <= 1
        return torch.cat([images.mean((2, 3)), images.std((2, 3))], 1)


@pytest.fixture(autouse=True)
def means(monkeypatch: pytest.MonkeyPatch) -> type[Means]:
    monkeypatch.setitem(features._parts, "means", Means)
    monkeypatch.setattr(Means, "seen", 0)
    return Means


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("data") / "world", count=40)


def chosen(method: str, data: Path, *more: str) -> Recipe:
    return tiny_recipe(method, data, *SETTINGS, *more)


def weights(folder: Path) -> Sequence[dict[str, Tensor]]:
    return [load_file(file) for file in sorted(checkpoint.find(folder).glob("*.safetensors"))]


def test_metrics_of_every_product_are_logged_and_reported(world: Path, tmp_path: Path) -> None:
    reporter = Recorder()
    run.train(chosen("cyclegan", world, "evaluate.every=2"), tmp_path / "run", reporter=reporter)
    log = read_log(tmp_path / "run/metrics.csv")
    names = {f"{product}.KID(means){end}" for product in ("a_to_b", "b_to_a") for end in ("", " error")}
    assert log["step"] == [2, 4, 6] and log.keys() == {"step", *names}
    assert any("every 2 steps kid on 8 images; they are few" in message for message in reporter.messages)
    assert any(message.startswith("step 4: a_to_b.KID(means) ") for message in reporter.messages)


def test_metrics_are_computed_at_the_last_step_too(world: Path, tmp_path: Path) -> None:
    run.train(chosen("pix2pix", world, "evaluate.every=4"), tmp_path / "run", reporter=Recorder())
    assert read_log(tmp_path / "run/metrics.csv")["step"] == [4, 6]


def test_features_of_real_images_are_computed_once(world: Path, tmp_path: Path, means: type[Means]) -> None:
    run.train(chosen("pix2pix", world, "evaluate.every=2"), tmp_path / "run", reporter=Recorder())
    held_out = 8
    assert means.seen == held_out + 3 * held_out


@pytest.mark.parametrize("method", ["cyclegan", "pix2pix", "dcgan"])
def test_evaluation_does_not_change_the_weights_of_a_run(method: str, world: Path, tmp_path: Path) -> None:
    data = digits(tmp_path / "digits", each=4) if method == "dcgan" else world
    for name, every in (("measured", 2), ("plain", 0)):
        run.train(chosen(method, data, f"evaluate.every={every}"), tmp_path / name, reporter=Recorder())
    measured, plain = weights(tmp_path / "measured"), weights(tmp_path / "plain")
    for ours, theirs in zip(measured, plain, strict=True):
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert not (tmp_path / "plain/metrics.csv").exists()


def test_evaluate_best_decides_which_checkpoint_is_the_best(world: Path, tmp_path: Path) -> None:
    settings = ["evaluate.every=1", 'evaluate.metrics=["psnr", "kid"]', "evaluate.best=psnr", "train.keep=1"]
    folder = run.train(chosen("pix2pix", world, *settings), tmp_path / "run", reporter=Recorder())
    log = read_log(folder / "metrics.csv")
    levels = log["source_to_target.PSNR"]
    best = int(log["step"][levels.index(max(levels))])
    assert (folder / "best").resolve().name == f"{best:08d}"
    assert checkpoint.load_state(checkpoint.find(folder))["best"] == pytest.approx(-max(levels), rel=1e-4)


def test_a_resumed_run_logs_the_same_metrics_and_keeps_the_same_best(world: Path, tmp_path: Path) -> None:
    settings = ["evaluate.every=2", "evaluate.best=kid", "train.keep=9"]
    whole = run.train(chosen("cyclegan", world, *settings), tmp_path / "whole", reporter=Recorder())
    parts = run.train(chosen("cyclegan", world, *settings), tmp_path / "parts", reporter=Recorder())
    run.resume(parts / "checkpoints/00000003", reporter=Recorder())
    assert (whole / "metrics.csv").read_text() == (parts / "metrics.csv").read_text()
    assert (whole / "best").resolve().name == (parts / "best").resolve().name
    states = [checkpoint.load_state(checkpoint.find(folder)) for folder in (whole, parts)]
    assert states[0]["best"] == states[1]["best"] and torch.equal(states[0]["random"], states[1]["random"])


def test_a_best_score_by_another_metric_is_dropped_on_a_resume(world: Path, tmp_path: Path) -> None:
    folder = run.train(chosen("pix2pix", world), tmp_path / "run", reporter=Recorder())
    reporter = Recorder()
    more = ["train.steps=8", "evaluate.every=2", "evaluate.best=kid"]
    run.resume(folder, more, reporter=reporter)
    assert any("step 8: saved" in message for message in reporter.messages)
    assert (folder / "best").resolve().name == "00000008", "the only one that was measured by it"


def test_every_sample_of_an_evaluation_has_its_own_latent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def drawing(of: Sequence[int], dimensions: int) -> np.ndarray:
        drawn.extend(of)
        return latents(of, dimensions)

    data = digits(tmp_path / "digits", each=4)
    monkeypatch.setattr("i2i.training.evaluation.latents", drawing)
    monkeypatch.setattr(GAN, "score", lambda *_: torch.zeros(()))
    monkeypatch.setattr(GAN, "preview", lambda _, held_out, products: [{"real": held_out[0].image}])
    run.train(chosen("dcgan", data, "evaluate.every=6", "evaluate.samples=20"), tmp_path / "run", reporter=Recorder())
    assert sorted(drawn) == list(range(20))
    assert "generator.KID(means)" in read_log(tmp_path / "run/metrics.csv")


def test_a_metric_that_fails_is_a_warning(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Means, "extract", lambda _, images: torch.full((len(images), 4), float("nan")))
    reporter = Recorder()
    run.train(chosen("pix2pix", world, "evaluate.every=3", "evaluate.best=kid"), tmp_path / "run", reporter=reporter)
    assert any("warning: evaluate.metrics kid" in message and "not finite" in message for message in reporter.messages)
    assert checkpoint.find(tmp_path / "run").name == "00000006"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (['evaluate.metrics=["kod"]'], "evaluate.metrics: unknown metric 'kod'; did you mean 'kid'"),
        (['evaluate.metrics=["psnr"]'], "psnr needs pairs, which CycleGAN does not train on"),
        (["evaluate.metrics=[]"], "evaluate.metrics names none"),
        (["evaluate.best=fid"], "evaluate.best = 'fid' is refused; choose from: evaluate.metrics"),
        (['evaluate.metrics=["is"]'], "means is no classifier"),
        (["evaluate.features=squeezenet1_1", "evaluate.weights=none.pth"], "none.pth: no such file"),
        (["evaluate.features=squeezent"], "unknown feature extractor 'squeezent'"),
    ],
)
def test_wrong_evaluation_options_are_refused_before_the_first_step(
    settings: list[str], sentence: str, world: Path, tmp_path: Path
) -> None:
    reporter = Recorder()
    with pytest.raises(ValueError) as raised:
        run.train(chosen("cyclegan", world, "evaluate.every=2", *settings), tmp_path / "run", reporter=reporter)
    assert sentence in str(raised.value) and not reporter.steps


def test_evaluation_without_held_out_images_is_refused(tmp_path: Path) -> None:
    world = tiny_world(tmp_path / "world", count=4)
    for name in ("testA", "testB"):
        for file in (world / name).iterdir():
            file.unlink()
        (world / name).rmdir()
    with pytest.raises(ValueError, match="0 images are held out; put some into test/"):
        run.train(chosen("cyclegan", world, "evaluate.every=2"), tmp_path / "run", reporter=Recorder())
