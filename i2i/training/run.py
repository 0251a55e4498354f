"""A run from its recipe, or from where it stopped: everything is built here and handed to the trainer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from i2i import registry
from i2i.data import known
from i2i.data.augment import Pipeline
from i2i.data.batch import Pair, Unpaired
from i2i.data.folders import find_pairs, find_unpaired
from i2i.data.loader import batches, steps_per_epoch
from i2i.data.samples import PairedImages, UnpairedImages
from i2i.devices import choose_device
from i2i.methods.base import Method
from i2i.recipe import Recipe, build, load
from i2i.training import checkpoint
from i2i.training.memory import keep_freed_memory
from i2i.training.trainer import Interrupted, Trainer
from i2i.training.watch import Quiet, Watch

RECIPE = "recipe.toml"
Samples = Any  # PairedImages or UnpairedImages


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

    Raises ValueError where that folder holds a run with checkpoints already, and what `Trainer.fit` raises.
    """
    run = run or Path("runs") / recipe.method["name"] / _data_name(recipe)
    if checkpoint.list_checkpoints(run):
        raise ValueError(
            f"{run}: holds a run already; go on with `i2i train --resume {run}`, or choose another folder with --out"
        )
    return _fit(recipe, run, None, watch or Quiet(), device, stop)


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
    `overrides`.
    """
    saved = checkpoint.find(path)
    run = saved.parents[1]
    recipe = load(run / RECIPE, overrides=overrides)
    state = checkpoint.load_state(saved)
    if state["step"] >= recipe.train.steps:
        raise ValueError(
            f"{run}: finished at step {state['step']}; to train longer add --set train.steps={state['step'] * 2}"
        )
    return _fit(recipe, run, state, watch or Quiet(), device, stop)


def _fit(
    recipe: Recipe, run: Path, state: dict[str, Any] | None, watch: Watch, device: str, stop: Callable[[], bool]
) -> Path:
    chosen = choose_device(device)
    if chosen.type == "cpu":
        keep_freed_memory()
    with _seeded(recipe.train.seed, chosen):
        method = build(registry.methods, recipe.method)
        samples = open_samples(method, recipe, watch.say)
        method.check_size(*(image.shape[-2:] for image in samples[0, 0]))
        steps = recipe.train.steps or recipe.train.epochs * steps_per_epoch(samples, recipe.train.batch_size)
        recipe = recipe.model_copy(
            update={
                "train": recipe.train.model_copy(update={"steps": steps}),
                "data": recipe.data.model_copy(update={"source": _from_anywhere(recipe.data.source)}),
            }
        )
        trainer = Trainer(
            method, recipe, build(registry.schedules, recipe.schedule), _held_out(method, samples), run, chosen
        )
        if state:
            trainer.load_state(state)
        (run / "samples").mkdir(parents=True, exist_ok=True)
        (run / RECIPE).write_text(recipe.toml(), encoding="utf-8")
        name = recipe.method["name"]
        watch.say(f"{run}: {name}, {len(samples)} images an epoch, steps {trainer.step} to {steps}, on {chosen}")
        options = recipe.train
        stream = batches(
            samples,
            batch_size=options.batch_size,
            seed=options.seed,
            start_step=trainer.step,
            workers=options.workers,
            pin_memory=chosen.type == "cuda",
        )
        try:
            trainer.fit(stream, watch, stop)
        except Interrupted:
            raise Interrupted(str(run / "latest")) from None
        except OSError as error:
            raise OSError(f"{run}: {error.strerror or error}; {_where_to_go_on(run)}") from error
    return run


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """The run has torch's random numbers for itself, and leaves them as it found them."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def open_samples(method: Method, recipe: Recipe, tell: Callable[[str], None]) -> Samples:
    """The recipe's data as the method wants them. Raises ValueError for data that are missing or not of its kind."""
    data = recipe.data
    if not 1 <= len(data.source) <= 2:
        raise ValueError(f"data: {len(data.source)} sources given; name a known data set, one folder, or two folders")
    kind = {Pair: "paired", Unpaired: "unpaired"}[method.batch]
    folders = [known.find(source, kind=kind, tell=tell) for source in data.source]
    options: dict[str, Any] = {
        "train": Pipeline(recipe.augment.train),
        "test": Pipeline(recipe.augment.test),
        "seed": recipe.train.seed,
        "channels": method.channels,
        "label_maps": data.label_maps,
        "value_range": method.value_range,
    }
    if method.batch is Pair:
        return PairedImages(find_pairs(*folders), direction=data.direction, **options)
    return UnpairedImages(find_unpaired(*folders), **options)


def _from_anywhere(source: Sequence[str]) -> list[str]:
    """Folders by their whole path, so that a run can go on from another folder than it began in."""
    return [str(Path(name).expanduser().resolve()) if Path(name).expanduser().is_dir() else name for name in source]


def _where_to_go_on(run: Path) -> str:
    saved = checkpoint.list_checkpoints(run)
    if not saved:
        return "nothing had been saved yet"
    return f"step {int(saved[-1].name)} is saved whole; make room and go on with: i2i train --resume {run}"


def _held_out(method: Method, samples: Samples) -> list[Any]:
    """A few samples for sheets and scores, as batches of one, cut to sizes that the networks can take."""
    count = samples.held_out_count
    chosen = [samples.held_out(index) for index in range(min(count, 8))] or [
        samples[0, index] for index in range(min(len(samples), 4))
    ]
    multiple = max(product.multiple_of for product in method.products().values())
    return [type(sample)(*(_cut(image, multiple)[None] for image in sample)) for sample in chosen]


def _cut(image: torch.Tensor, multiple: int) -> torch.Tensor:
    height, width = image.shape[-2:]
    return image[..., : height - height % multiple, : width - width % multiple]


def _data_name(recipe: Recipe) -> str:
    return "-".join(Path(source).resolve().name for source in recipe.data.source)
