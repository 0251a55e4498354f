"""Exported files are written whole, with external weights beside them, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


def check_name(file: Path) -> None:
    """Raises ValueError for a file name that is not an .onnx."""
    if file.suffix != ".onnx":
        raise ValueError(f"{file}: an exported file is an .onnx; name such a file")


@contextmanager
def written_whole(file: Path) -> Iterator[Path]:
    """A temporary path to write, in a folder of its own; what is in the folder moves beside `file` when the block ends.

    Weights beside an earlier file of this name go with it. An error in the block leaves nothing behind.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
        yield Path(folder) / file.name
        # External weights (.onnx.data) move first: the file that needs them appears when they are there.
        names = [written.name for written in sorted(Path(folder).iterdir(), reverse=True)]
        for name in names:
            os.replace(Path(folder) / name, file.parent / name)
        if (weights := f"{file.name}.data") not in names:
            (file.parent / weights).unlink(missing_ok=True)
