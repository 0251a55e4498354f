"""The folder of a run: free for a new one or not, and written to by one process at a time."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from i2i.checkpoints import run as checkpoint
from i2i.recipe import RECIPE, Recipe
from i2i.training.log import DIVERSITY, LOSSES, METRICS, SCORES
from i2i.training.run_info import RUN_INFO
from i2i_runtime.files import remove_temporaries, shell_word, write_atomically

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FIRST = "first"  # the folder of a run that holds its first stage
SAMPLES = "samples"
_MARK = "# Written by i2i train: the whole recipe of the run in this folder.\n"
_NAMES = [RECIPE, RUN_INFO, LOSSES, SCORES, DIVERSITY, METRICS, SAMPLES, "tensorboard", checkpoint.FOLDER, FIRST]
_LOCK = ".lock"


def is_first_stage(start: str | list[str]) -> bool:
    """True where `train.start` is a checkpoint of a run's own first stage."""
    return isinstance(start, str) and Path(start).parts[-3:-1] == (FIRST, checkpoint.FOLDER)


def check_free(run: Path) -> None:
    """Raises ValueError for a folder that holds a run with checkpoints, or files of others by the names that a run
    writes. A run that ended before its first checkpoint may begin again.
    """
    if checkpoint.list_checkpoints(run) or checkpoint.list_checkpoints(run / FIRST):
        raise ValueError(
            f"{run}: holds a run already; go on with `i2i train --resume {shell_word(run)}`, or choose another folder"
            " with --out"
        )
    taken = [name for name in [*_NAMES, "latest", "best"] if os.path.lexists(run / name)]
    if taken and not _has_mark(run / RECIPE):
        raise ValueError(
            f"{run}: holds {', '.join(taken)} of another program or version, which a run would overwrite; choose "
            "another folder with --out"
        )


def _has_mark(recipe: Path) -> bool:
    try:
        return recipe.read_bytes().startswith(_MARK.encode())
    except OSError:
        return False


def write_recipe(recipe: Recipe, folder: Path) -> None:
    """Write `recipe.toml` into a run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / RECIPE) as temporary:
        temporary.write_text(_MARK + recipe.toml(), encoding="utf-8")


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep other processes from training in a folder, and remove what killed ones have left half-written in it. The
    lock ends with the process, however that ends. Raises ValueError where another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / _LOCK, "a", encoding="utf-8") as stream:
        if fcntl:
            try:
                fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # unlike flock, not inherited by loader workers
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    raise ValueError(f"{folder}: another process trains in this folder; choose another") from None
                # Some network file systems have no locks.
        for each in (folder, folder / SAMPLES):
            remove_temporaries(each)
        yield
