"""The label map of each image by its name: equal but for the suffix, the case or the ends, as in Cityscapes."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from i2i.data.pairing import by_stem, common_end, list_images
from i2i_runtime.files import printable

_NAMED = 3  # ends in a sentence
# Ends of label maps of one image, the best one first: Cityscapes has three of them beside its colours and instances.
_LABEL_ENDS = ("_labeltrainids", "_labelids", "_labels", "_label")

Stems = Mapping[Path, Path]  # files by its path below a folder, without the suffix


def match_label_maps(
    folder: Path, images: Sequence[Path], label_folder: Path, suffixes: Sequence[str] = ()
) -> dict[Path, Path]:
    """The label maps in `label_folder` of images below `folder`, which have the same path below it.

    `suffixes` are the ends of the names of images and of label maps. Raises ValueError where it is not clear which of
    several label maps is meant.
    """
    stems = _unique(folder, [path.relative_to(folder) for path in images])
    maps = _unique(label_folder, list_images(label_folder))
    found = _by_suffixes(stems, maps, suffixes) if suffixes else _best(stems, maps, label_folder)
    return {folder / path: label_folder / found[stem] for stem, path in stems.items() if stem in found}


def check_complete(found: Mapping[Path, Path], folder: Path, images: Sequence[Path], label_folder: Path) -> None:
    """Raise ValueError where images have no label map, with their number and the first of them."""
    if missing := [path for path in images if path not in found]:
        raise ValueError(
            f"{printable(label_folder)}: label maps for {len(images) - len(missing)} of {len(images)} images of "
            f"{printable(folder)}; the first without one: {printable(missing[0])}; names have to be equal but for the "
            'suffix, or end as data.suffixes says: \'["_leftImg8bit", "_gtFine_labelIds"]\''
        )


def _unique(folder: Path, paths: Sequence[Path]) -> dict[Path, Path]:
    """Files by their stem. Raises ValueError for two of one stem."""
    stems = by_stem(paths)
    for first, *others in stems.values():
        if others:
            raise ValueError(f"{printable(folder)}: {printable(others[0])} and {printable(first)} have the same name")
    return {stem: path for stem, (path,) in stems.items()}


def _best(stems: Stems, maps: Stems, label_folder: Path) -> dict[Path, Path]:
    """Label maps by the image's stem: equal names, in any case, or those whose ends differ; the most that match."""
    folded = {Path(str(stem).casefold()): path for stem, path in maps.items()}
    matches = [
        {stem: maps[stem] for stem in stems if stem in maps},
        {stem: folded[key] for stem in stems if (key := Path(str(stem).casefold())) in folded},
    ]
    for match in matches:
        if len(match) == len(stems):
            return match
    return max([*matches, _by_end(stems, maps, label_folder)], key=len)


def _by_end(stems: Stems, maps: Stems, label_folder: Path) -> dict[Path, Path]:
    """Label maps of images whose names without the end that all share begin those of the label maps."""
    cores = _without(stems, common_end(stems))
    by_end: dict[str, dict[Path, Path]] = {}
    for stem, path in maps.items():
        for position, letter in enumerate(stem.name):
            core = stem.with_name(stem.name[:position]) if position and letter in "_-" else None
            if core in cores:
                by_end.setdefault(stem.name[position:], {})[cores[core]] = path
    most = max(map(len, by_end.values()), default=0)
    ends = [end for end, match in by_end.items() if len(match) == most]
    known = [end for name in _LABEL_ENDS for end in ends if end.casefold().endswith(name)]
    if len(ends) > 1 and not known:
        listed = ", ".join(sorted(ends)[:_NAMED])
        raise ValueError(
            f"{printable(label_folder)}: several label maps for each image, whose names end in {listed}; choose by "
            "data.suffixes, the ends of the names of images and of label maps"
        )
    return by_end[(known or ends)[0]] if ends else {}


def _by_suffixes(stems: Stems, maps: Stems, suffixes: Sequence[str]) -> dict[Path, Path]:
    images, labels = (_without(each, end) for each, end in zip((stems, maps), suffixes, strict=True))
    return {stem: maps[labels[core]] for core, stem in images.items() if core in labels}


def _without(stems: Iterable[Path], end: str) -> dict[Path, Path]:
    """Stems whose names have an end, by what they are without it."""
    return {stem.with_name(stem.name.removesuffix(end) or "_"): stem for stem in stems if stem.name.endswith(end)}
