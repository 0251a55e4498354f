"""What a recipe names, built and put together around a trainer, which then trains."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from i2i import registry
from i2i.checkpoints import run as checkpoint
from i2i.checkpoints.load import load_any
from i2i.data.loader import batches, steps_per_epoch
from i2i.data.sources import Samples, distinct_held_out, find_files, open_samples
from i2i.devices import kept_random_numbers
from i2i.methods.base import Method
from i2i.methods.generation import Generation
from i2i.recipe import RECIPE, Recipe
from i2i.recipe.components import build
from i2i.training.distributed import Processes
from i2i.training.dry_run import check_contract
from i2i.training.evaluation import open_evaluation
from i2i.training.held_out import check_sizes, held_out, open_augmentation, open_degradation, sample_kind
from i2i.training.malloc import keep_freed_memory
from i2i.training.reporter import Watch
from i2i.training.run_info import recorded
from i2i.training.trainer import Interrupted, Trainer


class Work(NamedTuple):
    """Who looks on, who may end it, and on what it is done."""

    watch: Watch
    stop: Callable[[], bool]
    processes: Processes
    device: torch.device


def fit(recipe: Recipe, run: Path, state: dict[str, Any] | None, work: Work) -> Path:
    """Train into the folder `run`, from the beginning or from `state`, to the last step; returns the folder."""
    processes, device = work.processes, work.device
    part = processes.part(recipe.train.batch_size)
    if device.type == "cpu":
        keep_freed_memory()
    with _seeded(recipe.train.seed, device):
        recipe, samples, trainer = _assemble(recipe, run, state, work)
        if processes.is_first:
            (run / "samples").mkdir(parents=True, exist_ok=True)
            write(recipe, run)
        _announce(recipe, run, trainer.step, len(samples), work)
        stream = batches(
            samples,
            batch_size=recipe.train.batch_size,
            seed=recipe.train.seed,
            start_step=trainer.step,
            workers=recipe.train.workers,
            pin_memory=device.type == "cuda",
            shard=part,
        )
        record = recorded(run, device, lambda: trainer.step) if processes.is_first else nullcontext()
        try:
            with record:
                trainer.fit(stream, work.watch, work.stop)
        except Interrupted:
            raise Interrupted(str(run / "latest")) from None
        except OSError as error:
            raise OSError(f"{run}: {error.strerror or error}; {_where_to_go_on(run)}") from error
        processes.wait()  # until all is saved
    return run


def _assemble(recipe: Recipe, run: Path, state: dict[str, Any] | None, work: Work) -> tuple[Recipe, Samples, Trainer]:
    """The recipe with its steps and whole paths, what it trains on, and a trainer that is where `state` says."""
    method = build(registry.methods, recipe.method)
    check_contract(method)
    if recipe.train.start and state is None:
        _start_from(recipe.train.start, method)
    wanted, tell = sample_kind(method), work.watch.say
    files = find_files(wanted, recipe, tell)
    samples, degradation = open_samples(wanted, recipe, files), open_degradation(method, recipe)
    augmentation = open_augmentation(method, recipe)
    check_sizes(method, samples, augmentation, degradation)
    recipe = placed(_with_steps(recipe, samples))
    schedule, looks = build(registry.schedules, recipe.schedule), partial(held_out, method, samples, degradation)
    count = distinct_held_out(files) + len(samples) * isinstance(method, Generation)
    evaluation = open_evaluation(recipe.evaluate, method, looks, count, work.device, tell, work.processes)
    trainer = Trainer(
        method, recipe, schedule, looks(), run, work.device, augmentation, degradation, evaluation, work.processes
    )
    if rank := work.processes.rank:
        torch.manual_seed(recipe.train.seed + rank)
    if state:
        trainer.load_state(state)
    return recipe, samples, trainer


def _announce(recipe: Recipe, run: Path, step: int, images: int, work: Work) -> None:
    several = f"{work.processes.count} processes, this one on " if work.processes.count > 1 else ""
    steps = f"steps {step} to {recipe.train.steps}"
    work.watch.say(f"{run}: {recipe.method['name']}, {images} images an epoch, {steps}, on {several}{work.device}")
    if named := recipe.data.classes:
        work.watch.say("classes: " + ", ".join(f"{number} {name}" for number, name in enumerate(named)))


def _with_steps(recipe: Recipe, samples: Samples) -> Recipe:
    """Its epochs as steps, where it says no steps."""
    steps = recipe.train.steps or recipe.train.epochs * steps_per_epoch(samples, recipe.train.batch_size)
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"steps": steps})})


def write(recipe: Recipe, run: Path) -> None:
    """The recipe into the run's folder."""
    run.mkdir(parents=True, exist_ok=True)
    (run / RECIPE).write_text(recipe.toml(), encoding="utf-8")


def _start_from(model: str, method: Method) -> None:
    """Give the method's generators the weights of others. Raises ValueError where they are of another architecture."""
    products = method.products()
    for name, product in products.items():
        generator, _ = load_any(model, name if len(products) > 1 else None)
        try:
            product.load_state_dict(generator.state_dict())
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"train.start: {model} is another network than method.generator ({reason})") from None


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """The run has torch's random numbers for itself, and leaves them as it found them."""
    with kept_random_numbers(device):
        torch.manual_seed(seed)
        yield


def placed(recipe: Recipe) -> Recipe:
    """With whole paths, so that a run can go on from another folder than it began in."""
    data = recipe.data.model_copy(update={"source": [_from_anywhere(source) for source in recipe.data.source]})
    train = recipe.train.model_copy(update={"start": _from_anywhere(recipe.train.start)})
    method = dict(recipe.method)
    if weights := method.get("perceptual", {}).get("weights"):
        method["perceptual"] = {**method["perceptual"], "weights": _from_anywhere(weights)}
    weights, lpips = _from_anywhere(recipe.evaluate.weights), _from_anywhere(recipe.evaluate.lpips_weights)
    evaluate = recipe.evaluate.model_copy(update={"weights": weights, "lpips_weights": lpips})
    return recipe.model_copy(update={"method": method, "data": data, "train": train, "evaluate": evaluate})


def _from_anywhere(name: str) -> str:
    path = Path(name).expanduser()
    return str(path.resolve()) if name and path.exists() else name


def _where_to_go_on(run: Path) -> str:
    saved = checkpoint.list_checkpoints(run)
    if not saved:
        return "nothing had been saved yet"
    return f"step {int(saved[-1].name)} is saved whole; make room and go on with: i2i train --resume {run}"
