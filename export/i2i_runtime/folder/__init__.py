"""A tree of images to a mirrored tree: what is missing or changed is made, the rest is left."""

import errno
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from i2i_runtime.card import Card
from i2i_runtime.files import printable
from i2i_runtime.folder import pipeline
from i2i_runtime.folder.batching import OneByOne, Together
from i2i_runtime.folder.jobs import Job, Shard, folder_of, plan
from i2i_runtime.folder.manifest import Entry, Manifest, model_of
from i2i_runtime.folder.pending import check_model, sort_out
from i2i_runtime.folder.remote import at_hand
from i2i_runtime.images import Array
from i2i_runtime.images.encode import check_size
from i2i_runtime.tiles import Tiling
from i2i_runtime.translate import Banded, Network, result_size, translate_image

# After these every further file would fail as well.
_NO_USE_GOING_ON = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# Bytes of images that may wait for the network, and of results that may wait for the disk while the next one is made.
_WAITING = 2**28
_ANY = 1000  # pixels of a side, for a ratio of sizes


class Progress(NamedTuple):
    """One file is through, the `finished`th of `total` to do. `error` is the sentence if it failed, else empty."""

    finished: int
    total: int
    name: Path
    error: str


@dataclass
class Report:
    """Relative paths of sources, images in natural order. `stopped` says why some are in no list, empty if all are.

    Of the `skipped`, those whose results are not what the manifest says was made are in `unknown` too.
    """

    done: list[Path] = field(default_factory=list)
    carried: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    stopped: str = ""

    def lines(self) -> list[str]:
        """All of it in words."""
        carried = f", {len(self.carried)} carried" if self.carried else ""
        skipped = f", {len(self.skipped)} were there already (--overwrite makes them again)" if self.skipped else ""
        lines = [f"{len(self.done)} translated{carried}{skipped}"]
        if self.unknown:
            count = len(self.unknown)
            lines += [f"{count} of those are not what the manifest says was made, and were left as they are"]
        if self.failed:
            lines += [f"{len(self.failed)} failed:", *(f"  {sentence}" for _, sentence in self.failed)]
        if self.stopped:
            lines += [f"stopped before the end: {self.stopped}; the same command goes on"]
        return lines


def translate_folder(
    network: Network,
    card: Card,
    source: Path | str,
    target: Path | str,
    *,
    banded: Banded | None = None,
    tile: int | None = None,
    outscale: float | None = None,
    format: str | None = None,
    carry: Sequence[str] = (),
    link: bool = False,
    shard: str | None = None,
    overwrite: bool = False,
    mix: bool = False,
    batch: int = 1,
    workers: int = 1,
    threads: int = 2,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Report:
    """Translate every image under `source` to the same relative path under `target`, in the same format or in `format`.

    A manifest in the target (see `i2i_runtime.folder.manifest`) makes the next run do only what is missing, has
    changed, has failed, or was made with another `outscale`. A result that is not in the manifest, or was changed
    since, is never replaced unless `overwrite`, which makes everything again. Results of two models do not mix in one
    target unless `mix`, which keeps those of the other one. `source` may be one image; `target` is then a folder, or a
    file if it has the suffix of an image, and there is no manifest. Either may be a URL that fsspec knows
    (s3://bucket/folder).

    Files that match the patterns `carry` ("labels/**") are copied, or hard-linked with `link`, and not translated.
    `shard` "0/4" does the first of four parts, which are the same on every machine and need not know of one another.

    Up to `batch` images of equal size go through the network together, and `workers` of such at once; both are 1, and
    the network is called in the caller's thread as `progress` and `stop` are, unless asked for. `threads` read and as
    many write. Files appear whole or not at all, also after Ctrl-C. An image that cannot be read, translated or written
    is reported and the rest goes on, except when the disk is full. `stop` is asked before each image. `banded`, `tile`
    and `outscale` are those of `translate_image` and `Tiling`. Raises ValueError, before anything is done, when an
    option is refused, there is nothing to translate, or the target cannot be written to, lies in the source, or is
    another model's.
    """
    _check_numbers(card, batch=batch, workers=workers, threads=threads)
    height, width = result_size(card, _ANY, _ANY, outscale)
    tiling = Tiling(card, _tile(card) if tile is None else tile)
    part = Shard.parse(shard) if shard is not None else Shard()
    about = Entry(source="", result="", model=model_of(card), outscale=outscale, tile=tile)
    crew = Together(network, batch=batch, workers=workers) if batch * workers > 1 else OneByOne(network)

    def translate(job: Job, image: Array) -> Array:
        check_size(job.result, *result_size(card, image.shape[0], image.shape[1], outscale))
        return translate_image(crew.network, card, image, tiling=tiling, banded=banded, outscale=outscale)

    with at_hand(source, target, link=link) as trees:
        jobs = plan(trees.source, trees.target, carry=carry, format=format)
        folder = _writable(folder_of(jobs, trees.target))
        trees.check_target(folder)
        manifest = Manifest(folder if trees.source.is_dir() else None, part=part.label)
        if not (overwrite or mix):
            check_model(manifest, about.model, folder)
        mine = sort_out([job for job in jobs if part.has(job.name)], manifest, about, overwrite=overwrite, mix=mix)
        report = Report(skipped=mine.skipped, unknown=mine.unknown)
        growth = height * width / _ANY**2
        work = pipeline.Work(translate=translate, growth=growth, about=about, manifest=manifest, by_link=link)
        outcomes = _outcomes(trees.fetch(mine.todo), work, crew, threads, lambda: _stops(report, stop))
        with closing(manifest), closing(outcomes), closing(trees.deliver(outcomes, manifest)) as delivered:
            for finished, (job, error) in enumerate(delivered, 1):
                sentence = _note(report, manifest, job, error, trees.named)
                if progress is not None:
                    progress(Progress(finished, len(mine.todo), job.name, sentence))
        trees.finish(manifest)
    return report


def _outcomes(
    jobs: Iterable[Job], work: pipeline.Work, crew: OneByOne | Together, threads: int, stops: Callable[[], bool]
) -> Generator[tuple[Job, BaseException | None], None, None]:
    """Those of `pipeline.run`, with threads that end with it."""
    with ThreadPoolExecutor(threads) as readers, ThreadPoolExecutor(threads) as writers:
        depth = 2 * threads + crew.threads - 1
        lines = pipeline.Lines(readers=readers, crew=crew, writers=writers, depth=depth, room=_WAITING)
        try:
            yield from pipeline.run(jobs, work, lines, stops=stops)
        finally:
            readers.shutdown(cancel_futures=True)
            crew.shutdown()  # before the writers, to which it gives work


def _check_numbers(card: Card, **numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} is {number}; allowed: whole numbers from 1")
    if numbers["batch"] > 1 and card.test_time.startswith("published"):
        raise ValueError(f"batch: {card.product} runs on the statistics of what it is given; allowed: 1, or eval")


def _tile(card: Card) -> int | None:
    """The tile of a file that takes one size only, where its tiles may share what they have to."""
    if card.size is None or not card.overlap:
        return None
    try:
        return Tiling(card, min(card.size[1:])).tile
    except ValueError:
        return 0


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{printable(folder)}: cannot be made ({error.strerror})") from error
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{printable(folder)}: cannot be written to (permission denied)")
    return folder


def _stops(report: Report, stop: Callable[[], bool] | None) -> bool:
    if not report.stopped and stop is not None and stop():
        report.stopped = "stopped on request"
    return bool(report.stopped)


def _note(
    report: Report, manifest: Manifest, job: Job, error: BaseException | None, named: Callable[[str], str]
) -> str:
    """Enter one outcome in the report; returns the sentence, with `named` files, if it failed, else nothing."""
    if error is None:
        (report.carried if job.is_carried else report.done).append(job.name)
        return ""
    sentence = named(_sentence(job, error))
    report.failed.append((job.name, sentence))
    if isinstance(error, OSError) and error.errno in _NO_USE_GOING_ON:
        report.stopped = report.stopped or sentence
    try:
        manifest.add(Entry(source=job.name.as_posix(), result=job.made.as_posix(), error=sentence))
    except OSError as unwritten:
        report.stopped = report.stopped or named(f"{printable(job.result)}: cannot be written ({unwritten.strerror})")
    return sentence


def _sentence(job: Job, error: BaseException) -> str:
    if isinstance(error, OSError):
        text = f"{printable(job.result)}: cannot be written ({error.strerror or error})"
    else:
        text = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return (
        text if text.startswith((printable(job.source), printable(job.result))) else f"{printable(job.source)}: {text}"
    )
