"""The manifest of a remote folder, where no line can be added to a file."""

import secrets
import time
from contextlib import suppress
from pathlib import Path

from i2i_runtime.folder.manifest import Manifest, manifest_files
from i2i_runtime.folder.remote_tree import Mirror, reason


class RemoteManifest:
    """This run's part of a remote manifest: uploaded in files of a few lines each, which become one at the end.

    The files are named so that no run writes to the file of another, and all are read by the next. Raises ValueError
    where the manifest that is there cannot be read.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        for path in manifest_files(mirror.local):
            try:
                mirror.fetch(path)
            except FileNotFoundError:
                mirror.evict(path)  # a piece of a run that has just come to its end
            except Exception as error:
                raise ValueError(f"{mirror.url}/{path.name}: cannot be read ({reason(error)})") from error
        # Lines that were there are not this run's.
        self._begin = {path: path.stat().st_size for path in manifest_files(mirror.local)}
        self._uploaded = 0  # bytes of this run's lines
        self._pieces: list[Path] = []
        self._run = f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(4)}"

    def add(self, manifest: Manifest) -> None:
        """Upload the new lines. Raises whatever the file system does."""
        if lines := self._lines(manifest, self._uploaded):
            self._pieces.append(self._upload(manifest, f"{self._run}-{len(self._pieces)}", lines))
            self._uploaded += len(lines)

    def merge(self, manifest: Manifest) -> None:
        """Upload all lines as one file, and delete the pieces; if that fails, the pieces stay and say as much."""
        if lines := self._lines(manifest, 0):
            with suppress(Exception):
                self._upload(manifest, self._run, lines)
                for piece in self._pieces:
                    self._mirror.remove(piece)

    def _lines(self, manifest: Manifest, start: int) -> bytes:
        """This run's lines from the byte `start` on, without one that is being written."""
        if manifest.path is None or not manifest.path.exists():
            return b""
        with open(manifest.path, "rb") as stream:
            stream.seek(self._begin.get(manifest.path, 0) + start)
            lines = stream.read()
        return lines[: lines.rfind(b"\n") + 1]

    def _upload(self, manifest: Manifest, name: str, lines: bytes) -> Path:
        assert manifest.path is not None
        path = manifest.path.with_stem(f"{manifest.path.stem}-{name}")
        path.write_bytes(lines)
        self._mirror.upload(path)
        self._mirror.evict(path)
        return path
