"""Translation of a folder: plan its jobs, leave those that are done, run the others, and report."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from i2i_runtime.card import Card
from i2i_runtime.files import printable
from i2i_runtime.folder.batching import BatchingPool, Pool, SerialPool
from i2i_runtime.folder.jobs import Job, Shard, plan_jobs, result_folder
from i2i_runtime.folder.lock import lock_folder
from i2i_runtime.folder.manifest import Entry, Manifest, model_identity
from i2i_runtime.folder.options import FolderOptions
from i2i_runtime.folder.pending import Pending, check_same_work, find_pending
from i2i_runtime.folder.pipeline import FolderPipeline
from i2i_runtime.folder.remote import Trees, open_trees
from i2i_runtime.folder.report import FolderProgress, FolderReport, failure_message
from i2i_runtime.images import Array, check_folder_name
from i2i_runtime.images.encode import check_size
from i2i_runtime.images.prepare import Prepare, is_unlike, size_advice
from i2i_runtime.tiles import Tiling
from i2i_runtime.translate import Banded, Network, result_size, scale_factor, translate_image

_DEFAULTS = FolderOptions()


def translate_folder(
    network: Network,
    card: Card,
    source: Path | str,
    target: Path | str,
    options: FolderOptions = _DEFAULTS,
    *,
    banded: Banded | None = None,
    prepare: Prepare | None = None,
    file: str = "",
    progress: Callable[[FolderProgress], None] = lambda at: None,
    within: Callable[[Path, float], None] = lambda name, share: None,
    stop: Callable[[], bool] = lambda: False,
) -> FolderReport:
    """Translate every image under `source` to the same relative path under `target`, which may be URLs fsspec knows.

    A manifest in the target makes the next run do only what is missing, has changed, or has failed; results that are
    not in it, or were changed since, are left. No other process may work on the same files meanwhile. `source` may be
    one image; `target` is then a folder, or a file if it has the suffix of an image, and there is no manifest.

    `prepare` is that of `translate_image`. `file` is the checksum of an exported file, by which the manifest knows it.
    Files appear whole or not at all; one that fails is reported and the rest goes on, except when the disk is full.
    The network, `progress` and `stop` are called in the caller's thread; with several images at once the network is
    not. Of an image that goes through in parts, `within` gets the name and the share that is done, in the network's
    thread. Raises ValueError, before anything is done, for a wrong option, nothing to translate, or a target that
    cannot be written to, lies in the source, or has results of another model or other settings.
    """
    pool = _pool(network, card, options)
    report = FolderReport()
    translate = _image_translation(pool, card, options, banded, prepare, report, within)
    growth = scale_factor(card, options.outscale) ** 2
    template = _entry_template(model_identity(card, file), options, is_prepared=prepare is not None)
    with (
        open_trees(source, target, link=options.link) as trees,
        _locked_plan(trees, template, options) as (manifest, pending),
    ):
        report.skipped, report.unknown = pending.skipped, pending.unknown
        pipeline = FolderPipeline(
            translate, pool, manifest, template, options, growth=growth, of_labels=bool(card.label_classes)
        )
        outcomes = pipeline.run(trees.fetch(pending.jobs), stops=lambda: _stops(report, stop))
        with closing(outcomes), closing(trees.upload(outcomes, manifest)) as uploaded:
            for finished, (job, error) in enumerate(uploaded, 1):
                message = _record(report, manifest, job, error, trees)
                progress(FolderProgress(finished, len(pending.jobs), job.name, message))
        trees.finish(manifest)
    return report


def _entry_template(model: dict[str, str], options: FolderOptions, *, is_prepared: bool) -> Entry:
    """The manifest's entry of a result, without what differs between files."""
    return Entry(
        model=model,
        outscale=options.outscale,
        tile=options.tile,
        prepare="as-trained" if is_prepared else "",
        quality=options.quality,
        keep_hidden=options.keep_hidden,
    )


def _pool(network: Network, card: Card, options: FolderOptions) -> Pool:
    """The threads that call the network. Raises ValueError for batches whose statistics would mix images."""
    mixes = card.test_time.startswith("published")
    batch = options.batch or (1 if mixes or card.size is None else card.size[0])
    if batch > 1 and mixes:
        raise ValueError(f"batch: {card.product} runs on the statistics of its batch; allowed: 1, or eval")
    if batch * options.workers == 1:
        return SerialPool(network)
    return BatchingPool(network, batch=batch, workers=options.workers)


def _image_translation(
    pool: Pool,
    card: Card,
    options: FolderOptions,
    banded: Banded | None,
    prepare: Prepare | None,
    report: FolderReport,
    within: Callable[[Path, float], None],
) -> Callable[[Job, Array], Array]:
    """The function that translates the image of a job, and reports those that lose levels or are unlike those of
    training. Raises ValueError for a tile that the network cannot take.
    """
    outscale = options.outscale
    tiling = Tiling(card, options.tile)
    report.advice = size_advice(card)

    def translate(job: Job, image: Array) -> Array:
        if card.io == "uint8" and image.dtype == np.uint16:
            report.coarse.append(job.name)
        height, width = image.shape[:2]
        if prepare is None and is_unlike(card, height, width):
            report.unlike.append(job.name)
        if prepare is None or outscale is not None:
            check_size(job.result, *result_size(card, height, width, outscale))
        return translate_image(
            pool.network,
            card,
            image,
            tiling=tiling,
            banded=banded,
            outscale=outscale,
            keep_hidden=options.keep_hidden,
            prepare=prepare,
            progress=partial(within, job.name),
        )

    return translate


@contextmanager
def _locked_plan(trees: Trees, template: Entry, options: FolderOptions) -> Iterator[tuple[Manifest, Pending]]:
    """The manifest and the jobs to do, while no other process may work on them. Raises ValueError."""
    shard = Shard.parse(options.shard) if options.shard is not None else Shard()
    jobs = plan_jobs(trees.source, trees.target, carry=options.carry, format=options.format)
    folder = result_folder(jobs, trees.target)
    _make_writable(folder)
    trees.check_writable(folder)
    kept = folder if trees.source.is_dir() else None
    with lock_folder(kept, shard, template, mix=options.mix), closing(Manifest(kept, shard.label)) as manifest:
        if not (options.overwrite or options.mix):
            check_same_work(manifest, template, folder)
        mine = [job for job in jobs if shard.contains(job.name)]
        yield manifest, find_pending(mine, manifest, template, overwrite=options.overwrite, mix=options.mix)


def _make_writable(folder: Path) -> None:
    check_folder_name(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{printable(folder)}: cannot be made ({error.strerror})") from error
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{printable(folder)}: cannot be written to (permission denied)")


def _stops(report: FolderReport, stop: Callable[[], bool]) -> bool:
    if not report.stopped and stop():
        report.stop("on request")
    return bool(report.stopped)


def _record(report: FolderReport, manifest: Manifest, job: Job, error: BaseException | None, trees: Trees) -> str:
    """Enter an outcome in the report, and a failure in the manifest too; returns the message of a failure, else ""."""
    if error is None:
        report.add_success(job)
        return ""
    message = trees.with_urls(failure_message(job, error))
    report.add_failure(job, error, message)
    try:
        manifest.add(Entry(error=message).for_job(job))
    except OSError as unwritten:
        report.stop(trees.with_urls(failure_message(job, unwritten)))
    return message
