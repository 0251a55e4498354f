"""A tree of images to a mirrored tree: files are decoded and encoded in threads beside the network."""

import errno
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.encode import check_size
from i2i_runtime.headers import shown
from i2i_runtime.images import Array, Picture
from i2i_runtime.tiles import Tiling
from i2i_runtime.translate import Network, result_size, translate_image

# After these every further file would fail as well.
_NO_USE_GOING_ON = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# Bytes of images that may wait for the network, and of results that may wait for the disk while the next one is made.
_WAITING = 2**28


class Progress(NamedTuple):
    """One image is through, the `finished`th of `total` to do. `error` is the sentence if it failed, else empty."""

    finished: int
    total: int
    name: Path
    error: str


@dataclass
class Report:
    """Relative paths, in natural order. `stopped` says why some images are in no list; it is empty when all are."""

    done: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    stopped: str = ""


def translate_folder(
    network: Network,
    card: Card,
    source: Path,
    target: Path,
    *,
    tile: int | None = None,
    outscale: float | None = None,
    overwrite: bool = False,
    threads: int = 2,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Report:
    """Translate every image under `source` to the same relative path under `target`, in the same format.

    `source` may be one image; `target` is then a folder, or a file if it has the suffix of an image. Results that exist
    are skipped unless `overwrite`. Files appear whole or not at all, also after Ctrl-C. An image that cannot be read,
    translated or written is reported and the rest goes on, except when the disk is full. `stop` is asked before each
    image. The network, `progress` and `stop` are called in the caller's thread. `tile` and `outscale` are those of
    `Tiling` and `translate_image`. Raises ValueError, before anything is done, when an option is illegal, there is
    nothing to translate, or the target cannot be written or lies in the source.
    """
    if threads < 1:
        raise ValueError(f"threads is {threads}; legal: whole numbers from 1")
    result_size(card, 1, 1, outscale)
    tiling = Tiling(card, tile)

    def translate(job: _Job, image: Array) -> Array:
        height, width = image.shape[:2]
        check_size(job.result, *result_size(card, height, width, outscale))
        return translate_image(network, card, image, tiling=tiling, outscale=outscale)

    jobs = _plan(source, target)
    there = set() if overwrite else {job.name for job in jobs if job.result.is_file()}
    report = Report(skipped=[job.name for job in jobs if job.name in there])
    todo = [job for job in jobs if job.name not in there]
    with ThreadPoolExecutor(threads) as readers, ThreadPoolExecutor(threads) as writers:
        try:
            reading = _ahead(readers, todo, 2 * threads)
            writing = (_start(translate, job, picture, writers) for job, picture in reading)
            for job, result in _behind(writing, 2 * threads, lambda: _stops(report, stop)):
                error = _note(report, job, result)
                if progress is not None:
                    progress(Progress(len(report.done) + len(report.failed), len(todo), job.name, error))
        finally:
            readers.shutdown(cancel_futures=True)
    return report


class _Job(NamedTuple):
    name: Path
    source: Path
    result: Path


def _plan(source: Path, target: Path) -> list[_Job]:
    """What is to be made of what, in a target that can be written to. Raises ValueError where that cannot be."""
    if source.is_dir():
        folder, inside = target, source.resolve()
        jobs = [_Job(name, source / name, target / name) for name in images.list_images(source)]
        if not jobs:
            raise ValueError(f"{shown(source)}: no images in this folder; legal: {', '.join(images.SUFFIXES)}")
    elif source.exists():
        result = target if images.is_image(target) and not target.is_dir() else target / source.name
        folder, inside = result.parent, source.parent.resolve() / source.name
        jobs = [_Job(Path(source.name), source, result)]
    else:
        raise ValueError(f"{shown(source)}: no such file or folder")
    real = folder.resolve()
    if any((real / job.result.relative_to(folder)).is_relative_to(inside) for job in jobs):
        raise ValueError(f"{shown(target)}: lies in the source, {shown(source)}; choose another target")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{shown(folder)}: cannot be made ({error.strerror})") from error
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{shown(folder)}: cannot be written to (permission denied)")
    return jobs


def _ahead(pool: Executor, jobs: Iterable[_Job], depth: int) -> Iterator[tuple[_Job, Future[Picture]]]:
    """The jobs in order, each with its image on the way; at most `depth` images wait, and fewer large ones."""
    waiting = iter(jobs)
    reading: deque[tuple[_Job, Future[Picture], int]] = deque()
    while True:
        while len(reading) < depth and sum(size for *_, size in reading) < _WAITING and (job := next(waiting, None)):
            reading.append((job, pool.submit(images.read_picture, job.source), _bytes(job.source)))
        if not reading:
            return
        job, picture, _ = reading.popleft()
        yield job, picture


def _bytes(path: Path) -> int:
    """How large the image will be in memory; 0 if it will not be, for which `read` has a sentence."""
    try:
        header = images.header(path)
    except ValueError:
        return 0
    return header.height * header.width * header.channels * header.bits // 8


class _Started(NamedTuple):
    """A result of so many bytes on its way to the disk."""

    job: _Job
    writing: Future[None]
    size: int


def _start(translate: Callable[[_Job, Array], Array], job: _Job, reading: Future[Picture], pool: Executor) -> _Started:
    """The result on its way to the disk, or the sentence about what went wrong before."""
    try:
        pixels, profile = reading.result()
        result = translate(job, pixels)
        return _Started(job, pool.submit(_write, job.result, result, profile), result.nbytes)
    except Exception as error:  # a network may raise anything, and must not take the other images along
        failed: Future[None] = Future()
        failed.set_exception(ValueError(_sentence(job, error)))
        return _Started(job, failed, 0)


def _write(path: Path, image: Array, profile: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, image, profile=profile)


def _behind(writing: Iterator[_Started], depth: int, stops: Callable[[], bool]) -> Iterator[tuple[_Job, Future[None]]]:
    """What was started, in order, up to `depth` later, so that the network need not wait for the disk.

    It does wait where large results would fill the memory.
    """
    started: deque[_Started] = deque()
    while not stops() and (step := next(writing, None)) is not None:
        started.append(step)
        while started and (
            len(started) > depth or started[0].writing.done() or sum(step.size for step in started) > _WAITING
        ):
            yield started.popleft()[:2]
    for job, future, _ in started:
        yield job, future


def _stops(report: Report, stop: Callable[[], bool] | None) -> bool:
    if not report.stopped and stop is not None and stop():
        report.stopped = "stopped on request"
    return bool(report.stopped)


def _note(report: Report, job: _Job, writing: Future[None]) -> str:
    """Enter one result in the report when it is written; returns the sentence if it failed, else nothing."""
    error = writing.exception()
    if error is None:
        report.done.append(job.name)
        return ""
    if isinstance(error, OSError):
        sentence = f"{shown(job.result)}: cannot be written ({error.strerror or error})"
        if error.errno in _NO_USE_GOING_ON:
            report.stopped = report.stopped or sentence
    else:
        sentence = _sentence(job, error)
    report.failed.append((job.name, sentence))
    return sentence


def _sentence(job: _Job, error: BaseException) -> str:
    text = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return text if text.startswith((shown(job.source), shown(job.result))) else f"{shown(job.source)}: {text}"
