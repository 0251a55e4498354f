"""What of a folder is still to do, by its manifest and by what lies there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from i2i_runtime.files import printable
from i2i_runtime.folder.jobs import Job
from i2i_runtime.folder.manifest import Entry, Manifest, checksum

_AGAIN = "to be made again"


class Due(NamedTuple):
    """The jobs to do; the sources of the others, and those of them whose results are not what the manifest says."""

    todo: list[Job]
    skipped: list[Path]
    unknown: list[Path]


def check_model(manifest: Manifest, model: Mapping[str, str], folder: Path) -> None:
    """Raises ValueError when there are results of another model in the folder."""
    others = [
        entry
        for entry in manifest.entries.values()
        if entry.model and not entry.error and entry.model != model and _is_there(folder / entry.result)
    ]
    if others:
        facts = others[0].model
        different = [f"{name} {facts.get(name, '')[:12]!r}" for name in facts if facts[name] != model.get(name)]
        raise ValueError(
            f"{printable(folder)}: has {len(others)} results of another model ({', '.join(different)}); choose another "
            "folder, --overwrite to make them again, or --mix to keep them"
        )


def sort_out(jobs: Sequence[Job], manifest: Manifest, about: Entry, *, overwrite: bool, mix: bool) -> Due:
    """What to do. With `overwrite` that is everything, and is written down, so that it goes on after a break.

    Without, a result that is not in the manifest, or not of the size that it had, is left: it may be somebody's own
    work. With `mix`, so are those of other models. Raises ValueError when the manifest cannot be written.
    """
    due, replaced = Due([], [], []), []
    for job in jobs:
        entry = manifest.entries.get(job.made.as_posix())
        if not _is_there(job.result):
            due.todo.append(job)
        elif overwrite:
            due.todo.append(job)
            replaced.append(Entry(source=job.name.as_posix(), result=job.made.as_posix(), error=_AGAIN))
        elif entry is None or _is_another(job, entry):
            due.skipped.append(job.name)
            if manifest.path is not None:
                due.unknown.append(job.name)
        elif _is_current(job, entry, about, mix=mix):
            due.skipped.append(job.name)
        else:
            due.todo.append(job)
    try:
        manifest.add(*replaced)
    except OSError as error:
        raise ValueError(f"{printable(manifest.path or Path())}: cannot be written ({error.strerror})") from error
    return due


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # a name that is too long, a folder that is closed: there is a sentence when it is written


def _is_another(job: Job, entry: Entry) -> bool:
    """Whether somebody changed the result that the entry is about. An empty file is what a power cut leaves."""
    is_link = job.is_carried and job.source.exists() and job.source.samefile(job.result)
    return not entry.error and not is_link and job.result.stat().st_size not in (0, entry.result_bytes)


def _is_current(job: Job, entry: Entry, about: Entry, *, mix: bool) -> bool:
    """Whether the result that is there is what would be made now."""
    if job.is_carried:
        is_same = not entry.model
    elif entry.model == about.model:
        is_same = entry.outscale == about.outscale
    else:
        is_same = mix and bool(entry.model)
    if not is_same or entry.error or job.result.stat().st_size == 0 < entry.result_bytes:
        return False
    try:
        status = job.source.stat()
        if (status.st_size, status.st_mtime_ns) == (entry.source_bytes, entry.source_modified):
            return True
        return status.st_size == entry.source_bytes and checksum(job.source) == entry.source_checksum
    except OSError:
        return False  # for which there is a sentence when it is read
