"""The label maps of a recipe's data: found, named, and counted when a run is built."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from i2i.data.folders import SingleFiles
from i2i.data.labels.class_map import read_class_map
from i2i.data.labels.classes import count_classes, count_pixels, find_class_names
from i2i.data.labels.find import FoundLabels, Splits, find_label_maps, find_segmentation
from i2i.data.labels.maps import LabelMaps
from i2i.data.layouts import find_labelled_domains
from i2i.label_maps import IGNORE
from i2i.recipe import Recipe
from i2i.recipe.sections import Data
from i2i_runtime.files import printable

Notify = Callable[[str], None]

_NUMBERS = tuple(map(str, range(IGNORE)))  # names of classes that have none


def find_labels(files: Any, folders: Sequence[Path], data: Data, needed: Collection[str]) -> tuple[LabelMaps, str]:
    """Label maps of images of two domains, or of one, in these folders; and a phrase that counts them.

    Of one domain, the second folder is that of its label maps. Raises ValueError where label maps of a sample's field
    are `needed` and there are none, and as `find_label_maps`.
    """
    domains, named = _domains(files, folders, data), list(data.labels)
    if isinstance(files, SingleFiles) and len(folders) == 2:
        if named:
            raise ValueError("data.labels: the second folder is that of the label maps; give one of the two")
        named = [str(folders[1])]
    if len(named) > len(domains):
        raise ValueError(f"data.labels = {named}; allowed: folders of label maps, {len(domains)} at most")
    places = [*named, *[""] * (len(domains) - len(named))] if named else [None] * len(domains)
    found = {
        field: find_label_maps(splits, images, place, data.suffixes)
        for (field, (splits, images)), place in zip(domains.items(), places, strict=True)
    }
    for field in needed:
        _require(field, found[field])
    files = {image: path for each in found.values() for image, path in each.files.items()}
    counted = " and ".join(
        f"{len(each.files):,} label maps" + f" of {field}" * (len(found) > 1)
        for field, each in found.items()
        if each.files
    )
    folders = [folder for each in found.values() for folder in each.folders]
    return _opened(files, data, folders), counted or "no label maps"


def source_labels(files: Any, data: Data, *, instances: bool = False) -> LabelMaps:
    """The sources of pairs as label maps, or as instance maps. Raises ValueError for pairs side by side in one file,
    whose colours are not exact, for a class map of colours of `instances`, and as `find_class_names`.
    """
    if files.side_by_side:
        raise ValueError(
            "method.classes: label maps side by side with photos in one file hold no class indices; give two folders, "
            "or leave method.classes out, which takes them as pictures"
        )
    sources = [pair[data.direction == "b_to_a"] for pair in (*files.train, *files.test)]
    labels = _opened({source: source for source in sources}, data, sorted({source.parent for source in sources}))
    if instances and labels.class_map and labels.class_map.in_colour:
        raise ValueError(f"{labels.class_map.name}: classes of colours, but instance maps hold numbers")
    return replace(labels, instances=instances)


def _opened(files: dict[Path, Path], data: Data, folders: Sequence[Path]) -> LabelMaps:
    class_map = Path(data.class_map).expanduser() if data.class_map else None
    names = find_class_names(data.classes, class_map, folders)
    return LabelMaps(files, read_class_map(class_map, names or _NUMBERS) if class_map else None, names)


def _domains(files: Any, folders: Sequence[Path], data: Data) -> dict[str, tuple[Splits, list[Path]]]:
    """The folders of each domain by split, and its images, by the name of the field of a sample."""
    if isinstance(files, SingleFiles):
        return {"image": (find_segmentation(folders[0], data.layout)[1], [*files.train, *files.test])}
    by_split = find_labelled_domains(folders, data.layout)
    splits = [{split: each for split, both in by_split.items() if (each := both[side])} for side in range(2)]
    return {field: (splits[side], [*files.train[side], *files.test[side]]) for side, field in enumerate("ab")}


def _require(field: str, found: FoundLabels) -> None:
    if not found.files:
        looked_for = ", ".join(map(printable, found.looked_for))
        raise ValueError(
            f"{field}: no label maps, which this method needs; looked for {looked_for or 'none'}; "
            "name their folder: --set 'data.labels=[\"FOLDER\"]'"
        )


def with_classes(recipe: Recipe, labels: LabelMaps, notify: Notify) -> Recipe:
    """The recipe with the number and the names of the classes of its label maps, all of which are read.

    Raises ValueError as `count_pixels` and `count_classes`.
    """
    if not labels.files:
        return recipe
    pixels = count_pixels(labels, notify)
    count = count_classes(labels, pixels, recipe.method.get("classes", 0))
    unseen = [labels.title(number) for number in range(count) if not pixels[number]]
    notify(f"label maps: {count} classes" + f", of which none shows {', '.join(unseen)}" * bool(unseen))
    method = recipe.method | ({"classes": count} if "classes" in recipe.method else {})
    data = recipe.data.model_copy(update={"classes": list(labels.names)})
    return recipe.model_copy(update={"method": method, "data": data})
