"""The jobs of a folder, one after the other: read | translate | write, side by side, in bounded memory."""

import os
import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from i2i_runtime import images
from i2i_runtime.files import printable
from i2i_runtime.folder.batching import OneByOne, Together
from i2i_runtime.folder.jobs import Job
from i2i_runtime.folder.manifest import Entry, Manifest, checksum, source_facts
from i2i_runtime.images import Array
from i2i_runtime.images.encode import check_encodable
from i2i_runtime.images.headers import DAMAGED


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is done to every job. `translate` may raise anything. A result has `growth` times its image's bytes.

    `about` is what the manifest says of every result. Files are carried by copying them, or by hard links.
    """

    translate: Callable[[Job, Array], Array]
    growth: float
    about: Entry
    manifest: Manifest
    by_link: bool


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Who does it. At most `depth` images wait for the network and as many results for the disk, and fewer where they
    have more than `room` bytes.
    """

    readers: Executor
    crew: OneByOne | Together
    writers: Executor
    depth: int
    room: int


class _Read(NamedTuple):
    image: images.ImageWithProfile
    entry: Entry


class _Started(NamedTuple):
    """A result of so many bytes on its way: first through the network, then to the disk."""

    job: Job
    written: "Future[Future[None]]"
    size: float


def run(
    jobs: Iterable[Job], work: Work, lines: Lines, *, stops: Callable[[], bool]
) -> Iterator[tuple[Job, BaseException | None]]:
    """The jobs in order, each when its result is there or with the reason why not; `stops` is asked before each."""
    reading = _ahead(jobs, work, lines)
    started: deque[_Started] = deque()
    while not stops() and (step := next(reading, None)) is not None:
        job, read, size = step
        started.append(_Started(job, lines.crew.submit(_translate, job, read, work, lines.writers), size * work.growth))
        while started and (
            len(started) > lines.depth or _is_done(started[0]) or sum(each.size for each in started) > lines.room
        ):
            yield _outcome(started.popleft())
    for each in started:
        yield _outcome(each)


def _ahead(jobs: Iterable[Job], work: Work, lines: Lines) -> Iterator[tuple[Job, "Future[_Read | None]", int]]:
    """The jobs in order, each with its image on the way, and the bytes that it takes."""
    waiting = iter(jobs)
    reading: deque[tuple[Job, Future[_Read | None], int]] = deque()
    while True:
        while (
            len(reading) < lines.depth
            and sum(size for *_, size in reading) < lines.room
            and (job := next(waiting, None)) is not None
        ):
            reading.append((job, lines.readers.submit(_read, job, work), _bytes(job)))
        if not reading:
            return
        yield reading.popleft()


def _bytes(job: Job) -> int:
    """How large the image will be in memory; 0 if it will not be, for which `read` has a sentence."""
    if job.is_carried:
        return 0
    try:
        header = images.header(job.source)
    except Exception:  # whatever a parser meets in damaged bytes
        return 0
    return header.nbytes


def _read(job: Job, work: Work) -> _Read | None:
    """The image, and what the manifest will say of it; nothing for a file that is only carried."""
    if job.is_carried:
        return None
    facts = source_facts(job.source)
    try:
        image = images.read_with_profile(job.source)
    except (ValueError, MemoryError):
        raise
    except Exception as error:  # whatever a parser meets in damaged bytes
        raise ValueError(f"{printable(job.source)}: {DAMAGED} ({error})") from error
    return _Read(image, replace(_of(job, work.about), **facts))


def _of(job: Job, entry: Entry) -> Entry:
    return replace(entry, source=job.name.as_posix(), result=job.made.as_posix())


def _translate(job: Job, reading: "Future[_Read | None]", work: Work, writers: Executor) -> "Future[None]":
    """The result on its way to the disk."""
    read = reading.result()
    if read is None:
        return writers.submit(_carry, job, work)
    begin = time.monotonic()
    result = work.translate(job, read.image.pixels)
    entry = replace(read.entry, milliseconds=round(1000 * (time.monotonic() - begin), 3), size=result.shape[:2])
    return writers.submit(_write, job, result, read.image.profile, entry, work.manifest)


def _write(job: Job, image: Array, profile: bytes, entry: Entry, manifest: Manifest) -> None:
    def fill(temporary: Path) -> None:
        check_encodable(job.result, image)
        try:
            images.write(temporary, image, profile=profile)
        except ValueError as error:
            raise ValueError(str(error).replace(temporary.name, printable(Path(job.result.name)))) from error

    _appear(job, fill, entry, manifest)


def _carry(job: Job, work: Work) -> None:
    entry = replace(_of(job, Entry(source="", result="")), **source_facts(job.source))

    def fill(temporary: Path) -> None:
        if not work.by_link:
            shutil.copy2(job.source, temporary)
            return
        try:
            os.link(job.source.resolve(), temporary)
        except OSError as error:
            raise ValueError(
                f"{printable(job.result)}: cannot be linked ({error.strerror}); leave out --link"
            ) from error

    _appear(job, fill, entry, work.manifest)


def _appear(job: Job, fill: Callable[[Path], None], entry: Entry, manifest: Manifest) -> None:
    """Make the result under another name, write it down, and give it its own name.

    In this order: a result that is there is in the manifest, wherever the program is killed.
    """
    job.result.parent.mkdir(parents=True, exist_ok=True)
    temporary = job.result.with_name(f".{secrets.token_hex(8)}{job.result.suffix}")
    try:
        fill(temporary)
        size, digest = temporary.stat().st_size, checksum(temporary)
        manifest.add(replace(entry, result_bytes=size, result_checksum=digest))
        os.replace(temporary, job.result)
    finally:
        with suppress(OSError):
            temporary.unlink()


def _is_done(started: _Started) -> bool:
    if not started.written.done():
        return False
    return started.written.exception() is not None or started.written.result().done()


def _outcome(started: _Started) -> tuple[Job, BaseException | None]:
    error = started.written.exception()
    return started.job, error or started.written.result().exception()
