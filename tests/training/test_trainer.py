"""When a run logs, draws samples and saves, and what it leaves in its folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch.nn import functional as F

from i2i import recipe
from i2i.checkpoints import run as checkpoint
from i2i.checkpoints.load import load_any
from i2i.data.batch import Pair
from i2i.losses.adversarial import LeastSquares
from i2i.methods.base import Update
from i2i.methods.pix2pix import Pix2Pix
from i2i.registry import adversarial
from i2i.training import run
from i2i.training.context import Interrupted
from i2i.training.not_finite import NotFinite
from i2i_runtime import images
from tests.logs import read_log
from tests.worlds import Recorder, overrides, tiny_recipe, tiny_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("data") / "world")


def test_a_run_leaves_recipe_logs_sheets_and_checkpoints(world: Path, tmp_path: Path) -> None:
    settings = [
        "train.steps=6",
        "train.checkpoint_every=2",
        "train.sample_every=3",
        "train.log_every=2",
        "train.keep=2",
    ]
    folder = run.train(tiny_recipe("cyclegan", world, *settings), tmp_path / "run", reporter=Recorder())
    kept = [path.name for path in checkpoint.list_checkpoints(folder)]
    assert kept[-2:] == ["00000004", "00000006"] and len(kept) <= 3
    assert checkpoint.find(folder).name == "00000006"
    scores = read_log(folder / "scores.csv")
    best = min(zip(scores["score"], scores["step"], strict=True))[1]
    assert (folder / "best").resolve().name == f"{int(best):08d}"
    assert [path.name for path in sorted((folder / "samples").iterdir())] == ["00000003.png", "00000006.png"]
    assert images.read(folder / "samples/00000003.png").shape[2] == 3
    log = read_log(folder / "losses.csv")
    assert log["step"] == [2, 4, 6] and {"generators.cycle_a_to_b", "discriminators.real_a"} <= log.keys()
    assert log["generators.learning_rate"] == pytest.approx([2e-4, 2e-4, 2e-4 / 3], rel=0.5)
    assert list((folder / "tensorboard").iterdir())


def test_saved_generators_carry_the_facts_to_use_them(world: Path, tmp_path: Path) -> None:
    folder = run.train(tiny_recipe("cyclegan", world, "train.steps=1"), tmp_path / "run", reporter=Recorder())
    with safe_open(checkpoint.find(folder) / "a_to_b.safetensors", framework="pt") as file:
        facts = file.metadata()
    assert json.loads(facts["generator"])["features"] == 4 and facts["product"] == "a_to_b" and facts["step"] == "1"
    assert (folder / "recipe.toml").read_text().endswith("\n" + facts["recipe"])
    assert json.loads(facts["value_range"]) == [-1.0, 1.0]


def test_a_checkpoint_without_weights_is_refused(world: Path, tmp_path: Path) -> None:
    folder = run.train(tiny_recipe("pix2pix", world, "train.steps=1"), tmp_path / "run", reporter=Recorder())
    (checkpoint.find(folder) / "source_to_target.safetensors").unlink()
    with pytest.raises(ValueError, match="no weights in this checkpoint; name an earlier one"):
        load_any(folder)


def test_an_interrupted_run_is_saved_and_names_its_folder(world: Path, tmp_path: Path) -> None:
    reporter = Recorder()
    with pytest.raises(Interrupted, match=str(tmp_path / "run")):
        run.train(
            tiny_recipe("pix2pix", world, "train.steps=50"),
            tmp_path / "run",
            reporter=reporter,
            stop=lambda: len(reporter.steps) >= 3,
        )
    assert checkpoint.find(tmp_path / "run").name == "00000003"


class Breaks(LeastSquares):
    """Ceases to be finite at the eighth call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def generator(self, fake_logits: torch.Tensor, real_logits: torch.Tensor | None = None) -> torch.Tensor:
        self.calls += 1
        return super().generator(fake_logits) * (float("nan") if self.calls > 7 else 1.0)


@pytest.mark.parametrize("noticed_by", ["train.log_every=5", "train.sample_every=5", "train.checkpoint_every=3"])
def test_a_loss_that_is_not_finite_ends_the_run_at_the_next_log_and_leaves_the_last_good_checkpoint(
    noticed_by: str, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(adversarial._parts, "breaks", Breaks)
    settings = ["train.steps=20", "train.checkpoint_every=3", "method.adversarial=breaks", noticed_by]
    chosen = tiny_recipe("cyclegan", world, *settings)
    with pytest.raises(NotFinite, match="step 4: the loss of generators is not finite in gan_b_to_a"):
        run.train(chosen, tmp_path / "run", reporter=Recorder())
    assert checkpoint.find(tmp_path / "run").name == "00000003"


def test_a_player_without_an_update_is_named_once_unless_it_rests(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_the_generator(method: Pix2Pix, batch: Pair, update: Update) -> None:
        update("generator", l1=F.l1_loss(method.generator(batch.source), batch.target))

    chosen = tiny_recipe("pix2pix", world, "train.steps=4", "train.log_every=2")
    usual, idle, first, always = (Recorder() for _ in range(4))
    run.train(chosen, tmp_path / "usual", reporter=usual)
    monkeypatch.setattr(Pix2Pix, "training_step", only_the_generator)
    run.train(chosen, tmp_path / "idle", reporter=idle)
    monkeypatch.setattr(Pix2Pix, "resting", lambda method, step: ["discriminator"] if step < 2 else [])
    run.train(chosen, tmp_path / "first", reporter=first)
    monkeypatch.setattr(Pix2Pix, "resting", lambda method, step: ["discriminator"])
    run.train(chosen, tmp_path / "always", reporter=always)
    said = [[each for each in recorder.messages if "no update of" in each] for recorder in (usual, idle, first, always)]
    assert said[0] == said[3] == [] and len(said[1]) == len(said[2]) == 1
    assert "no update of discriminator in the steps to 2" in said[1][0]
    assert "no update of discriminator in the steps to 4" in said[2][0]


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    from i2i.networks.generators.resnet import ResnetGenerator

    generator = ResnetGenerator(features=4, blocks=0)
    generator.spec = {"name": "resnet"}
    checkpoint.save(tmp_path, 1, {"step": 1}, {"a": generator}, {})
    generator.head[1].bias.data[0] = float("inf")
    with pytest.raises(ValueError, match=r"weights of a are not finite \(head"):
        checkpoint.save(tmp_path, 2, {"step": 2}, {"a": generator}, {})
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["00000001"], "and nothing half-written"


def test_a_real_method_trains_in_bfloat16_with_channels_last_clipped(world: Path, tmp_path: Path) -> None:
    settings = ["train.precision=bfloat16", "train.clip_norm=1", "train.channels_last=true", "train.steps=3"]
    folder = run.train(tiny_recipe("cyclegan", world, *settings), tmp_path / "run", reporter=Recorder())
    assert checkpoint.find(folder).name == "00000003"


@pytest.mark.parametrize("is_on", [True, False])
def test_batches_are_channels_last_if_the_recipe_says_so(
    is_on: bool, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(Pix2Pix, "training_step", lambda method, batch, update: seen.append(batch))
    settings = [f"train.channels_last={str(is_on).lower()}", "train.steps=1"]
    run.train(tiny_recipe("pix2pix", world, *settings), tmp_path / "run", reporter=Recorder())
    assert [field.is_contiguous(memory_format=torch.channels_last) for field in seen[0]] == [is_on, is_on]


@pytest.mark.parametrize(("scores", "best"), [([3, 1, 2, 4], 2), ([1, 2, 3, 4], 1), ([4, 3, 2, 1], 4)])
def test_the_best_checkpoint_has_the_lowest_score_and_is_kept(
    scores: list[int], best: int, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = iter(scores)
    monkeypatch.setattr(Pix2Pix, "score", lambda method, held_out, products: torch.tensor(float(next(given))))
    settings = ["train.steps=4", "train.checkpoint_every=1", "train.keep=1"]
    reporter = Recorder()
    folder = run.train(tiny_recipe("pix2pix", world, *settings), tmp_path / "run", reporter=reporter)
    assert checkpoint.find(folder / "best").name == f"{best:08d}"
    assert [int(path.name) for path in checkpoint.list_checkpoints(folder)] == sorted({best, 4})
    improved = [score == min(scores[: step + 1]) for step, score in enumerate(scores)]
    saved = [message for message in reporter.messages if "held-out score" in message]
    assert ["the best so far" in message for message in saved] == improved


def test_a_resumed_run_keeps_its_best_score(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([1.0, 2.0])
    monkeypatch.setattr(Pix2Pix, "score", lambda method, held_out, products: torch.tensor(next(scores)))
    folder = run.train(tiny_recipe("pix2pix", world, "train.steps=1"), tmp_path / "run", reporter=Recorder())
    run.resume(folder, ["train.steps=2"], reporter=Recorder())
    assert checkpoint.find(folder / "best").name == "00000001" and checkpoint.find(folder).name == "00000002"


def test_training_images_stand_in_for_missing_held_out_ones(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for side in "AB":
        (tmp_path / side).mkdir()
        for number in range(3):
            images.write(tmp_path / side / f"{number}.png", rng.integers(0, 256, (20, 20, 3), np.uint8))
    folders = [str(tmp_path / side) for side in "AB"]
    chosen = recipe.load(recipe.find("cyclegan"), folders, overrides("cyclegan", "train.steps=1"))
    folder = run.train(chosen, tmp_path / "run", reporter=Recorder())
    assert (folder / "samples/00000001.png").exists()
