"""A run measured: what it makes of held-out images lies in folders for a while, and these are compared."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from i2i import registry
from i2i.data.sources import Files, SampleKind, find_files
from i2i.evaluate.files import find_direction, select, trained_on
from i2i.evaluate.folders import evaluate_folders
from i2i.evaluate.generate import Stopped, make_samples, make_translations, sample_kind, translate_files, write_training
from i2i.evaluate.instruments import Tools
from i2i.evaluate.loaded_model import Subject, open_subject
from i2i.evaluate.measures import Folders
from i2i.evaluate.result import FILE, Result, write_json
from i2i.latent.sampler import Sampler
from i2i.recipe import Recipe

_MOVING = ("crop", "center_crop", "flip", "quarter_turns")  # steps after which a label map is at another place


def evaluate_run(
    model: Path,
    data: Sequence[str],
    names: Sequence[str] | None,
    tools: Tools,
    *,
    product: str | None = None,
    samples: int = 1000,
    keep: Path | None = None,
    device: str = "auto",
    tell: Callable[[str], None] = lambda sentence: None,
    stop: Callable[[], bool] = lambda: False,
) -> Result | None:
    """Measure a generator, as `open_subject` finds it, on `data` or on what its run holds out; None if stopped.

    Of noise as many images are made as there are real ones. `samples` is the most that are measured of either, spread
    evenly over what there is. The images stay in the folder `keep`, if given. The result is written to the run too.
    Raises ValueError like `evaluate_folders`, and for data that are missing or no sets of images of that kind.
    """
    subject = open_subject(model, data, product=product, device=device, tell=tell)
    if tools.labels and (names is None or "labels" in names):
        _check_still(subject)
    with _folder(keep) as folder:
        try:
            folders, failed, what = _made(subject, data, names, samples, folder, tools, tell, stop)
        except Stopped:
            return None
        tell(f"{model}: {subject.product} of {subject.checkpoint}, {what}")
        result = evaluate_folders(folders, names, tools)
    result.add_failed(failed)
    result.facts = _facts(model, subject, data) | {"measured": what}
    if subject.run is not None:
        try:
            write_json(result, subject.run / FILE)
        except OSError as error:  # another's run: what was measured is not lost for that
            tell(f"{subject.run / FILE}: cannot be written ({error.strerror}), so i2i report will not show this")
    return result


def _facts(model: Path, subject: Subject, data: Sequence[str]) -> dict[str, str | int]:
    return {
        "run": str(subject.run or model),
        "checkpoint": subject.checkpoint,
        "step": subject.step,
        "product": subject.product,
        "data": ", ".join(data or (subject.recipe.data.source if subject.recipe else ())),
    }


def _made(
    subject: Subject,
    data: Sequence[str],
    names: Sequence[str] | None,
    most: int,
    folder: Path,
    tools: Tools,
    tell: Callable[[str], None],
    stop: Callable[[], bool],
) -> tuple[Folders, list[str], str]:
    """Folders of images, sentences about those that can't be used, and in words what the others are."""
    make, recipe = subject.make, subject.recipe
    count = tools.progress("images made")
    if recipe is None:
        if isinstance(make, Sampler) or not 1 <= len(data) <= 2:
            raise ValueError(
                f"{subject.checkpoint}: came without a recipe, so its data are not known; "
                "name the folder of its sources, and that of real images: i2i evaluate MODEL SOURCES REAL"
            )
        return *translate_files(make, data, folder, most=most, progress=count, stop=stop), "images as they are"
    direction = (0, 0) if isinstance(make, Sampler) else find_direction(recipe, subject.product)
    wanted, found = _found(subject, recipe, data, direction, tell)
    files, what = select(found, given=bool(data), whole=isinstance(make, Sampler), most=most)
    write = (
        partial(make_samples, make, seed=tools.seed)
        if isinstance(make, Sampler)
        else partial(make_translations, make, direction=direction)
    )
    folders, failed = write(wanted, recipe, files, folder, progress=count, stop=stop)
    if not folders.fake.is_dir():
        raise ValueError(f"none of {what} can be used{'; ' * bool(failed)}{failed[0] if failed else ''}")
    if "novelty" in (names or ()) and not data and not isinstance(make, Sampler):
        training = write_training(wanted, recipe, trained_on(found, most), folder, real=direction[1], stop=stop)
        folders = replace(folders, training=training)
    return folders, failed, what


def _found(
    subject: Subject, recipe: Recipe, data: Sequence[str], direction: tuple[int, int], tell: Callable[[str], None]
) -> tuple[SampleKind, Files]:
    """The kind of samples, and the files of the data."""
    method: Any = registry.methods[recipe.method["name"]]
    wanted = sample_kind(subject.make, method.batch, direction)
    try:
        return wanted, find_files(wanted, recipe, tell)
    except ValueError as error:
        raise ValueError(f"{error}" if data else f"{error}; or name other data: i2i evaluate RUN DATA") from None


def _check_still(subject: Subject) -> None:
    """Raises ValueError where images are no longer where their label maps are."""
    steps = subject.recipe.augment.test if subject.recipe else {}
    for name in _MOVING:
        if steps.get(name):
            raise ValueError(
                f"labels: the run's augment.test.{name} moves images away from their label maps; "
                "translate the folder, and measure that: i2i evaluate folders"
            )


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
            raise ValueError(f"--keep {keep}: is there already; name a new folder")
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
    else:
        with TemporaryDirectory(prefix="i2i-") as temporary:
            yield Path(temporary)
