"""The translation of a folder as a command of a program: progress, Ctrl-C, the report and the exit code."""

from collections.abc import Callable
from pathlib import Path

from i2i_runtime.files import printable
from i2i_runtime.folder.jobs import warnings
from i2i_runtime.folder.options import FolderOptions
from i2i_runtime.folder.translate import translate_folder
from i2i_runtime.images import is_image
from i2i_runtime.interrupt import PATIENCE, ending_calls
from i2i_runtime.signals import stop_on_signals
from i2i_runtime.translate import ImageModel


def run_translation(
    model: ImageModel,
    source: str,
    target: str,
    options: FolderOptions,
    *,
    notify: Callable[[str], None],
    count: Callable[[int, int], None],
    within: Callable[[str, float], None],
) -> int:
    """Translate a folder until it is done or a signal stops it, and return the exit code: 3 where images failed.

    `notify` gets sentences about files that need the user's attention and the lines of the report, `count` (images
    finished, images in all), and `within`, of a large image, its name and the share of it that is done.
    """
    for sentence in warnings(Path(source), options.carry):
        notify(sentence)
    with stop_on_signals() as stop, ending_calls(patience=PATIENCE):
        report = translate_folder(
            model.network,
            model.card,
            source,
            target,
            options,
            banded=model.banded,
            prepare=model.prepare,
            file=model.checksum,
            progress=lambda at: count(at.finished, at.total),
            within=lambda name, share: within(printable(name), share),
            stop=stop,
        )
    for line in report.lines():
        notify(line)
    return stop.exit_code(3 if report.failed else 0)


def workers_for(source: str, workers: int | None) -> int | None:
    """The workers that a user asked for; 1, with all cores, for a single image; else None, and the engine decides."""
    return 1 if workers is None and is_image(Path(source)) else workers
