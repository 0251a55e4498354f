"""The jobs of a folder, in order: read | translate | write, side by side, in bounded memory."""

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

from i2i_runtime.files import open_regular_file, read_errors, write_atomically
from i2i_runtime.folder.batching import Pool, completed
from i2i_runtime.folder.carry import carry
from i2i_runtime.folder.jobs import Job, Outcome
from i2i_runtime.folder.manifest import Entry, Manifest
from i2i_runtime.folder.options import FolderOptions
from i2i_runtime.images import Array, ImageWithMetadata, Metadata, decode
from i2i_runtime.images.encode import check_encodable, encode
from i2i_runtime.images.headers import read_header

# Bytes of images that may wait for the network, and of results that may wait for the disk.
MAX_WAITING = 2**28


class _LoadedImage(NamedTuple):
    """An image in memory, and its entry so far."""

    image: ImageWithMetadata
    entry: Entry


class _Reading(NamedTuple):
    """A job whose image is being read; it takes `nbytes` of memory. A file to carry over has no image."""

    job: Job
    loaded: "Future[_LoadedImage | None]"
    nbytes: int
    stream: BinaryIO | None = None


class _Writing(NamedTuple):
    """A job whose result, of `nbytes`, is on its way: first through the network, then to the disk."""

    job: Job
    written: "Future[Future[None]]"
    nbytes: float

    def is_done(self) -> bool:
        return self.written.done() and (self.written.exception() is not None or self.written.result().done())

    def outcome(self) -> Outcome:
        error = self.written.exception()
        return self.job, error or self.written.result().exception()


class FolderPipeline:
    """Threads that read, translate and write the jobs of a folder; all end with `run`.

    `translate` is called in the threads of the `pool` and may raise anything. `template` is what the entries of all
    results have in common, `growth` the bytes of a result per byte of its image; images `of_labels` are label maps.
    Twice as many images as there are threads of a kind wait for the network, and as many results for the disk; fewer
    where they are large.
    """

    def __init__(
        self,
        translate: Callable[[Job, Array], Array],
        pool: Pool,
        manifest: Manifest,
        template: Entry,
        options: FolderOptions,
        *,
        growth: float,
        of_labels: bool = False,
    ) -> None:
        self._translate, self._pool, self._manifest = translate, pool, manifest
        self._template, self._link, self._growth = template, options.link, growth
        self._quality, self._of_labels = options.quality, of_labels
        self._readers, self._writers = ThreadPoolExecutor(options.threads), ThreadPoolExecutor(options.threads)
        self._depth = 2 * options.threads + pool.threads - 1

    def run(self, jobs: Iterable[Job], *, stops: Callable[[], bool]) -> Generator[Outcome, None, None]:
        """The outcomes of the jobs in order, each when its result is there; `stops` is called before each job."""
        writing: deque[_Writing] = deque()
        try:
            with closing(self._read_ahead(jobs)) as readings:
                while not stops() and (reading := next(readings, None)) is not None:
                    written = self._pool.submit(self._translate_one, reading)
                    writing.append(_Writing(reading.job, written, reading.nbytes * self._growth))
                    while writing and (writing[0].is_done() or self._is_full(writing)):
                        yield writing.popleft().outcome()
            for each in writing:
                yield each.outcome()
        finally:
            self._readers.shutdown(cancel_futures=True)
            self._pool.shutdown()  # before the writers, to which it gives work
            self._writers.shutdown()

    def _is_full(self, writing: deque[_Writing]) -> bool:
        return len(writing) > self._depth or sum(each.nbytes for each in writing) > MAX_WAITING

    def _read_ahead(self, jobs: Iterable[Job]) -> Generator[_Reading, None, None]:
        """The jobs in order, each with its image on the way."""
        waiting = iter(jobs)
        readings: deque[_Reading] = deque()
        try:
            while True:
                while (
                    len(readings) < self._depth
                    and sum(each.nbytes for each in readings) < MAX_WAITING
                    and (job := next(waiting, None)) is not None
                ):
                    readings.append(self._start_reading(job))
                if not readings:
                    return
                yield readings.popleft()
        finally:
            for each in readings:
                if each.stream is not None:
                    each.stream.close()

    def _start_reading(self, job: Job) -> _Reading:
        if job.is_carried:
            return _Reading(job, completed(lambda: None), 0)
        opened = completed(open_regular_file, job.source)
        if opened.exception() is not None:
            return _Reading(job, opened, 0)
        stream = opened.result()
        nbytes = _decoded_bytes(stream, job.source)
        return _Reading(job, self._readers.submit(self._read, job, stream), nbytes, stream)

    def _read(self, job: Job, stream: BinaryIO) -> _LoadedImage:
        """Read the bytes of an image once, hash and decode them."""
        with read_errors(job.source), stream:
            # Before the contents: what changes meanwhile looks changed the next time.
            status = os.fstat(stream.fileno())
            data = stream.read()
        entry = replace(
            self._template.for_job(job),
            source_bytes=status.st_size,
            source_modified=status.st_mtime_ns,
            source_checksum=hashlib.sha256(data).hexdigest(),
        )
        return _LoadedImage(decode(data, job.source, palette_indices=self._of_labels), entry)

    def _translate_one(self, reading: _Reading) -> "Future[None]":
        """Translate in a thread of the pool; the future is for the result on the disk."""
        loaded = reading.loaded.result()
        if loaded is None:
            return self._writers.submit(carry, reading.job, self._manifest, link=self._link)
        begin = time.monotonic()
        result = self._translate(reading.job, loaded.image.pixels)
        milliseconds = round(1000 * (time.monotonic() - begin), 3)
        entry = replace(loaded.entry, milliseconds=milliseconds, size=result.shape[:2])
        return self._writers.submit(self._write, reading.job, result, loaded.image.metadata, entry)

    def _write(self, job: Job, image: Array, metadata: Metadata, entry: Entry) -> None:
        """Write a result once, and enter it in the manifest before it has its name.

        In this order: a result that is there is in the manifest, wherever the program is killed.
        """
        check_encodable(job.result, image)
        job.result.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(job.result) as temporary:
            with open(temporary, "x+b") as stream:
                encode(stream, job.result, image, quality=self._quality, metadata=metadata)
                stream.seek(0)
                checksum = hashlib.file_digest(stream, "sha256").hexdigest()
                size = stream.tell()
            self._manifest.add(replace(entry, result_bytes=size, result_checksum=checksum))


def _decoded_bytes(stream: BinaryIO, path: Path) -> int:
    """Size in memory of an image that is not read yet; 0 for a damaged header, of which `decode` says more."""
    try:
        return read_header(stream, path).nbytes
    except (ValueError, MemoryError, OSError):
        return 0
    finally:
        stream.seek(0)
