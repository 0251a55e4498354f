"""Builds what a recipe names, puts it together around a trainer, and trains one stage of a run."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from i2i import registry
from i2i.checkpoints import run as checkpoint
from i2i.data.batch import LABELLED
from i2i.data.folders import PairedFiles
from i2i.data.labels.recipe import with_classes
from i2i.data.loader import batches, steps_per_epoch
from i2i.data.sizes import median_sizes
from i2i.data.sources import Files, SampleKind, Samples, distinct_held_out, find_files, has_label_sources, open_samples
from i2i.devices import preserve_random_state
from i2i.methods.base import Method
from i2i.methods.generation import Generation
from i2i.methods.translation import Translation
from i2i.recipe import Recipe, load_run
from i2i.recipe.components import build
from i2i.training.context import RunContext
from i2i.training.dry_run import check_contract, check_step
from i2i.training.evaluation import open_evaluation
from i2i.training.held_out import Degradation, first_batch, held_out, open_augmentation, open_degradation, sample_kind
from i2i.training.log import Log
from i2i.training.longer import check_unfinished, rate_change
from i2i.training.malloc import keep_freed_memory
from i2i.training.memory import check_memory
from i2i.training.reporter import NullReporter
from i2i.training.run_folder import SAMPLES, is_first_stage, lock_folder, write_recipe
from i2i.training.run_info import changes_since_last_start, fingerprint, record_run_info
from i2i.training.start_weights import check_frozen, load_products, load_start_weights
from i2i.training.train_state import TrainState
from i2i.training.trainer import Trainer
from i2i_runtime.files import shell_word

_FILES = ("weights", "segmenter_file")  # options of methods and of components that name files


def train_stage(recipe: Recipe, folder: Path, state: dict[str, Any] | None, context: RunContext) -> None:
    """Train a recipe to its last step in `folder`, from its beginning or from a saved state. Raises like `Trainer.fit`,
    and OSError where the disk is full.
    """
    world, device = context.world, context.device
    shard = world.shard(recipe.train.batch_size)
    _check_micro_batches(shard.stop - shard.start, recipe.train.accumulate)
    if device.type == "cpu":
        keep_freed_memory()
    with _seeded(recipe.train.seed, device), ExitStack() as held:
        recipe, samples, trainer, data = build_trainer(recipe, folder, state, context)
        if state:
            _check_resume(recipe, folder, trainer.state.step, data, context)
        if world.is_main:
            held.enter_context(lock_folder(folder))
            (folder / SAMPLES).mkdir(exist_ok=True)
            write_recipe(recipe, folder)
        _notify_start(recipe, folder, trainer.state.step, len(samples), context)
        stream = batches(
            samples,
            batch_size=recipe.train.batch_size,
            seed=recipe.train.seed,
            start_step=trainer.state.step,
            workers=recipe.train.workers,
            pin_memory=device.type == "cuda",
            shard=shard,
        )
        info = record_run_info(folder, device, data, lambda: trainer.state.step) if world.is_main else nullcontext()
        with _system_errors(folder, context), info, Log(folder if world.is_main else None, trainer.state.step) as log:
            trainer.fit(stream, log)
        world.barrier()  # until all is saved


def build_trainer(
    recipe: Recipe, folder: Path, state: dict[str, Any] | None, context: RunContext
) -> tuple[Recipe, Samples, Trainer, dict[str, Any]]:
    """The recipe with its number of steps, its training samples, a trainer that is where `state` was saved, and the
    fingerprint of the data.
    """
    notify = context.reporter.notify
    recipe, method, files, samples, degradation, preparations, _ = _open_stage(recipe, context)
    if state is None and recipe.train.start:
        # A first stage has no discriminator, which goes without saying.
        said = NullReporter().notify if is_first_stage(recipe.train.start) else notify
        load_start_weights(recipe.train.start, method, said)
    elif state is None:
        check_frozen(method)
    recipe = _with_steps(recipe, samples)
    schedule = build(registry.schedules, recipe.schedule)
    held_out_samples = partial(held_out, method, samples, degradation)
    count = distinct_held_out(files) + len(samples) * isinstance(method, Generation)
    evaluation = open_evaluation(
        recipe.evaluate, method, held_out_samples, count, context.device, notify, context.world
    )
    train_state = TrainState(method, recipe, schedule, context.device, context.world)
    trainer = Trainer(
        train_state,
        recipe,
        folder,
        held_out_samples(),
        context,
        preparations=preparations,
        evaluation=evaluation,
        product_facts=_product_facts(method, files, recipe),
    )
    if rank := context.world.rank:
        torch.manual_seed(recipe.train.seed + rank)
    if state:
        trainer.load_state_dict(state)
    return recipe, samples, trainer, fingerprint(_all_files(files))


def _product_facts(method: Method, files: Files, recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Facts of each product: the size of the images that it was trained on, for one that keeps their size."""
    if not isinstance(method, Translation):
        return {}
    sizes = median_sizes(files, method.batch, swap=recipe.data.direction == "b_to_a")
    sources = {name: direction.source for name, direction in method.directions().items()}
    return {name: {"trained_size": list(sizes[source])} for name, source in sources.items() if source in sizes}


def _all_files(files: Files) -> list[Any]:
    real = files.real if isinstance(files, PairedFiles) else ()
    return [files.train, files.test, real, *(files.labels.files.values() if files.labels else ())]


class _Stage(NamedTuple):
    """A method and its data, which fit one another, and the recipe with what is only known from the data."""

    recipe: Recipe
    method: Method
    files: Files
    samples: Samples
    degradation: Degradation | None
    preparations: list[Callable[[Any], Any]]  # of a batch on the device
    batch: Any  # of one sample


def _open_stage(recipe: Recipe, context: RunContext) -> _Stage:
    """Build a recipe's method and open its data. Raises ValueError where they do not fit one another, or the memory."""
    recipe, found = _with_label_classes(recipe, context.reporter.notify)
    check_memory(recipe.method, context.device)
    method = build(registry.methods, recipe.method)
    check_contract(method)
    kind = sample_kind(method)
    files = found or find_files(kind, recipe, context.reporter.notify)
    samples, degradation = open_samples(kind, recipe, files), open_degradation(method, recipe)
    preparations = [each for each in (open_augmentation(method, recipe), degradation) if each]
    return _Stage(recipe, method, files, samples, degradation, preparations, first_batch(method, samples, preparations))


def takes_label_maps(recipe: Recipe) -> bool:
    """True where the recipe's method trains on label maps, whose classes are counted when a run is built."""
    batch = getattr(registry.methods[recipe.method["name"]], "batch", None)
    return batch is not None and (batch in LABELLED or has_label_sources(batch, recipe))


def _with_label_classes(recipe: Recipe, notify: Callable[[str], None]) -> tuple[Recipe, Files | None]:
    """The recipe with the classes that the label maps show, on which the networks of a method depend, and the files."""
    if not takes_label_maps(recipe):
        return recipe, None
    method: Any = registry.methods[recipe.method["name"]]
    batch = method.batch
    files = find_files(SampleKind(batch, needs_labels=method.needs_labels), recipe, notify)
    return with_classes(recipe, files.labels, notify) if files.labels else recipe, files


def check_stages(first: Recipe, second: Recipe, context: RunContext) -> None:
    """Build both stages of a run and try a step of each on tensors without values. Raises ValueError: what is wrong
    with the second is said before the first one is trained.
    """
    methods = []
    with preserve_random_state(torch.device("cpu")):
        for recipe in (first, second):
            shard = context.world.shard(recipe.train.batch_size)
            _check_micro_batches(shard.stop - shard.start, recipe.train.accumulate)
            build(registry.schedules, recipe.schedule)
            stage = _open_stage(recipe, context)
            check_step(stage.method, stage.recipe.optimizer, stage.batch, shard.stop - shard.start)
            methods.append(stage.method)
    load_products(methods[1], methods[0].products(), "[first]: the first stage has another generator")


def _check_micro_batches(images: int, parts: int) -> None:
    """Raise ValueError where a rank's images of a step have no equal parts to accumulate gradients over."""
    if images % parts:
        allowed = ", ".join(str(number) for number in range(1, images + 1) if images % number == 0)
        raise ValueError(f"train.accumulate = {parts}: a process has {images} images a step; choose from: {allowed}")


def resolve_paths(recipe: Recipe) -> Recipe:
    """The recipe with absolute paths, so that its run can be resumed from another working directory."""
    paths = {key: [_absolute(each) for each in getattr(recipe.data, key)] for key in ("source", "labels")}
    data = recipe.data.model_copy(update=paths | {"class_map": _absolute(recipe.data.class_map)})
    train = recipe.train.model_copy(update={"start": _all_absolute(recipe.train.start)})
    method = _with_absolute_files({key: _with_absolute_files(value) for key, value in recipe.method.items()})
    weights, lpips = _absolute(recipe.evaluate.weights), _absolute(recipe.evaluate.lpips_weights)
    evaluate = recipe.evaluate.model_copy(update={"weights": weights, "lpips_weights": lpips})
    return recipe.model_copy(update={"method": method, "data": data, "train": train, "evaluate": evaluate})


def _with_absolute_files(table: Any) -> Any:
    """A method's or a component's table of options, whose files have absolute paths; any other value as it is."""
    if not isinstance(table, dict):
        return table
    return table | {key: _absolute(table[key]) for key in _FILES if isinstance(table.get(key), str)}


def _all_absolute(names: str | list[str]) -> str | list[str]:
    return _absolute(names) if isinstance(names, str) else [_absolute(name) for name in names]


def _absolute(name: str) -> str:
    """An existing path made absolute; any other name as it is."""
    path = Path(name).expanduser()
    return str(path.resolve()) if name and path.exists() else name


def _with_steps(recipe: Recipe, samples: Samples) -> Recipe:
    """The recipe with its epochs converted to steps, where it gives no steps."""
    steps = recipe.train.steps or recipe.train.epochs * steps_per_epoch(samples, recipe.train.batch_size)
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"steps": steps})})


def _check_resume(recipe: Recipe, folder: Path, step: int, data: dict[str, Any], context: RunContext) -> None:
    """Say what makes a resumed run differ from one without a break. Raises ValueError for a run that is finished."""
    notify = context.reporter.notify
    if changes := changes_since_last_start(folder, context.device, data):
        notify(f"not bit for bit what would have followed: {'; '.join(changes)}")
    check_unfinished(folder, step, recipe.train.steps)
    if change := rate_change(load_run(folder), recipe, step):
        notify(change)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's random generators for a run, and restore them after it."""
    with preserve_random_state(device):
        torch.manual_seed(seed)
        yield


def _notify_start(recipe: Recipe, folder: Path, step: int, images: int, context: RunContext) -> None:
    world, notify = context.world, context.reporter.notify
    ranks = f"{world.size} processes, this one on " if world.size > 1 else ""
    steps = f"steps {step} to {recipe.train.steps}"
    notify(f"{folder}: {recipe.method['name']}, {images} images an epoch, {steps}, on {ranks}{context.device}")
    notify(f"augmentation, in this order: {recipe.augment.order()}")
    if classes := recipe.data.classes:
        notify("classes: " + ", ".join(f"{number} {name}" for number, name in enumerate(classes)))


@contextmanager
def _system_errors(folder: Path, context: RunContext) -> Iterator[None]:
    """Raises OSError, with how to resume, for one of the system and for a killed process that loaded images."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{error.filename or folder}: {error.strerror or error}; {_next(folder, context)}") from error
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        cause = "a process that loads images was killed, perhaps for lack of memory (see train.workers)"
        said = str(error).splitlines()[0].rstrip(". ")
        raise OSError(f"{folder}: {cause}: {said}; {_next(folder, context)}") from error


def _next(folder: Path, context: RunContext) -> str:
    """The last saved step of a run that an error of the system has ended, and the command that resumes it."""
    saved = checkpoint.list_checkpoints(folder)
    is_saved = f"step {int(saved[-1].name)} is saved whole" if saved else "nothing had been saved yet"
    return f"{is_saved}; when that is mended, go on with: i2i train --resume {shell_word(context.run)}"
