"""Evaluation of any two folders of images: selects the metrics that can be measured, and measures them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from i2i.evaluate.folder_metrics import METRIC_GROUPS, FolderEvaluation, ImageFolders
from i2i.evaluate.generator_metrics import GENERATOR_METRICS
from i2i.evaluate.instruments import FEATURE_METRICS, Instruments
from i2i.evaluate.pairs import find_pairs
from i2i.evaluate.result import EvaluationResult
from i2i.metrics.pair_metrics import PAIR_METRICS
from i2i.metrics.set_metrics import SET_METRICS
from i2i_runtime import images


def evaluate_folders(folders: ImageFolders, names: Sequence[str] | None, instruments: Instruments) -> EvaluationResult:
    """Measure the metrics `names`, or the usual ones that are possible; the result gives reasons for the others.

    Raises ValueError for a named metric that cannot be measured, and for missing or empty folders.
    """
    for folder in filter(None, (folders.fake, folders.real, folders.source, folders.training)):
        if not images.list_images(folder):
            raise ValueError(f"{folder}: no images in it; known suffixes: {' '.join(images.SUFFIXES)}")
    result, optional = EvaluationResult(), names is None
    evaluation = FolderEvaluation(folders, instruments, result)
    possible = _select(folders, names, instruments, result)
    for group, measure in METRIC_GROUPS:
        chosen = [name for name in possible if name in group]
        for part in _split(chosen) if optional else [chosen]:
            # Label maps are given by the user: what is wrong with them is an error even then.
            with _left_out_on_error(part, result) if optional and part != ["labels"] else nullcontext():
                if part:
                    measure(evaluation, part)
    if not result.metrics:
        raise ValueError(f"{folders.fake}: nothing could be measured; {'; '.join([*result.left_out, *result.failed])}")
    return result


def _select(
    folders: ImageFolders, names: Sequence[str] | None, instruments: Instruments, result: EvaluationResult
) -> list[str]:
    """Metrics without an obstacle; the others are left out of the result, or raise ValueError where named."""
    reasons: dict[str, list[str]] = {}
    mismatches: dict[Path, str] = {}
    possible = []
    for name in _usual_metrics(folders, instruments) if names is None else dict.fromkeys(names):
        reason = _obstacle(name, folders, instruments, mismatches)
        if reason and names is not None:
            raise ValueError(f"{name}: {reason}")
        if reason:
            reasons.setdefault(reason, []).append(name)
        else:
            possible.append(name)
    result.left_out = [f"{', '.join(some)}: {reason}" for reason, some in reasons.items()]
    return possible


def _usual_metrics(folders: ImageFolders, instruments: Instruments) -> list[str]:
    names: list[str] = []
    if folders.real:
        names += ["kid", "fid", "precision", "recall"]
        names += [name for name in PAIR_METRICS if name != "ms-ssim"] if folders.paired else []
        names += ["diversity"]
    names += ["novelty"] if folders.training else []
    names += ["dependence", "labels" if instruments.labels else "structure"] if folders.source else []
    return names + ["labels"] * (instruments.labels is not None and "labels" not in names)


def _obstacle(name: str, folders: ImageFolders, instruments: Instruments, mismatches: dict[Path, str]) -> str:
    """Reason why a metric cannot be measured, or ""; `mismatches` keeps what `_mismatch` found for each folder."""
    if name in (*SET_METRICS, *PAIR_METRICS, "diversity") and folders.real is None:
        return "no real images are given to compare with"
    if name in FEATURE_METRICS and instruments.extractor is None:
        return instruments.no_extractor
    if name == "novelty" and folders.training is None:
        return "the training images are not known here"
    if name in GENERATOR_METRICS:
        return "is of a generator, not of images that it made; i2i evaluate RUN measures it"
    if name == "labels" and instruments.labels is None:
        return "needs --segmenter and --labels"
    if name in ("dependence", "structure", "flicker") and folders.source is None:
        return "the sources of the images are not known here"
    partners = {**dict.fromkeys(PAIR_METRICS, folders.real), "structure": folders.source, "flicker": folders.source}
    partner = partners.get(name)
    if partner and not (folders.resize and partner == folders.source):
        if partner not in mismatches:
            mismatches[partner] = _mismatch(folders.fake, partner)
        if mismatches[partner]:
            return mismatches[partner]
    return instruments.no_lpips if name == "lpips" and instruments.lpips is None else ""


def _mismatch(folder: Path, others: Path) -> str:
    """Reason why images of two folders are no pairs, by names and sizes, or ""; unreadable files are reported later."""
    try:
        pairs = find_pairs(folder, others, "partner")
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


def _split(names: list[str]) -> list[list[str]]:
    """Split a group into metrics that may fail for different reasons; pixel metrics stay in one part."""
    single = [[name] for name in names if name in SET_METRICS or name == "lpips"]
    rest = [name for name in names if [name] not in single]
    return ([rest] if rest else []) + single


@contextmanager
def _left_out_on_error(names: Sequence[str], result: EvaluationResult) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        listed = ", ".join(names)
        result.left_out.append(f"{listed}: {str(error).removeprefix(f'{listed}: ')}")
