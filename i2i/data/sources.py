"""From a recipe to its files, and from the files to samples of the kind that a method takes."""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from i2i.data import folders, known, layouts
from i2i.data.augment import Pipeline
from i2i.data.batch import LABELLED, PAIRED, Images, LabelledUnpaired, Pair, PairAndReal, Segmentation, Unpaired
from i2i.data.folders import PairedFiles, SingleFiles, UnpairedFiles
from i2i.data.labels.find import find_segmentation
from i2i.data.labels.maps import NO_LABELS
from i2i.data.labels.recipe import find_labels, source_labels
from i2i.data.reading import FieldFormat
from i2i.data.real_samples import PairedAndRealImages
from i2i.data.samples import HighResolutionImages, LabelledImages, PairedImages, Preprocessing, SegmentationImages
from i2i.data.unpaired_samples import LabelledUnpairedImages, UnpairedImages
from i2i.recipe import Recipe

Samples = Any  # of one of the classes in `i2i.data.samples`
Files = PairedFiles | UnpairedFiles | SingleFiles


# Known data sets of one name hold other images for other samples.
_KINDS = {
    Images: "",
    Segmentation: "",
    Pair: "paired",
    PairAndReal: "paired",
    Unpaired: "unpaired",
    LabelledUnpaired: "unpaired",
}


class SampleKind(NamedTuple):
    """The samples that a method or a generator takes."""

    batch: type  # one of those in `i2i.data.batch`
    channels: tuple[int, ...] = (3, 3)  # of each image of a sample
    value_range: tuple[float, float] = (-1.0, 1.0)  # of the networks
    scale: int = 1  # how many times as large as its source a target is
    size: int = 0  # of `Images`, in pixels
    classes: int = 0  # of `Images`; 0 for images without classes
    needs_labels: Collection[str] = ()  # fields of images that have to have label maps


def find_files(
    samples: SampleKind, recipe: Recipe, notify: Callable[[str], None], *, with_labels: bool = True
) -> Files:
    """The files of the recipe's data; `notify` gets sentences about where they come from.

    Label maps are found for samples that have these; without `with_labels` they are left out, where images alone are
    measured. Raises ValueError for data that are missing or not of this kind.
    """
    sources, third = recipe.data.source, samples.batch is PairAndReal
    if not 1 <= len(sources) <= 2 + third:
        also = ", and a third one of real images" if third else ""
        raise ValueError(f"data: {len(sources)} sources given; name a known data set, one folder, or two folders{also}")
    if samples.batch is Images and len(sources) != 1:
        raise ValueError(f"data: {len(sources)} sources given; a generator of images from noise has one")
    is_single = samples.batch is Images or is_degraded(recipe)
    _check_options(samples, recipe, is_single=is_single)
    kind = "high" if is_single and samples.batch is not Images else _KINDS[samples.batch]
    if len(recipe.data.suffixes) not in (0, 2):
        raise ValueError(f"data.suffixes = {recipe.data.suffixes}; allowed: two, the ends of the names of a and of b")
    if recipe.degradation and not is_degraded(recipe):
        notify("two folders: pairs of low and high resolution, to which the recipe's degradation is not applied")
    found = [_find(source, kind, notify) for source in sources]
    files = _layout(found, samples, recipe, notify, is_single=is_single)
    counted = ""
    if has_label_sources(samples.batch, recipe):
        has_instances = bool(recipe.method.get("instance_edges"))
        files = replace(files, labels=source_labels(files, recipe.data, instances=has_instances))
    if samples.batch in LABELLED and with_labels:
        labels, counted = find_labels(files, found, recipe.data, samples.needs_labels)
        files = replace(files, labels=labels)
    # Images without a partner, which a teacher has left out, were named by then.
    notify(_summary(files, [] if samples.batch is PairAndReal else found, counted))
    return files


def has_label_sources(batch: type, recipe: Recipe) -> bool:
    """True where the sources of pairs are label maps: where the method has a number of classes."""
    return batch is Pair and recipe.method.get("classes") is not None


def _check_options(samples: SampleKind, recipe: Recipe, *, is_single: bool) -> None:
    """Raise ValueError for options of the data that a method has no use for."""
    data, is_labelled = recipe.data, samples.batch in LABELLED
    if data.suffixes and (is_single or samples.batch not in PAIRED) and not is_labelled:
        raise ValueError("data.suffixes: the ends of names of pairs, but this method takes no pairs; leave it out")
    used = {"labels": is_labelled, "class_map": is_labelled or has_label_sources(samples.batch, recipe)}
    for option, is_used in used.items():
        if getattr(data, option) and not is_used:
            raise ValueError(f"data.{option}: this method takes no label maps; leave it out")


def _find(source: str, kind: str, notify: Callable[[str], None]) -> Path:
    """The folder of a source, or the list file of pairs that it names."""
    path = Path(source).expanduser()
    return path if kind == "paired" and path.is_file() else known.find(source, kind=kind, notify=notify)


def _layout(
    found: list[Path], samples: SampleKind, recipe: Recipe, notify: Callable[[str], None], *, is_single: bool
) -> Files:
    data = recipe.data
    if is_single:
        return folders.find_single(found[0], layout=data.layout)
    if samples.batch is Pair:
        return folders.find_pairs(*found, scale=samples.scale, layout=data.layout, suffixes=data.suffixes)
    if samples.batch is PairAndReal:
        real = folders.find_single(found[2], layout=data.layout) if len(found) > 2 else None
        options: Any = {"scale": samples.scale, "layout": data.layout, "suffixes": data.suffixes}
        pairs = folders.find_pairs(*found[:2], leave_out=notify, **options)
        return replace(pairs, real=(*real.train, *real.test) if real else ())
    if samples.batch is Segmentation:
        return find_segmentation(found[0], data.layout)[0]
    return folders.find_unpaired(*found, layout=data.layout, labelled=samples.batch in LABELLED)


def _summary(files: Files, found: list[Path], labels: str) -> str:
    """One line of what was found, for the user to check before training."""
    groups: Any = (files.train, files.test)
    if isinstance(files, UnpairedFiles):
        train, test = (f"{len(a):,} and {len(b):,}" for a, b in groups)
        noun, used = "images of a and b", [path for group in groups for domain in group for path in domain]
    elif isinstance(files, PairedFiles):
        noun = "pairs side by side" if files.side_by_side else "pairs"
        used = [path for group in groups for pair in group for path in pair] + list(files.real)
        labels = f"{len(files.real):,} real images" if files.real else labels
    else:
        noun, used = "images", [path for group in groups for path in group]
    if not isinstance(files, UnpairedFiles):
        train, test = (f"{len(group):,}" for group in groups)
    held_out = " (held out from training)" * files.held_out_from_train
    if files.labels:
        used += files.labels.files.values()
    counts = f"{train} {noun} for training, {test} for testing{held_out}" + f"; {labels}" * bool(labels)
    return layouts.summary(counts, used, [folder for folder in found if folder.is_dir()])


def is_degraded(recipe: Recipe) -> bool:
    """True where a degradation makes pairs of single images."""
    return bool(recipe.degradation) and len(recipe.data.source) == 1


def open_samples(samples: SampleKind, recipe: Recipe, files: Files) -> Samples:
    """The files as samples, preprocessed as in the recipe. Raises ValueError for classes or label maps that differ."""
    pipelines = Pipeline(recipe.augment.train), Pipeline(recipe.augment.test)
    preprocessing = Preprocessing(*pipelines, recipe.train.seed, samples.value_range)
    if samples.batch is Segmentation:
        assert isinstance(files, SingleFiles) and files.labels
        field = FieldFormat(samples.channels[0])
        return SegmentationImages(
            files, preprocessing, labels=files.labels, field=field, min_samples=recipe.train.batch_size
        )
    if isinstance(files, SingleFiles):
        # Photos fewer than a batch are repeated: their crops differ.
        options: Any = {"field": FieldFormat(samples.channels[-1]), "min_samples": recipe.train.batch_size}
        if samples.batch is Images:
            classes = _classes(samples, recipe)
            return LabelledImages(files, preprocessing, size=samples.size, classes=classes, **options)
        return HighResolutionImages(files, preprocessing, **options)
    options = {"channels": samples.channels, "label_maps": recipe.data.label_maps}
    if isinstance(files, PairedFiles):
        options |= {"direction": recipe.data.direction, "scale": samples.scale, "labels": files.labels}
        kind = PairedAndRealImages if samples.batch is PairAndReal else PairedImages
        return kind(files, preprocessing, **options)
    if samples.batch is LabelledUnpaired:
        return LabelledUnpairedImages(files, preprocessing, channels=samples.channels, labels=files.labels or NO_LABELS)
    return UnpairedImages(files, preprocessing, **options)


def _classes(samples: SampleKind, recipe: Recipe) -> list[str]:
    folder = known.find(recipe.data.source[0])
    classes = (recipe.data.classes or folders.find_classes(folder)) if samples.classes else []
    if len(classes) != samples.classes:
        raise ValueError(
            f"{folder}: {len(classes)} classes, but method.classes = {samples.classes}; set it to {len(classes)}"
        )
    return classes


def distinct_held_out(files: Files) -> int:
    """The number of held-out samples of which no two share an image."""
    return min(map(len, files.test)) if isinstance(files, UnpairedFiles) else len(files.test)
