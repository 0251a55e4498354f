"""Evaluation of a run: generates images from its held-out data, and measures them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from i2i import registry
from i2i.data.batch import Images, LabelledUnpaired, Unpaired
from i2i.data.sources import Files, SampleKind, find_files
from i2i.evaluate.folder_metrics import ImageFolders
from i2i.evaluate.folders import evaluate_folders
from i2i.evaluate.generate import ProgressOf, translate_folder, write_samples, write_training_images, write_translations
from i2i.evaluate.held_out import HeldOutData, find_direction, select_files, training_files
from i2i.evaluate.instruments import Instruments
from i2i.evaluate.loaded_model import LoadedModel, load_model
from i2i.evaluate.pairs import Progress
from i2i.evaluate.result import FILE, EvaluationResult, write_json
from i2i.latent.sampler import Sampler
from i2i.recipe import Recipe

_UNIT = (0.0, 1.0)
_GEOMETRIC = ("crop", "center_crop", "flip", "quarter_turns")  # augmentations that move pixels


class _Stopped(Exception):
    """Evaluation stopped by the user before all images were generated."""


class _Generated(NamedTuple):
    """Generated images in folders, a sentence for each that failed, and a description of the data."""

    folders: ImageFolders
    failed: list[str]
    description: str


def evaluate_run(
    model: Path,
    data: Sequence[str],
    names: Sequence[str] | None,
    instruments: Instruments,
    *,
    product: str | None = None,
    samples: int = 1000,
    keep: Path | None = None,
    device: str = "auto",
    notify: Callable[[str], None] = lambda sentence: None,
    stop: Callable[[], bool] = lambda: False,
) -> EvaluationResult | None:
    """Measure a model, as `load_model` finds it, on `data` or on what its run holds out; None if stopped.

    A generator of images from noise makes as many images as there are real ones. At most `samples` images of a kind
    are measured, evenly spaced. The folder `keep` keeps the images. The result is also written to the run. Raises
    ValueError like `evaluate_folders`, and for data that are missing or of another kind.
    """
    loaded = load_model(model, data, product=product, device=device, notify=notify)
    if instruments.labels and (names is None or "labels" in names):
        _check_labels_stay_aligned(loaded.recipe)
    with _image_folder(keep) as folder:
        try:
            progress = _stoppable(instruments.progress, stop)
            generated = _generate(loaded, data, names, samples, folder, instruments.seed, progress, notify)
        except _Stopped:
            return None
        notify(f"{model}: {loaded.product} of {loaded.checkpoint}, {generated.description}")
        result = evaluate_folders(generated.folders, names, instruments)
    result.add_failed(generated.failed)
    result.facts = _facts(model, loaded, data) | {"measured": generated.description}
    if loaded.run is not None:
        try:
            write_json(result, loaded.run / FILE)
        except OSError as error:  # a run that belongs to someone else
            notify(f"{loaded.run / FILE}: cannot be written ({error.strerror}), so i2i report will not show this")
    return result


def _facts(model: Path, loaded: LoadedModel, data: Sequence[str]) -> dict[str, str | int]:
    return {
        "run": str(loaded.run or model),
        "checkpoint": loaded.checkpoint,
        "step": loaded.step,
        "product": loaded.product,
        "data": ", ".join(data or (loaded.recipe.data.source if loaded.recipe else ())),
    }


def _generate(
    loaded: LoadedModel,
    data: Sequence[str],
    names: Sequence[str] | None,
    most: int,
    folder: Path,
    seed: int,
    progress: ProgressOf,
    notify: Callable[[str], None],
) -> _Generated:
    """Generate images into folders below `folder`. Raises ValueError where no data are known, or none can be used."""
    model = loaded.model
    if loaded.recipe is None:
        if isinstance(model, Sampler) or not 1 <= len(data) <= 2:
            raise ValueError(
                f"{loaded.checkpoint}: came without a recipe, so its data are not known; "
                "name the folder of its sources, and that of real images: i2i evaluate MODEL SOURCES REAL"
            )
        folders, failed = translate_folder(model, Path(data[0]), folder, most=most, progress=progress)
        return _Generated(replace(folders, real=Path(data[1]) if data[1:] else None), failed, "images as they are")
    found = _find_data(loaded, loaded.recipe, data, notify)
    files, description = select_files(
        found.files, is_other_data=bool(data), is_generation=isinstance(model, Sampler), most=most
    )
    chosen = replace(found, files=files)
    folders, failed = (
        write_samples(model, chosen, folder, seed=seed, progress=progress)
        if isinstance(model, Sampler)
        else write_translations(model, chosen, folder, progress=progress)
    )
    if not folders.fake.is_dir():
        raise ValueError(f"none of {description} can be used{'; ' * bool(failed)}{failed[0] if failed else ''}")
    if "novelty" in (names or ()) and not data and not isinstance(model, Sampler):
        training = replace(found, files=training_files(found.files, most))
        folders = replace(folders, training=write_training_images(training, folder, progress=progress))
    return _Generated(folders, failed, description)


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
        # Images are measured without their label maps, which other data may not have.
        batch = Unpaired if method.batch is LabelledUnpaired else method.batch
        kind = SampleKind(batch, channels, _UNIT, scale=card.scale)
    try:
        files: Files = find_files(kind, recipe, notify)
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
