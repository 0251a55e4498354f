"""Files carried over as they are: read once, hashed on the way, copied or hard-linked."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from i2i_runtime.files import open_regular_file, printable, read_errors, write_atomically
from i2i_runtime.folder.jobs import Job
from i2i_runtime.folder.manifest import Entry, Manifest

_PIECE = 2**20  # bytes that are read at a time


def carry(job: Job, manifest: Manifest, *, link: bool) -> None:
    """Copy or hard-link a file, and enter it in the manifest before it has its name.

    Raises ValueError when it cannot be read or linked, OSError when it cannot be written.
    """
    with read_errors(job.source):
        status = job.source.stat()  # before the contents: what changes meanwhile looks changed the next time
    job.result.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(job.result) as temporary:
        digest = _link(job, temporary) if link else _copy(job.source, temporary)
        entry = Entry(
            source_bytes=status.st_size,
            source_modified=status.st_mtime_ns,
            source_checksum=digest,
            result_bytes=temporary.stat().st_size,
            result_checksum=digest,
        )
        manifest.add(entry.for_job(job))


def _link(job: Job, temporary: Path) -> str:
    with read_errors(job.source), open_regular_file(job.source) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    try:
        os.link(job.source.resolve(), temporary)
    except OSError as error:
        why = f"cannot be linked ({error.strerror}); leave out --link"
        raise ValueError(f"{printable(job.result)}: {why}") from error
    return digest


def _copy(source: Path, temporary: Path) -> str:
    digest = hashlib.sha256()
    with open(temporary, "xb") as copy:
        for piece in _pieces(source):
            digest.update(piece)
            copy.write(piece)
    shutil.copystat(source, temporary)
    return digest.hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with read_errors(path), open_regular_file(path) as stream:
        while piece := stream.read(_PIECE):
            yield piece
