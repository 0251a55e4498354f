"""The teacher's pairs: translated once by a network into a folder of the run, or found in a folder of its outputs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from i2i.data.reading import MOST_STRETCH
from i2i_runtime import images
from i2i_runtime.files import printable
from i2i_runtime.folder import FolderOptions, FolderProgress, FolderReport, translate_folder
from i2i_runtime.folder.manifest import Manifest, is_same_model, model_identity
from i2i_runtime.translate import ImageModel

_PROBED = 16  # frames whose headers are read
_ROUNDED = 0.05  # share by which outputs of a whole multiple of the frame's size may differ from it


class Scale(NamedTuple):
    """The size of a teacher's outputs in sizes of its frames, and a sentence where they have to be resized for it."""

    factor: int
    note: str = ""


def make_pairs(
    teacher: ImageModel,
    frames: Path,
    folder: Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[FolderProgress], None] = lambda at: None,
    stop: Callable[[], bool] = lambda: False,
) -> FolderReport:
    """Translate the frames that have no output yet into `folder`, as PNG, with a manifest that names the teacher.

    The next call goes on after a break, of whatever kind. Raises ValueError where outputs of another teacher are there,
    unless `overwrite`, and as `translate_folder`.
    """
    identity = model_identity(teacher.card, teacher.checksum)
    translated = [entry for entry in Manifest(folder).entries.values() if entry.model and not entry.error]
    others = sum(not is_same_model(entry.model, identity) for entry in translated)
    if others and not overwrite:
        raise ValueError(
            f"{printable(folder)}: {others} images of another teacher, or of this one with other weights; --overwrite "
            "makes them again, or choose another --out"
        )
    return translate_folder(
        teacher.network,
        teacher.card,
        frames,
        folder,
        FolderOptions(format="png", workers=workers, overwrite=overwrite),
        banded=teacher.banded,
        prepare=teacher.prepare,
        file=teacher.checksum,
        progress=progress,
        stop=stop,
    )


def scale_of_outputs(frames: Path, outputs: Path) -> Scale:
    """The scale of a folder of outputs, from the size of the first that has a frame of the same name.

    Raises ValueError for outputs of another shape than their frames, and where no names are equal.
    """
    output_of = {path.with_suffix(""): path for path in images.list_images(outputs)}
    frame_of = {path.with_suffix(""): path for path in images.list_images(frames)}
    named = [(path, output_of[stem]) for stem, path in frame_of.items() if stem in output_of]
    if not named:
        raise ValueError(
            f"{printable(outputs)}: no image has the name of one in {printable(frames)}, as the outputs of a teacher do"
        )
    frame, output = images.header(frames / named[0][0]), images.header(outputs / named[0][1])
    ratios = output.width / frame.width, output.height / frame.height
    if max(ratios) / min(ratios) > 1 + MOST_STRETCH:
        raise ValueError(
            f"{printable(outputs / named[0][1])} is {output.width}x{output.height} and its frame "
            f"{frame.width}x{frame.height}, of another shape; crop or resize the outputs to the shape of the frames"
        )
    factor = max(1, round(ratios[0]))
    if abs(ratios[0] / factor - 1) > _ROUNDED:
        factor = 1  # of any other size they are a translator's, which works at a size of its own
    exact = (output.width, output.height) == (factor * frame.width, factor * frame.height)
    to = f"{factor * frame.width}x{factor * frame.height}"
    note = "" if exact else f"outputs of {output.width}x{output.height} are resized to {to}, as the student's will be"
    return Scale(factor, note)


def median_size(frames: Path, names: Sequence[Path]) -> tuple[int, int]:
    """Median height and width of a few frames in pixels. Raises ValueError where none of them can be read."""
    headers = []
    for name in names[:: max(1, len(names) // _PROBED)]:
        try:
            headers.append(images.header(frames / name))
        except ValueError:  # the translation names it
            continue
    if not headers:
        raise ValueError(f"{printable(frames)}: no image in it can be read")
    middle = len(headers) // 2
    return sorted(each.height for each in headers)[middle], sorted(each.width for each in headers)[middle]
