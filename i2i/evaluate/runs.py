"""Evaluation of a run: generates images from its held-out data, and measures them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from i2i import registry
from i2i.data.batch import Images
from i2i.data.sources import Files, SampleKind, find_files
from i2i.evaluate.folder_metrics import ImageFolders
from i2i.evaluate.folders import evaluate_folders
from i2i.evaluate.generate import ProgressOf, translate_folder, write_samples, write_training_images, write_translations
from i2i.evaluate.generator_metrics import GENERATOR_METRICS, measure_generator
from i2i.evaluate.held_out import HeldOutData, find_direction, select_files, training_files
from i2i.evaluate.instruments import Instruments
from i2i.evaluate.loaded_model import LoadedModel, load_model
from i2i.evaluate.merge import Facts, check_mergeable, listing_of, listing_of_folders, write_merged
from i2i.evaluate.pairs import Progress
from i2i.evaluate.result import FILE, EvaluationResult
from i2i.latent.sampler import Sampler
from i2i.metrics.value import MetricValue
from i2i.recipe import Recipe

_UNIT = (0.0, 1.0)
_GEOMETRIC = ("crop", "center_crop", "flip", "quarter_turns")  # augmentations that move pixels


class _Stopped(Exception):
    """Evaluation stopped by the user before all images were generated."""


class _Chosen(NamedTuple):
    """Data to measure on: files of the recipe's data, all of them and those chosen; None: folders as they are."""

    every: HeldOutData | None
    chosen: HeldOutData | None
    description: str
    listing: str


class _Generated(NamedTuple):
    """Generated images in folders, and a sentence for each that failed."""

    folders: ImageFolders
    failed: list[str]


def evaluate_run(
    model: Path,
    data: Sequence[str],
    names: Sequence[str] | None,
    instruments: Instruments,
    *,
    product: str | None = None,
    samples: int = 1000,
    keep: Path | None = None,
    json: Path | None = None,
    overwrite: bool = False,
    device: str = "auto",
    notify: Callable[[str], None] = lambda sentence: None,
    stop: Callable[[], bool] = lambda: False,
) -> EvaluationResult | None:
    """Measure a model, as `load_model` finds it, on `data` or on what its run holds out; None if stopped.

    A generator of images from noise makes as many images as there are real ones. At most `samples` images of a kind
    are measured, evenly spaced. The folder `keep` keeps the images. The result is written to the run, and to the file
    `json`, beside other metrics of the same data and settings. Raises ValueError like `evaluate_folders` and
    `check_mergeable`, and for data that are missing or of another kind.
    """
    loaded = load_model(model, data, product=product, device=device, notify=notify)
    if instruments.labels and (names is None or "labels" in names):
        _check_labels_stay_aligned(loaded.recipe)
    of_generator = [name for name in names or () if name in GENERATOR_METRICS]
    of_images = None if names is None else [name for name in names if name not in of_generator]
    needs_images = of_images is None or bool(of_images)
    chosen = _choose(loaded, data, samples, notify) if needs_images else _Chosen(None, None, "the generator itself", "")
    facts = _facts(model, loaded, data, chosen) | {"samples": samples, "seed": instruments.seed}
    outputs = _check_outputs(loaded.run, json, facts, overwrite, notify)
    notify(f"{model}: {loaded.product} of {loaded.checkpoint}, {chosen.description}")
    progress = _stoppable(instruments.progress, stop)
    try:
        values = _measure_generator(of_generator, loaded, samples, instruments, progress)
        result = EvaluationResult()
        if needs_images:
            result = _measure_images(of_images, loaded, chosen, data, instruments, samples, keep, progress)
    except _Stopped:
        return None
    result.metrics |= values
    result.facts = facts
    for file in outputs:
        _write(result, file, is_named=file == json, overwrite=overwrite, notify=notify)
    return result


def _write(
    result: EvaluationResult, file: Path, *, is_named: bool, overwrite: bool, notify: Callable[[str], None]
) -> None:
    """Write a result beside what the file holds. Raises OSError for a file that the user named."""
    try:
        notify(write_merged(result, file, overwrite=overwrite))
    except OSError as error:  # a run that belongs to someone else
        if is_named:
            raise
        notify(f"{file}: cannot be written ({error.strerror}), so i2i report will not show this")


def _measure_generator(
    names: Sequence[str], loaded: LoadedModel, samples: int, instruments: Instruments, progress: ProgressOf
) -> dict[str, MetricValue]:
    if not names:
        return {}
    if not isinstance(loaded.model, Sampler):
        raise ValueError(f"{', '.join(names)}: {loaded.checkpoint} makes no images from noise")
    return measure_generator(
        names, loaded.model, samples=samples, seed=instruments.seed, progress=progress, lpips=instruments.lpips
    )


def _measure_images(
    names: Sequence[str] | None,
    loaded: LoadedModel,
    chosen: _Chosen,
    data: Sequence[str],
    instruments: Instruments,
    samples: int,
    keep: Path | None,
    progress: ProgressOf,
) -> EvaluationResult:
    """Generate images, in the folder `keep` or a temporary one, and measure them."""
    with _image_folder(keep) as folder:
        with_novelty = "novelty" in (names or ()) and not data
        generated = _generate(loaded, chosen, data, samples, folder, instruments.seed, progress, with_novelty)
        result = evaluate_folders(generated.folders, names, instruments)
    result.add_failed(generated.failed)
    return result


def _check_outputs(
    run: Path | None, json: Path | None, facts: Facts, overwrite: bool, notify: Callable[[str], None]
) -> list[Path]:
    """The files for a result. A run's own, where it holds other results, is left out if there is another file.

    Raises ValueError like `check_mergeable`.
    """
    outputs = [] if json is None else [json]
    for file in outputs:
        check_mergeable(file, facts, overwrite=overwrite)
    if run is not None:
        try:
            check_mergeable(run / FILE, facts, overwrite=overwrite)
        except ValueError as error:
            if json is None:
                raise
            notify(f"{error} (left as it is)")
        else:
            outputs.append(run / FILE)
    return outputs


def _facts(model: Path, loaded: LoadedModel, data: Sequence[str], chosen: _Chosen) -> dict[str, str | int]:
    facts: dict[str, str | int] = {
        "run": str(loaded.run or model),
        "checkpoint": loaded.checkpoint,
        "step": loaded.step,
        "product": loaded.product,
        "weights": loaded.weights,
        "measured": chosen.description,
    }
    if not chosen.listing:  # of no data
        return facts
    sources = data or (loaded.recipe.data.source if loaded.recipe else ())
    return {**facts, "data": ", ".join(sources), "listing": chosen.listing}


def _choose(loaded: LoadedModel, data: Sequence[str], most: int, notify: Callable[[str], None]) -> _Chosen:
    """Choose what to measure on. Raises ValueError where no data are known, or they are of another kind."""
    is_generation = isinstance(loaded.model, Sampler)
    if loaded.recipe is None:
        if is_generation or not 1 <= len(data) <= 2:
            raise ValueError(
                f"{loaded.checkpoint}: came without a recipe, so its data are not known; "
                "name the folder of its sources, and that of real images: i2i evaluate MODEL SOURCES REAL"
            )
        return _Chosen(None, None, "images as they are", listing_of_folders(list(map(Path, data))))
    every = _find_data(loaded, loaded.recipe, data, notify)
    files, description = select_files(every.files, is_other_data=bool(data), is_generation=is_generation, most=most)
    return _Chosen(every, replace(every, files=files), description, listing_of(files.test))


def _generate(
    loaded: LoadedModel,
    chosen: _Chosen,
    data: Sequence[str],
    most: int,
    folder: Path,
    seed: int,
    progress: ProgressOf,
    with_novelty: bool,
) -> _Generated:
    """Generate images into folders below `folder`. Raises ValueError where none can be used."""
    model = loaded.model
    if chosen.chosen is None or chosen.every is None:
        assert not isinstance(model, Sampler)
        folders, failed = translate_folder(model, Path(data[0]), folder, most=most, progress=progress)
        return _Generated(replace(folders, real=Path(data[1]) if data[1:] else None), failed)
    folders, failed = (
        write_samples(model, chosen.chosen, folder, seed=seed, progress=progress)
        if isinstance(model, Sampler)
        else write_translations(model, chosen.chosen, folder, progress=progress)
    )
    if not folders.fake.is_dir():
        raise ValueError(f"none of {chosen.description} can be used{'; ' * bool(failed)}{failed[0] if failed else ''}")
    if with_novelty and not isinstance(model, Sampler):
        training = replace(chosen.every, files=training_files(chosen.every.files, most))
        folders = replace(folders, training=write_training_images(training, folder, progress=progress))
    return _Generated(folders, failed)


def _find_data(loaded: LoadedModel, recipe: Recipe, data: Sequence[str], notify: Callable[[str], None]) -> HeldOutData:
    """All files of the data, as the samples that the model takes."""
    method: Any = registry.methods[recipe.method["name"]]
    if isinstance(loaded.model, Sampler):
        noise = loaded.model.generator
        source = target = 0
        kind = SampleKind(Images, (noise.out_channels,), _UNIT, size=noise.size, classes=noise.classes)
    else:
        card = loaded.model.card
        source, target = find_direction(recipe, loaded.product)
        channels = (card.in_channels, card.out_channels) if source < target else (card.out_channels, card.in_channels)
        kind = SampleKind(method.batch, channels, _UNIT, scale=card.scale)
    try:
        # Images are measured without their label maps, which other data may not have.
        files: Files = find_files(kind, recipe, notify, with_labels=False)
    except ValueError as error:
        raise ValueError(f"{error}" if data else f"{error}; or name other data: i2i evaluate RUN DATA") from None
    return HeldOutData(kind, recipe, files, source, target)


def _check_labels_stay_aligned(recipe: Recipe | None) -> None:
    """Raise ValueError where the test pipeline moves pixels, so that label maps do not fit."""
    steps = recipe.augment.test if recipe else {}
    for name in _GEOMETRIC:
        if steps.get(name):
            raise ValueError(
                f"labels: the run's augment.test.{name} moves images away from their label maps; "
                "translate the folder, and measure that: i2i evaluate folders"
            )


def _stoppable(progress: ProgressOf, stop: Callable[[], bool]) -> ProgressOf:
    """Progress that raises _Stopped once `stop()` is true."""

    def progress_of(noun: str) -> Progress:
        count = progress(noun)

        def count_or_stop(done: int, total: int) -> None:
            count(done, total)
            if stop():
                raise _Stopped

        return count_or_stop

    return progress_of


@contextmanager
def _image_folder(keep: Path | None) -> Iterator[Path]:
    """New folder `keep`, or a temporary one."""
    if keep is not None:
        if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
            raise ValueError(f"--keep {keep}: is there already; name a new folder")
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
    else:
        with TemporaryDirectory(prefix="i2i-") as temporary:
            yield Path(temporary)
