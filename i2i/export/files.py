"""Files that appear when they are whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


def check_name(file: Path) -> None:
    """Raises ValueError for a name that an exported file can't have."""
    if file.suffix != ".onnx":
        raise ValueError(f"{file}: an exported file is an .onnx; name such a file")


@contextmanager
def written_whole(file: Path) -> Iterator[Path]:
    """The path of a file to write, with what it needs beside it, in a folder of its own; all of it takes its place
    beside `file` at the end, and nothing is left after an error.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as workshop:
        yield Path(workshop) / file.name
        # The weights first: the file that needs them appears when they are there.
        for made in sorted(Path(workshop).iterdir(), reverse=True):
            os.replace(made, file.parent / made.name)
