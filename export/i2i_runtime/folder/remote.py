"""Folders of images on other machines (s3://, gs://, https://, …), through fsspec.

A remote tree has a mirror on this machine: a folder of files with the same names, sizes and times, but empty. Whatever
plans, compares and writes down works on the mirror as on any folder. Only files that are being worked on have contents
there: sources are fetched a little before they are read, and results are uploaded, and deleted, when they are written.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from i2i_runtime.files import DISK_IS_FULL, no_room_for, printable
from i2i_runtime.folder.batching import completed
from i2i_runtime.folder.jobs import Job, Outcome
from i2i_runtime.folder.manifest import Manifest
from i2i_runtime.folder.remote_manifest import RemoteManifest
from i2i_runtime.folder.remote_tree import Mirror, is_remote, local_path, reason

_TRANSFERS = 16  # at once; most of the time of each is waiting
MAX_WAITING = 2**28  # bytes of images that were fetched ahead, and of results that wait to be uploaded


class Trees:
    """The folders of the sources and of the results, both on this machine."""

    def __init__(self, source: Path, target: Path) -> None:
        self.source, self.target = source, target

    def check_writable(self, folder: Path) -> None:
        """Raises ValueError where the folder of the results is remote and cannot be written to."""

    def fetch(self, jobs: Iterable[Job]) -> Iterable[Job]:
        """The jobs, each when its source is here, or cannot be fetched, for which `upload` has the reason."""
        return jobs

    def upload(self, outcomes: Iterable[Outcome], manifest: Manifest) -> Generator[Outcome, None, None]:
        """The outcomes in order, each when its result is in the target, or with the reason why not.

        As on a disk, the manifest has a result before the result is there.
        """
        yield from outcomes

    def finish(self, manifest: Manifest) -> None:
        """End the work; all results are uploaded, and the manifest is complete."""

    def with_urls(self, text: str) -> str:
        """The text with the names that the user gave."""
        return text


@contextmanager
def open_trees(source: Path | str, target: Path | str, *, link: bool) -> Iterator[Trees]:
    """The two folders for as long as they are worked on; a URL is remote. ValueErrors from inside name the URLs.

    Raises ValueError where one cannot be reached, or files are to be linked from one machine to another.
    """
    if not (is_remote(source) or is_remote(target)):
        yield Trees(local_path(source), local_path(target))
        return
    if link:
        remote = source if is_remote(source) else target
        raise ValueError(f"link: {remote} is remote; leave out --link, which copies")
    with TemporaryDirectory(prefix="i2i-") as staging, ThreadPoolExecutor(_TRANSFERS) as transfers:
        trees = _RemoteTrees(source, target, Path(staging), transfers)
        try:
            yield trees
        except ValueError as error:
            raise ValueError(trees.with_urls(str(error))) from error
        finally:
            transfers.shutdown(cancel_futures=True)


class _RemoteTrees(Trees):
    """Two folders of which at least one is a mirror."""

    def __init__(self, source: Path | str, target: Path | str, staging: Path, transfers: ThreadPoolExecutor) -> None:
        self._transfers = transfers
        self._from, self._to = (
            Mirror(place, staging) if isinstance(place, str) and is_remote(place) else None
            for place in (source, target)
        )
        super().__init__(
            self._from.local if self._from else local_path(source), self._to.local if self._to else local_path(target)
        )
        self._not_fetched: dict[Path, Exception] = {}  # by name
        for mirror in filter(None, (self._from, self._to)):
            mirror.populate(transfers)
        self._manifest = RemoteManifest(self._to) if self._to else None

    def check_writable(self, folder: Path) -> None:
        if self._to:
            self._to.check_writable(folder)

    def fetch(self, jobs: Iterable[Job]) -> Iterable[Job]:
        return self._fetch_ahead(jobs, self._from) if self._from else jobs

    def _fetch_ahead(self, jobs: Iterable[Job], mirror: Mirror) -> Iterator[Job]:
        waiting = iter(jobs)
        fetching: deque[tuple[Job, Future[None], int]] = deque()
        while True:
            while (
                len(fetching) < _TRANSFERS
                and sum(size for *_, size in fetching) < MAX_WAITING
                and (job := next(waiting, None)) is not None
            ):
                size = job.source.stat().st_size
                fetching.append((job, self._transfers.submit(mirror.fetch, job.source), size))
            if not fetching:
                return
            job, transfer, _ = fetching.popleft()
            if error := transfer.exception():
                is_full = isinstance(error, OSError) and error.errno in DISK_IS_FULL  # the mirror's
                why = no_room_for("files on their way", error) if is_full else reason(error)  # type: ignore[arg-type]
                self._not_fetched[job.name] = ValueError(f"{printable(job.source)}: cannot be read ({why})")
                mirror.evict(job.source)
            yield job

    def upload(self, outcomes: Iterable[Outcome], manifest: Manifest) -> Generator[Outcome, None, None]:
        all_outcomes = (
            (job, self._not_fetched.pop(job.name, None) or self._explained(error)) for job, error in outcomes
        )
        for job, error in self._upload_in_groups(all_outcomes, self._to, manifest) if self._to else all_outcomes:
            if self._from:
                self._from.evict(job.source)
            if self._to:
                self._to.evict(job.result)
            yield job, error

    def _explained(self, error: BaseException | None) -> BaseException | None:
        """The error of a job; where it is that a mirror's disk is full, it does not look like the target's."""
        if self._to and isinstance(error, OSError) and error.errno in DISK_IS_FULL:
            return OSError(error.errno, no_room_for("files on their way", error))
        return error

    def _upload_in_groups(self, outcomes: Iterable[Outcome], mirror: Mirror, manifest: Manifest) -> Iterator[Outcome]:
        """In groups: results that come while one is on its way are the next, so that the network does not wait."""
        uploading: Future[list[Outcome]] | None = None
        group: list[Outcome] = []
        size = 0
        for job, error in outcomes:
            group.append((job, error))
            size += 0 if error else job.result.stat().st_size
            if uploading and (uploading.done() or size > MAX_WAITING):
                yield from uploading.result()
                uploading = None
            if not uploading:
                uploading = self._transfers.submit(self._upload_group, group, mirror, manifest)
                group, size = [], 0
        if uploading:
            yield from uploading.result()
        yield from self._upload_group(group, mirror, manifest)

    def _upload_group(self, group: list[Outcome], mirror: Mirror, manifest: Manifest) -> list[Outcome]:
        """Upload the manifest first, then the results that are in it."""
        results = [job.result for job, error in group if error is None]
        if results and (failure := self._upload_manifest(manifest)):
            return [(job, error or failure) for job, error in group]
        failures = self._transfers.map(lambda path: _failure(mirror.upload, path, path), results)
        by_result = dict(zip(results, failures, strict=True))
        return [(job, error or by_result[job.result]) for job, error in group]

    def _upload_manifest(self, manifest: Manifest) -> ValueError | None:
        if self._manifest is None or manifest.path is None:
            return None
        return _failure(self._manifest.add, manifest.path, manifest)

    def finish(self, manifest: Manifest) -> None:
        if self._manifest:
            self._manifest.merge(manifest)

    def with_urls(self, text: str) -> str:
        for mirror in sorted(filter(None, (self._from, self._to)), key=lambda mirror: -len(str(mirror.local))):
            text = text.replace(printable(mirror.local), mirror.url)
        return text


def _failure(upload: Callable[[Any], None], path: Path, argument: Any) -> ValueError | None:
    """Why a file could not be uploaded; None if it was."""
    error = completed(upload, argument).exception()  # of any class: each file system has its own
    return None if error is None else ValueError(f"{printable(path)}: cannot be written ({reason(error)})")
