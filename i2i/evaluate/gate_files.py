"""Files of a gate: the frames in two folders, a manifest, and a sheet of the worst ones."""

import csv
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from i2i.data.labels.palette import colour_labels
from i2i.evaluate.gate import GateResult
from i2i.evaluate.labels import LabelConsistency
from i2i.evaluate.pairs import FilePair, PairReport, Pixels, files_by_stem, read_image
from i2i_runtime.files import printable, temporary_path, write_atomically

_CAPTION, _WIDTH = 22, 320  # pixels, of a line of text, and of a picture on the sheet
_WHITE = 255


def check_folders(keep: Path, doubtful: Path, inputs: Sequence[Path], *, overwrite: bool = False) -> None:
    """Raise ValueError for folders of results that are one, hold files unless `overwrite`, or lie among the inputs."""
    if keep.resolve() == doubtful.resolve():
        raise ValueError(f"{printable(keep)}: one folder for frames that are kept and doubtful ones; name two")
    for folder in (keep, doubtful):
        for given in (each.resolve() for each in inputs):
            if folder.resolve() == given or given in folder.resolve().parents:
                raise ValueError(f"{printable(folder)}: lies among the frames themselves; name a folder of its own")
        if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not overwrite)):
            raise ValueError(f"{printable(folder)}: is not an empty folder; name another, or --overwrite")


def sort_frames(result: GateResult, *, keep: Path, doubtful: Path, overwrite: bool = False) -> None:
    """Link each frame into `keep` or `doubtful`, or copy it where the disk has no links; `translated` stays as it is.

    With `overwrite` a frame of the same name goes, from both folders; other files stay. Raises ValueError like
    `check_folders`.
    """
    check_folders(keep, doubtful, [result.translated], overwrite=overwrite)
    for folder in (keep, doubtful):
        folder.mkdir(parents=True, exist_ok=True)
    for frame in result.frames:
        for folder in (keep, doubtful):
            (folder / frame.name).unlink(missing_ok=True)
        _place(result.translated / frame.name, (keep if frame.is_kept else doubtful) / frame.name)


def write_manifest(result: GateResult, file: Path) -> None:
    """Write a row for each frame, its scores, the decision and the reasons, as .csv, atomically."""
    scores = list(dict.fromkeys(name for frame in result.frames for name in frame.scores))
    with write_atomically(file) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["name", *scores, "decision", "reason"])
        for frame in result.frames:
            values = [f"{frame.scores[name]:.4f}" if name in frame.scores else "" for name in scores]
            decision = "kept" if frame.is_kept else "doubtful"
            writer.writerow([frame.name.as_posix(), *values, decision, "; ".join(frame.reasons)])


def draw_worst(result: GateResult, source: Path, labels: LabelConsistency, *, count: int = 12) -> Pixels:
    """Draw the worst frames, with a caption each: source, translation, label map, and what the segmenter sees.

    Those are left out of which a file cannot be read or segmented: they are in `result.failed`.
    """
    sources, rows = files_by_stem(source), list[Pixels]()
    for frame in result.worst(count):
        pair = FilePair(frame.name, result.translated / frame.name, sources[frame.name.with_suffix("")])
        if (row := PairReport().attempt(pair, _draw_row, pair, labels)) is None:
            continue
        scores = ", ".join(f"{name} {value:.3f}" for name, value in frame.scores.items())
        verdict = "kept" if frame.is_kept else "doubtful"
        rows += [_caption(f"{frame.name.as_posix()}: {verdict}; {scores}", row.shape[1]), row]
    return np.vstack([_caption("source, translation, labels of the source, labels seen", 4 * _WIDTH), *rows])


def _draw_row(pair: FilePair, labels: LabelConsistency) -> Pixels:
    image, truth, predicted = labels.segment(pair.image, pair.name, resize=True)
    pictures = [read_image(pair.partner), image, colour_labels(truth), colour_labels(predicted)]
    height = round(_WIDTH * image.shape[0] / image.shape[1])
    return np.hstack([_resized(each, height) for each in pictures])


def _place(file: Path, target: Path) -> None:
    """Link a file, or copy it, under a name that no file has; it appears whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(target)
    try:
        try:
            os.link(file.resolve(), temporary)
        except OSError:  # another disk, or one without links
            shutil.copyfile(file, temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _resized(picture: Pixels, height: int) -> Pixels:
    return np.asarray(cv2.resize(picture, (_WIDTH, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def _caption(text: str, width: int) -> Pixels:
    line = np.full((_CAPTION, width, 3), _WHITE, np.uint8)
    cv2.putText(line, text, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return line
