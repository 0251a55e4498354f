"""The outcome of a folder's translation: which files were translated, which were skipped, and which failed why."""

import errno
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from i2i_runtime.files import DISK_IS_FULL, printable
from i2i_runtime.folder.jobs import Job

# After these every further file would fail as well.
_FATAL = (*DISK_IS_FULL, errno.EROFS)


class FolderProgress(NamedTuple):
    """One file is through, the `finished`th of `total` to do. `error` is the message if it failed, else empty."""

    finished: int
    total: int
    name: Path
    error: str


@dataclass
class FolderReport:
    """Relative paths of sources, images in natural order. `stopped` says why some are in no list, empty if all are.

    Of the `skipped`, those whose results are not as the manifest has them are in `unknown` too. `coarse` are the images
    of 16 bits that went through a network with 8 at its ends, `unlike` those much larger or smaller than in training.
    """

    done: list[Path] = field(default_factory=list)
    carried: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    coarse: list[Path] = field(default_factory=list)
    unlike: list[Path] = field(default_factory=list)
    advice: str = ""  # what to do about these
    stopped: str = ""

    def add_success(self, job: Job) -> None:
        """Note that a job's result is there."""
        (self.carried if job.is_carried else self.done).append(job.name)

    def add_failure(self, job: Job, error: BaseException, message: str) -> None:
        """Note why a job has no result; errors that every further job would meet stop the work."""
        self.failed.append((job.name, message))
        if isinstance(error, OSError) and error.errno in _FATAL:
            self.stop(message)

    def stop(self, reason: str) -> None:
        """Note why the work ends before its end; the first reason counts."""
        self.stopped = self.stopped or reason

    def lines(self) -> list[str]:
        """The report as lines of text."""
        carried = f", {len(self.carried)} carried" if self.carried else ""
        skipped = f", {len(self.skipped)} were there already (--overwrite makes them again)" if self.skipped else ""
        lines = [f"{len(self.done)} translated{carried}{skipped}"]
        if self.unknown:
            unknown = f"{len(self.unknown)} of those are not in the manifest, or were changed since"
            lines += [f"{unknown}; they were left as they are"]
        if self.coarse:
            coarse = "images of 16 bits that have 256 levels now, since the file takes and gives 8 bits"
            lines += [f"{coarse}: {len(self.coarse)}; export it without --io uint8 to keep them"]
        if self.unlike:
            unlike = "images that are more than twice or less than half as large as those of training"
            lines += [f"{unlike}: {len(self.unlike)}; {self.advice}"]
        if self.failed:
            lines += [f"{len(self.failed)} failed:", *(f"  {message}" for _, message in self.failed)]
        if self.stopped:
            lines += [f"stopped before the end ({self.stopped}); the same command goes on"]
        return lines


def failure_message(job: Job, error: BaseException) -> str:
    """One sentence that names the file that an error is about: the source, or the result where writing it failed."""
    source, result = printable(job.source), printable(job.result)
    if isinstance(error, OSError):
        return f"{result}: cannot be written ({error.strerror or error})"
    text = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return text if text.startswith((source, result)) else f"{source}: {text}"
