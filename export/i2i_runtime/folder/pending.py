"""Which jobs of a folder are still to do, by its manifest and by the results that lie there."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from i2i_runtime.files import printable
from i2i_runtime.folder.jobs import Job
from i2i_runtime.folder.manifest import Entry, Manifest, changed_settings, checksum, is_same_model

_OVERWRITTEN = "to be made again"


class Pending(NamedTuple):
    """The jobs to do; the sources of the others, and those of them whose results are not as the manifest has them."""

    jobs: list[Job]
    skipped: list[Path]
    unknown: list[Path]


def check_same_work(manifest: Manifest, template: Entry, folder: Path) -> None:
    """Raises ValueError when there are results of another model, or of other settings, in the folder."""
    there = [
        entry
        for entry in manifest.entries.values()
        if entry.model and not entry.error and _exists(folder / entry.result)
    ]
    if others := [entry for entry in there if not is_same_model(entry.model, template.model)]:
        facts = others[0].model
        different = [f"{name} {fact[:12]!r}" for name, fact in facts.items() if fact != template.model.get(name, fact)]
        raise ValueError(_other_work(folder, len(others), "another model", different))
    if others := [entry for entry in there if changed_settings(entry, template)]:
        different = [
            f"{name} {_shown(getattr(others[0], name))}, now {_shown(getattr(template, name))}"
            for name in changed_settings(others[0], template)
        ]
        raise ValueError(_other_work(folder, len(others), "other settings", different))


def _shown(setting: object) -> str:
    return "unset" if setting in (None, "") else str(setting)


def _other_work(folder: Path, number: int, kind: str, different: Sequence[str]) -> str:
    return (
        f"{printable(folder)}: has {number} results of {kind} ({', '.join(different)}); choose another folder, "
        "--overwrite to make them again, or --mix to keep them"
    )


def find_pending(jobs: Sequence[Job], manifest: Manifest, template: Entry, *, overwrite: bool, mix: bool) -> Pending:
    """Sort the jobs into those to do and those whose results are there. `template` is an entry of this run.

    With `overwrite` all are to do, and the manifest says so, so that the next run goes on after a break. Without, a
    result that is not in the manifest, or not of the size that it had, is left: it may be somebody's own work. With
    `mix`, so are those of other models and settings. Raises ValueError when the manifest cannot be written.
    """
    if overwrite:
        replaced = [Entry(error=_OVERWRITTEN).for_job(job) for job in jobs if _exists(job.result)]
        try:
            manifest.add(*replaced)
        except OSError as error:
            raise ValueError(f"{printable(manifest.path or Path())}: cannot be written ({error.strerror})") from error
        return Pending(list(jobs), [], [])
    pending = Pending([], [], [])
    for job in jobs:
        entry = manifest.entries.get(job.result_name.as_posix())
        is_unknown = _exists(job.result) and (entry is None or _was_changed(job, entry))
        if is_unknown and manifest.path is not None:
            pending.unknown.append(job.name)
        if is_unknown or (entry is not None and _is_current(job, entry, template, mix=mix)):
            pending.skipped.append(job.name)
        else:
            pending.jobs.append(job)
    return pending


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # a name that is too long, a folder that is closed: writing it has a message


def _was_changed(job: Job, entry: Entry) -> bool:
    """Whether somebody changed the result since its entry. An empty file is what a power cut leaves."""
    is_link = job.is_carried and job.source.exists() and job.source.samefile(job.result)
    return not entry.error and not is_link and job.result.stat().st_size not in (0, entry.result_bytes)


def _is_current(job: Job, entry: Entry, template: Entry, *, mix: bool) -> bool:
    """Whether this run would give the result that is there."""
    if job.is_carried:
        is_same = not entry.model
    elif is_same_model(entry.model, template.model) and not changed_settings(entry, template):
        is_same = True
    else:
        is_same = mix and bool(entry.model)
    if not is_same or entry.error or not _exists(job.result):
        return False
    is_emptied = job.result.stat().st_size == 0 < entry.result_bytes
    return not is_emptied and _is_same_source(job, entry)


def _is_same_source(job: Job, entry: Entry) -> bool:
    try:
        status = job.source.stat()
        if (status.st_size, status.st_mtime_ns) == (entry.source_bytes, entry.source_modified):
            return True
        return status.st_size == entry.source_bytes and checksum(job.source) == entry.source_checksum
    except OSError:
        return False  # reading it has a message
