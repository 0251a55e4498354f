"""Trees of images on other machines (s3://, gs://, https://, …), through fsspec.

A remote tree has a mirror on this machine: a folder of files with the same names, sizes and times, but empty. Whatever
plans, compares and writes down works on the mirror as on any folder. Only what is being translated has contents there:
they come a little before they are read, and go up, and away, when they are made.
"""

import secrets
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from i2i_runtime.files import printable
from i2i_runtime.folder.jobs import Job
from i2i_runtime.folder.manifest import Manifest, parts_of
from i2i_runtime.folder.remote_tree import Mirror, is_remote, local_path, reason

_AT_ONCE = 16  # transfers, of which most of the time is waiting
_ROOM = 2**28  # bytes of images that came ahead, and of results that wait to go up

Outcome = tuple[Job, BaseException | None]


class Trees:
    """Where images come from and where results go, both on this machine."""

    def __init__(self, source: Path, target: Path) -> None:
        self.source, self.target = source, target

    def check_target(self, folder: Path) -> None:
        """Raises ValueError where the folder of the results is remote and cannot be written to."""

    def fetch(self, jobs: Iterable[Job]) -> Iterable[Job]:
        """The jobs, each when its source is here, or cannot be had, for which `deliver` has the reason."""
        return jobs

    def deliver(self, outcomes: Iterable[Outcome], manifest: Manifest) -> Generator[Outcome, None, None]:
        """The outcomes in order, each when its result is where it belongs, or with the reason why not.

        As on a disk, what the manifest says of a result is there before the result.
        """
        yield from outcomes

    def finish(self, manifest: Manifest) -> None:
        """Called when all is delivered, and the manifest complete."""

    def named(self, text: str) -> str:
        """The text with the names that the user gave."""
        return text


@contextmanager
def at_hand(source: Path | str, target: Path | str, *, link: bool) -> Iterator[Trees]:
    """The two trees for as long as they are worked on; a URL is remote. ValueErrors from inside speak of the URLs.

    Raises ValueError where one cannot be reached, or files are to be linked from one machine to another.
    """
    if not (is_remote(source) or is_remote(target)):
        yield Trees(local_path(source), local_path(target))
        return
    with TemporaryDirectory(prefix="i2i-") as staging, ThreadPoolExecutor(_AT_ONCE) as transfers:
        trees = _RemoteTrees(source, target, Path(staging), transfers, link=link)
        try:
            yield trees
        except ValueError as error:
            raise ValueError(trees.named(str(error))) from error
        finally:
            transfers.shutdown(cancel_futures=True)


class _RemoteTrees(Trees):
    """At least one of the two is a mirror."""

    def __init__(
        self, source: Path | str, target: Path | str, staging: Path, transfers: ThreadPoolExecutor, *, link: bool
    ) -> None:
        self._transfers = transfers
        self._from, self._to = (
            Mirror(place, staging) if isinstance(place, str) and is_remote(place) else None
            for place in (source, target)
        )
        if link:
            raise ValueError(f"link: {source if self._from else target} is remote; leave out --link, which copies")
        super().__init__(
            self._from.local if self._from else local_path(source), self._to.local if self._to else local_path(target)
        )
        self._unfetched: dict[Path, Exception] = {}  # by name
        for mirror in filter(None, (self._from, self._to)):
            mirror.fill(transfers)
        self._pieces = _Pieces(self._to) if self._to else None

    def check_target(self, folder: Path) -> None:
        if self._to:
            self._to.check_writable(folder)

    def fetch(self, jobs: Iterable[Job]) -> Iterable[Job]:
        return self._fetched(jobs, self._from) if self._from else jobs

    def _fetched(self, jobs: Iterable[Job], mirror: Mirror) -> Iterator[Job]:
        waiting = iter(jobs)
        coming: deque[tuple[Job, Future[None], int]] = deque()
        while True:
            while (
                len(coming) < _AT_ONCE
                and sum(size for *_, size in coming) < _ROOM
                and (job := next(waiting, None)) is not None
            ):
                size = job.source.stat().st_size
                coming.append((job, self._transfers.submit(mirror.fetch, job.source), size))
            if not coming:
                return
            job, transfer, _ = coming.popleft()
            if error := transfer.exception():
                self._unfetched[job.name] = ValueError(f"{printable(job.source)}: cannot be read ({reason(error)})")
                mirror.drop(job.source)
            yield job

    def deliver(self, outcomes: Iterable[Outcome], manifest: Manifest) -> Generator[Outcome, None, None]:
        known = ((job, self._unfetched.pop(job.name, None) or error) for job, error in outcomes)
        for job, error in self._sent(known, self._to, manifest) if self._to else known:
            if self._from:
                self._from.drop(job.source)
            if self._to:
                self._to.drop(job.result)
            yield job, error

    def _sent(self, outcomes: Iterable[Outcome], mirror: Mirror, manifest: Manifest) -> Iterator[Outcome]:
        """In groups: what is made while one is on its way is the next, so that the network does not wait for it."""
        sending: Future[list[Outcome]] | None = None
        group: list[Outcome] = []
        size = 0
        for job, error in outcomes:
            group.append((job, error))
            size += 0 if error else job.result.stat().st_size
            if sending and (sending.done() or size > _ROOM):
                yield from sending.result()
                sending = None
            if not sending:
                sending = self._transfers.submit(self._send, group, mirror, manifest)
                group, size = [], 0
        if sending:
            yield from sending.result()
        yield from self._send(group, mirror, manifest)

    def _send(self, group: list[Outcome], mirror: Mirror, manifest: Manifest) -> list[Outcome]:
        """The manifest first, then the results that it speaks of."""
        made = [job.result for job, error in group if error is None]
        if made and self._pieces and manifest.path and (unwritten := _try(self._pieces.add, manifest.path, manifest)):
            return [(job, error or unwritten) for job, error in group]
        tries = self._transfers.map(lambda path: _try(mirror.put, path, path), made)
        sent = dict(zip(made, tries, strict=True))
        return [(job, error or sent[job.result]) for job, error in group]

    def finish(self, manifest: Manifest) -> None:
        if self._pieces:
            self._pieces.join(manifest)

    def named(self, text: str) -> str:
        for mirror in sorted(filter(None, (self._from, self._to)), key=lambda mirror: -len(str(mirror.local))):
            text = text.replace(printable(mirror.local), mirror.url)
        return text


def _try(put: Callable[[Any], None], path: Path, what: Any) -> ValueError | None:
    """Why a file could not be sent; nothing if it was."""
    try:
        put(what)
    except Exception as error:  # each file system has classes of its own
        return ValueError(f"{printable(path)}: cannot be written ({reason(error)})")
    return None


class _Pieces:
    """What this run adds to the manifest of a remote folder, where no line can be added to a file.

    It goes up in files of a few lines each, which become one at the end. They are named so that no run writes to the
    file of another, and all are read by the next.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        for path in parts_of(mirror.local):
            try:
                mirror.fetch(path)
            except FileNotFoundError:
                mirror.drop(path)  # a piece of a run that has just come to its end
            except Exception as error:
                raise ValueError(f"{mirror.url}/{path.name}: cannot be read ({reason(error)})") from error
        # Lines that were there are not this run's.
        self._begin = {path: path.stat().st_size for path in parts_of(mirror.local)}
        self._sent = 0
        self._pieces: list[Path] = []
        self._run = f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(4)}"

    def add(self, manifest: Manifest) -> None:
        """Send what is new. Raises anything."""
        if lines := self._lines(manifest, self._sent):
            self._pieces.append(self._put(manifest, f"{self._run}-{len(self._pieces)}", lines))
            self._sent += len(lines)

    def join(self, manifest: Manifest) -> None:
        """Send all in one file, and delete the pieces; they stay if that fails, and say as much."""
        if lines := self._lines(manifest, 0):
            with suppress(Exception):
                self._put(manifest, self._run, lines)
                for piece in self._pieces:
                    self._mirror.remove(piece)

    def _lines(self, manifest: Manifest, start: int) -> bytes:
        """This run's from the byte `start` on, without one that is being written."""
        if manifest.path is None or not manifest.path.exists():
            return b""
        with open(manifest.path, "rb") as stream:
            stream.seek(self._begin.get(manifest.path, 0) + start)
            lines = stream.read()
        return lines[: lines.rfind(b"\n") + 1]

    def _put(self, manifest: Manifest, name: str, lines: bytes) -> Path:
        assert manifest.path is not None
        path = manifest.path.with_stem(f"{manifest.path.stem}-{name}")
        path.write_bytes(lines)
        self._mirror.put(path)
        self._mirror.drop(path)
        return path
