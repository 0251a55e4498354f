"""A run from its recipe, or from where it stopped: everything is built here and handed to the trainer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from i2i import registry
from i2i.components import build
from i2i.data import known
from i2i.data.loader import batches, steps_per_epoch
from i2i.data.singles import find_classes
from i2i.devices import kept_random_numbers
from i2i.methods.base import Generation, Method
from i2i.recipe import Recipe, load
from i2i.training import checkpoint
from i2i.training.data import (
    Samples,
    check_sizes,
    distinct,
    find_files,
    held_out,
    open_augmentation,
    open_degradation,
    open_samples,
    wanted_by,
)
from i2i.training.evaluation import open_evaluation
from i2i.training.memory import keep_freed_memory
from i2i.training.processes import Processes, joined
from i2i.training.record import recorded
from i2i.training.stored import load_any
from i2i.training.trainer import Interrupted, Trainer
from i2i.training.watch import Quiet, Watch

RECIPE = "recipe.toml"
FIRST = "first"  # the folder of a run that holds its first stage


def _never() -> bool:
    return False


def train(
    recipe: Recipe,
    run: Path | None = None,
    *,
    watch: Watch | None = None,
    device: str = "auto",
    stop: Callable[[], bool] = _never,
) -> Path:
    """Train from the beginning into the folder `run` (`runs/METHOD/DATA` by default), which is returned.

    Where the recipe has a first stage, that is trained before, in the folder `first` of the run. Raises ValueError
    where the folder holds a run with checkpoints already, and what `Trainer.fit` raises. Where torchrun has started
    several processes, all of them call this, and share every batch.
    """
    run = run or Path("runs") / recipe.method["name"] / _data_name(recipe)
    if checkpoint.list_checkpoints(run) or checkpoint.list_checkpoints(run / FIRST):
        raise ValueError(
            f"{run}: holds a run already; go on with `i2i train --resume {run}`, or choose another folder with --out"
        )
    with _at_work(watch, device, stop) as work:
        return _fit_stages(_placed(recipe), run, work)


def with_classes(recipe: Recipe) -> Recipe:
    """The recipe for as many classes as its data have folders. Raises ValueError for a method that knows no classes,
    and for data without.
    """
    if "classes" not in recipe.method:
        raise ValueError(f"--conditional: {recipe.method['name']} knows no classes; dcgan, for example, does")
    if len(recipe.data.source) != 1:
        raise ValueError("--conditional: name one folder, with one folder of images for each class in it")
    classes = find_classes(known.find(recipe.data.source[0]))
    data = recipe.data.model_copy(update={"classes": classes})
    return recipe.model_copy(update={"method": recipe.method | {"classes": len(classes)}, "data": data})


def what_next(run: Path) -> str:
    """The command that uses what was trained."""
    method = registry.methods[load(run / RECIPE).method["name"]]
    if isinstance(method, type) and issubclass(method, Generation):
        return f"sample images with: i2i sample {run / 'latest'} OUT"
    return f"translate a folder with: i2i translate {run / 'latest'} IN OUT"


def resume(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    watch: Watch | None = None,
    device: str = "auto",
    stop: Callable[[], bool] = _never,
) -> Path:
    """Go on with a run from its latest checkpoint, or from the checkpoint that `path` names; returns the run's folder.

    What follows is bit for bit what would have followed without the interruption, on the same machine and without
    `overrides`. A run that is still at its first stage goes on with that.
    """
    if (path / RECIPE).is_file() and not checkpoint.list_checkpoints(path):
        with _at_work(watch, device, stop) as work:
            return _fit_stages(load(path / RECIPE, overrides=overrides), path, work)
    saved = checkpoint.find(path)
    run = saved.parents[1]
    recipe = load(run / RECIPE, overrides=overrides)
    state = checkpoint.load_state(saved)
    if state["step"] >= recipe.train.steps:
        raise ValueError(
            f"{run}: finished at step {state['step']}; to train longer add --set train.steps={state['step'] * 2}"
        )
    with _at_work(watch, device, stop) as work:
        return _fit(recipe, run, state, work)


class _Work(NamedTuple):
    """Who looks on, who may end it, and on what it is done."""

    watch: Watch
    stop: Callable[[], bool]
    processes: Processes
    device: torch.device


@contextmanager
def _at_work(watch: Watch | None, device: str, stop: Callable[[], bool]) -> Iterator[_Work]:
    with joined(device) as (processes, chosen):
        yield _Work(watch if watch and processes.is_first else Quiet(), stop, processes, chosen)


def _fit_stages(recipe: Recipe, run: Path, work: _Work) -> Path:
    """A run from its beginning, or from wherever its first stage is."""
    first = recipe.first_stage()
    if first:
        build(registry.methods, recipe.method)  # what it lacks is to be said now, not when the first stage is over
        work.processes.wait()  # until all have seen what is there
        if work.processes.is_first:
            _write(recipe, run)
        folder = run / FIRST
        saved = checkpoint.list_checkpoints(folder)
        state = checkpoint.load_state(saved[-1]) if saved else None
        if state is None or state["step"] < load(folder / RECIPE).train.steps:
            work.watch.say(f"first stage of two: {first.method['name']}")
            try:
                _fit(load(folder / RECIPE) if state else first, folder, state, work)
            except Interrupted:
                raise Interrupted(str(run)) from None
        work.watch.say(f"second stage of two: {recipe.method['name']}, from the generator in {folder / 'latest'}")
        recipe = recipe.model_copy(
            update={"train": recipe.train.model_copy(update={"start": str((folder / "latest").resolve())})}
        )
    return _fit(recipe, run, None, work)


def _fit(recipe: Recipe, run: Path, state: dict[str, Any] | None, work: _Work) -> Path:
    watch, stop, processes, chosen = work
    part = processes.part(recipe.train.batch_size)
    if chosen.type == "cpu":
        keep_freed_memory()
    with _seeded(recipe.train.seed, chosen):
        method = build(registry.methods, recipe.method)
        if recipe.train.start and state is None:
            _start_from(recipe.train.start, method)
        wanted = wanted_by(method)
        files = find_files(wanted, recipe, watch.say)
        samples, degradation = open_samples(wanted, recipe, files), open_degradation(method, recipe)
        augmentation = open_augmentation(method, recipe)
        check_sizes(method, samples, augmentation, degradation)
        recipe = _placed(_with_steps(recipe, samples))
        schedule, looks = build(registry.schedules, recipe.schedule), partial(held_out, method, samples, degradation)
        count = distinct(files) + len(samples) * isinstance(method, Generation)
        evaluation = open_evaluation(recipe.evaluate, method, looks, count, chosen, watch.say, processes)
        trainer = Trainer(
            method, recipe, schedule, looks(), run, chosen, augmentation, degradation, evaluation, processes
        )
        if processes.rank:
            torch.manual_seed(recipe.train.seed + processes.rank)
        if state:
            trainer.load_state(state)
        if processes.is_first:
            (run / "samples").mkdir(parents=True, exist_ok=True)
            _write(recipe, run)
        options, steps = recipe.train, f"steps {trainer.step} to {recipe.train.steps}"
        on = str(chosen) if processes.count == 1 else f"{processes.count} processes, this one on {chosen}"
        watch.say(f"{run}: {recipe.method['name']}, {len(samples)} images an epoch, {steps}, on {on}")
        if named := recipe.data.classes:
            watch.say("classes: " + ", ".join(f"{number} {name}" for number, name in enumerate(named)))
        stream = batches(
            samples,
            batch_size=options.batch_size,
            seed=options.seed,
            start_step=trainer.step,
            workers=options.workers,
            pin_memory=chosen.type == "cuda",
            part=part,
        )
        record = recorded(run, chosen, lambda: trainer.step) if processes.is_first else nullcontext()
        try:
            with record:
                trainer.fit(stream, watch, stop)
        except Interrupted:
            raise Interrupted(str(run / "latest")) from None
        except OSError as error:
            raise OSError(f"{run}: {error.strerror or error}; {_where_to_go_on(run)}") from error
        processes.wait()  # until all is saved
    return run


def _with_steps(recipe: Recipe, samples: Samples) -> Recipe:
    """Its epochs as steps, where it says no steps."""
    steps = recipe.train.steps or recipe.train.epochs * steps_per_epoch(samples, recipe.train.batch_size)
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"steps": steps})})


def _write(recipe: Recipe, run: Path) -> None:
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


def _placed(recipe: Recipe) -> Recipe:
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


def _data_name(recipe: Recipe) -> str:
    return "-".join(Path(source).resolve().name for source in recipe.data.source)
