"""A run from its recipe, or from where it stopped, in one stage or in two."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from i2i import registry
from i2i.checkpoints import run as checkpoint
from i2i.data import known
from i2i.data.folders import find_classes
from i2i.methods.generation import Generation
from i2i.recipe import RECIPE, Recipe, load_run
from i2i.recipe.components import build
from i2i.training.build import Work, fit, placed, write
from i2i.training.distributed import joined
from i2i.training.reporter import Quiet, Watch
from i2i.training.trainer import Interrupted

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
        return _fit_stages(placed(recipe), run, work)


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
    method = registry.methods[load_run(run).method["name"]]
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
            return _fit_stages(load_run(path, overrides), path, work)
    saved = checkpoint.find(path)
    run = saved.parents[1]
    recipe = load_run(run, overrides)
    state = checkpoint.load_state(saved)
    if state["step"] >= recipe.train.steps:
        raise ValueError(
            f"{run}: finished at step {state['step']}; to train longer add --set train.steps={state['step'] * 2}"
        )
    with _at_work(watch, device, stop) as work:
        return fit(recipe, run, state, work)


@contextmanager
def _at_work(watch: Watch | None, device: str, stop: Callable[[], bool]) -> Iterator[Work]:
    with joined(device) as (processes, chosen):
        yield Work(watch if watch and processes.is_first else Quiet(), stop, processes, chosen)


def _fit_stages(recipe: Recipe, run: Path, work: Work) -> Path:
    """A run from its beginning, or from wherever its first stage is."""
    first = recipe.first_stage()
    if first:
        build(registry.methods, recipe.method)  # what it lacks is to be said now, not when the first stage is over
        work.processes.wait()  # until all have seen what is there
        if work.processes.is_first:
            write(recipe, run)
        folder = run / FIRST
        saved = checkpoint.list_checkpoints(folder)
        state = checkpoint.load_state(saved[-1]) if saved else None
        if state is None or state["step"] < load_run(folder).train.steps:
            work.watch.say(f"first stage of two: {first.method['name']}")
            try:
                fit(load_run(folder) if state else first, folder, state, work)
            except Interrupted:
                raise Interrupted(str(run)) from None
        work.watch.say(f"second stage of two: {recipe.method['name']}, from the generator in {folder / 'latest'}")
        recipe = recipe.model_copy(
            update={"train": recipe.train.model_copy(update={"start": str((folder / "latest").resolve())})}
        )
    return fit(recipe, run, None, work)


def _data_name(recipe: Recipe) -> str:
    return "-".join(Path(source).resolve().name for source in recipe.data.source)
