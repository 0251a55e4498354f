"""Any two folders of images compared: which metrics can be taken of them, and those that are usual."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from i2i.evaluate.instruments import OF_FEATURES, Tools
from i2i.evaluate.measures import GROUPS, Folders
from i2i.evaluate.pairs import find_pairs
from i2i.evaluate.result import Result
from i2i.metrics.pair_metrics import PAIR_METRICS
from i2i.metrics.set_metrics import SET_METRICS
from i2i_runtime import images


def evaluate_folders(folders: Folders, names: Sequence[str] | None, tools: Tools) -> Result:
    """The metrics of these names, or all that are usual and can be had; of what can't, the result says why.

    Raises ValueError where one of `names` cannot be measured, and for folders that are missing or empty.
    """
    for folder in filter(None, (folders.fake, folders.real, folders.source, folders.training)):
        if not images.list_images(folder):
            raise ValueError(f"{folder}: no images in it; known suffixes: {' '.join(images.SUFFIXES)}")
    result, skip = Result(), names is None
    reasons: dict[str, list[str]] = {}
    known: dict[Path, str] = {}
    wanted = []
    for name in _usual(folders, tools) if names is None else dict.fromkeys(names):
        reason = _hindrance(name, folders, tools, known)
        if reason and not skip:
            raise ValueError(f"{name}: {reason}")
        if reason:
            reasons.setdefault(reason, []).append(name)
        else:
            wanted.append(name)
    result.left_out = [f"{', '.join(some)}: {reason}" for reason, some in reasons.items()]
    for group, function in GROUPS:
        if some := [name for name in wanted if name in group]:
            # What is wrong with given labels is never passed over.
            for part in _parts(some) if skip else [some]:
                with _optional(part, result) if skip and part != ["labels"] else nullcontext():
                    function(part, folders, tools, result)
    if not result.metrics:
        raise ValueError(f"{folders.fake}: nothing could be measured; {'; '.join([*result.left_out, *result.failed])}")
    return result


def _usual(folders: Folders, tools: Tools) -> list[str]:
    names: list[str] = []
    if folders.real:
        names += ["kid", "fid", "precision", "recall"]
        names += [name for name in PAIR_METRICS if name != "ms-ssim"] if folders.paired else []
        names += ["diversity"]
    names += ["novelty"] if folders.training else []
    names += ["dependence", "labels" if tools.labels else "structure"] if folders.source else []
    return names + ["labels"] * (tools.labels is not None and "labels" not in names)


def _hindrance(name: str, folders: Folders, tools: Tools, known: dict[Path, str]) -> str:
    """Why a metric cannot be measured here; empty where it can. `known` remembers which folders are no partners."""
    if name in (*SET_METRICS, *PAIR_METRICS, "diversity") and folders.real is None:
        return "no real images are given to compare with"
    if name in OF_FEATURES and tools.extractor is None:
        return tools.no_extractor
    if name == "novelty" and folders.training is None:
        return "the training images are not known here"
    if name == "labels" and tools.labels is None:
        return "needs --segmenter and --labels"
    if name in ("dependence", "structure", "flicker") and folders.source is None:
        return "the sources of the images are not known here"
    partners = {**dict.fromkeys(PAIR_METRICS, folders.real), "structure": folders.source, "flicker": folders.source}
    partner = partners.get(name)
    if partner and not (folders.resize and partner == folders.source):
        if partner not in known:
            known[partner] = _mismatch(folders.fake, partner)
        if known[partner]:
            return known[partner]
    return tools.no_lpips if name == "lpips" and tools.lpips is None else ""


def _mismatch(folder: Path, others: Path) -> str:
    """Why images of two folders are no pairs, by names and sizes; files that can't be read are reported later."""
    try:
        pairs, _ = find_pairs(folder, others, "partner")
    except ValueError as error:
        return str(error)
    for pair in pairs:
        try:
            sizes = [images.header(path)[:2] for path in (pair.image, pair.partner)]
        except ValueError:
            continue
        if sizes[0] != sizes[1]:
            shown = [f"{width}x{height}" for height, width in sizes]
            return f"{pair.image} is {shown[0]}, but {pair.partner} {shown[1]}; allowed: equal sizes"
    return ""


def _parts(names: list[str]) -> list[list[str]]:
    """Metrics that are tried by themselves, since each may have its own reason; pixels are looked at once."""
    alone = [[name] for name in names if name in SET_METRICS or name == "lpips"]
    rest = [name for name in names if [name] not in alone]
    return ([rest] if rest else []) + alone


@contextmanager
def _optional(names: Sequence[str], result: Result) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        result.left_out.append(f"{', '.join(names)}: {error}")
