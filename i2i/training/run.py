"""Trains a run from its recipe, or resumes one, in one stage or in two."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, overload

from i2i import registry
from i2i.checkpoints import run as checkpoint
from i2i.data import known
from i2i.data.folders import find_classes
from i2i.methods.generation import Generation
from i2i.methods.segmentation import SemanticSegmentation
from i2i.recipe import RECIPE, Recipe, choose, list_recipes, load_run
from i2i.recipe.overrides import Overrides
from i2i.registry import load_plugins
from i2i.training.build import check_stages, resolve_paths, train_stage
from i2i.training.context import RunContext
from i2i.training.distributed import World, init_world
from i2i.training.generator_file import with_generator_of_file
from i2i.training.longer import check_unfinished
from i2i.training.reporter import NullReporter, Reporter
from i2i.training.run_folder import FIRST, check_free, is_first_stage, lock_folder, write_recipe
from i2i_runtime.files import shell_word


def _never() -> bool:
    return False


@overload
def train(
    recipe: Recipe,
    folder: Path | None = None,
    /,
    *,
    run: Path | None = None,
    reporter: Reporter | None = None,
    device: str = "auto",
    stop: Callable[[], bool] = _never,
) -> Path: ...
@overload
def train(
    recipe: str,
    data: Sequence[str | Path] = (),
    overrides: Overrides = (),
    *,
    run: Path | None = None,
    plugins: Iterable[Path] = (),
    conditional: bool = False,
    reporter: Reporter | None = None,
    device: str = "auto",
    stop: Callable[[], bool] = _never,
) -> Path: ...
def train(
    recipe: Recipe | str,
    data: Sequence[str | Path] | Path | None = None,
    overrides: Overrides = (),
    *,
    run: Path | None = None,
    plugins: Iterable[Path] = (),
    conditional: bool = False,
    reporter: Reporter | None = None,
    device: str = "auto",
    stop: Callable[[], bool] = _never,
) -> Path:
    """Train from the beginning into the folder `run` (`runs/METHOD/DATA` by default), which is returned.

    Takes what `i2i train` takes, a method or a TOML file, its data, and overrides such as {"train.steps": 1000}; or a
    whole recipe and the folder of the run. A recipe with a first stage trains that before, in the folder `first` of the
    run. Under torchrun all ranks call this, and share every batch. Raises ValueError for what is wrong with the recipe
    and where the folder has checkpoints already, and what `Trainer.fit` raises.
    """
    if isinstance(recipe, Recipe):
        run = run or (Path(data) if isinstance(data, str | Path) else None)
    else:
        load_plugins(plugins)
        sources = [data] if isinstance(data, str | Path) else data or ()
        name, (recipe, _) = recipe, choose(recipe, list(map(str, sources)), overrides)
        recipe = with_classes(recipe) if conditional else recipe
        run = run or default_folder(recipe, name)
    run = run or default_folder(recipe)
    check_free(run)
    return _train_stages(recipe, run, None, reporter, device, stop)


def resume(
    path: Path,
    overrides: Overrides = (),
    *,
    reporter: Reporter | None = None,
    device: str = "auto",
    stop: Callable[[], bool] = _never,
) -> Path:
    """Resume a run from its latest checkpoint, or from the checkpoint that `path` names; returns the run's folder.

    What follows is bit for bit what would have followed without the interruption, on the same machine and without
    `overrides`. A run that is still at its first stage resumes that.
    """
    if (path / RECIPE).is_file() and not checkpoint.list_checkpoints(path):
        recipe = _start_from_first_stage(load_run(path, overrides), path)
        return _train_stages(recipe, path, None, reporter, device, stop)
    saved = checkpoint.find(path)
    run = saved.parents[1]
    recipe = load_run(run, overrides)
    state = checkpoint.load_state(saved)
    return _train_stages(recipe, run, state, reporter, device, stop)


def default_folder(recipe: Recipe, name: str = "") -> Path:
    """`runs/METHOD/DATA` of a recipe that was chosen by `name`, a method's or one of `list_recipes`. METHOD is the
    folder of packaged recipes, such as fastcut, where that is not called after their method.
    """
    folder = name.partition("/")[0]
    is_packaged = folder in {each.partition("/")[0] for each in list_recipes()}
    return Path("runs") / (folder if is_packaged else recipe.method["name"]) / _data_name(recipe)


def with_classes(recipe: Recipe) -> Recipe:
    """The recipe with the classes that its data have, one for each folder. Raises ValueError for a method without
    classes, and for data without.
    """
    method = registry.methods[recipe.method["name"]]
    if "classes" not in recipe.method or not (isinstance(method, type) and issubclass(method, Generation)):
        raise ValueError(f"--conditional: {recipe.method['name']} knows no classes; dcgan, for example, does")
    if len(recipe.data.source) != 1:
        raise ValueError("--conditional: name one folder, with one folder of images for each class in it")
    classes = find_classes(known.find(recipe.data.source[0]))
    data = recipe.data.model_copy(update={"classes": classes})
    return recipe.model_copy(update={"method": recipe.method | {"classes": len(classes)}, "data": data})


def next_command(run: Path) -> str:
    """The command that uses a trained run, in a sentence."""
    method = registry.methods[load_run(run).method["name"]]
    if isinstance(method, type) and issubclass(method, Generation):
        return f"sample images with: i2i sample {shell_word(run / 'latest')} OUT"
    if isinstance(method, type) and issubclass(method, SemanticSegmentation):
        return f"measure labels with: i2i evaluate folders IMAGES --labels MAPS --segmenter {shell_word(run / 'best')}"
    return f"translate a folder with: i2i translate {shell_word(run / 'latest')} IN OUT"


def _train_stages(
    recipe: Recipe,
    run: Path,
    state: dict[str, Any] | None,
    reporter: Reporter | None,
    device: str,
    stop: Callable[[], bool],
) -> Path:
    """Train the first stage, if there is one and it is not done, and the second; or resume the second from `state`."""
    with init_world(device) as (world, own_device), ExitStack() as held:
        if world.is_main and run.is_dir():  # else its first stage locks it, once nothing is wrong with the recipe
            held.enter_context(lock_folder(run))
        if reporter is None or not world.is_main:
            reporter = NullReporter()
        recipe = resolve_paths(with_generator_of_file(recipe, reporter.notify))
        context = RunContext(run, reporter, stop, world, own_device)
        if state is not None:
            _complete_last_save(run, state, recipe.train.keep, world)
            if recipe.train.steps:  # with epochs it is checked when the data are open
                check_unfinished(run, state["step"], recipe.train.steps)
        if state is None and (first := recipe.first_stage()):
            start = _train_first_stage(recipe, first, context)
            recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"start": start})})
        train_stage(recipe, run, state, context)
    return run


def _train_first_stage(recipe: Recipe, first: Recipe, context: RunContext) -> str:
    """Train or resume `first`, unless it is done already; returns the checkpoint that the second stage starts from."""
    folder = context.run / FIRST
    saved = checkpoint.list_checkpoints(folder)
    if not saved:
        check_stages(first, recipe, context)
    context.world.barrier()  # no rank writes before all have read what is there
    if context.world.is_main:
        write_recipe(recipe, context.run)
    state = checkpoint.load_state(saved[-1]) if saved else None
    if state is not None:
        _complete_last_save(folder, state, load_run(folder).train.keep, context.world)
    if state is None or state["step"] < load_run(folder).train.steps:
        context.reporter.notify(f"first stage of two: {first.method['name']}")
        train_stage(load_run(folder) if state else first, folder, state, context)
    start = checkpoint.find(folder)
    context.reporter.notify(f"second stage of two: {recipe.method['name']}, from the generator in {start}")
    return str(start)


def _complete_last_save(folder: Path, state: dict[str, Any], keep: int, world: World) -> None:
    """Do what is missing of the save of the newest checkpoint, which a kill may have cut short."""
    saved = folder / checkpoint.FOLDER / f"{state['step']:08d}"
    if world.is_main and saved == checkpoint.list_checkpoints(folder)[-1]:
        checkpoint.settle(saved, best=state.get("best_step"), keep=keep)


def _start_from_first_stage(recipe: Recipe, run: Path) -> Recipe:
    """The recipe of a second stage without a checkpoint, to start from the last weights of its first stage, wherever
    the run's folder lies now.
    """
    if not (is_first_stage(recipe.train.start) and checkpoint.list_checkpoints(run / FIRST)):
        return recipe
    start = str(checkpoint.find(run / FIRST))
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"start": start})})


def _data_name(recipe: Recipe) -> str:
    return "-".join(Path(source).resolve().name for source in recipe.data.source)
