"""Files: opened with errors that name them, written whole or not at all, printed whatever bytes their names have."""

import errno
import os
import re
import secrets
import shlex
import stat
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)

_CONTROLS = ("Cc", "Cs", "Zl", "Zp")  # of Unicode: control characters, surrogates, separators of lines
_LONGEST_SUFFIX = 16  # characters that a temporary name takes over


def printable(path: Path) -> str:
    """The path as text for messages: bytes that are not UTF-8 become question marks, control characters \\x1b, \\n."""
    return escape_controls(os.fsencode(path).decode("utf-8", "replace"), keep="")


def shell_word(path: Path) -> str:
    """The path as one word of a command in a message, quoted where a shell would split it."""
    return shlex.quote(printable(path))


def escape_controls(text: str, *, keep: str = "\n\t") -> str:
    """Text that a terminal may print: control characters of names, which could colour, clear or forge lines, as
    escapes such as \\x1b; those in `keep` stay.
    """
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _CONTROLS and char not in keep else char
        for char in text
    )


def open_regular_file(path: Path) -> BufferedReader:
    """Open a regular file for reading. Raises ValueError that names it where there is none or it can't be opened."""
    with read_errors(path):
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            kind = "a folder" if stat.S_ISDIR(mode) else "a device or pipe"
            raise ValueError(f"{printable(path)}: {kind}, not a file")
        return open(path, "rb")


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a ValueError that says that the file cannot be read."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"{printable(path)}: cannot be read ({error.strerror or error})") from error


@contextmanager
def write_atomically(file: Path, *, sync: bool = False) -> Iterator[Path]:
    """A temporary path to write, renamed to `file` when the block ends; `file` is whole, or as it was before.

    An error in the block, Ctrl-C included, deletes the temporary file and goes on; an OSError then names `file`. `sync`
    waits until the bytes are on the disk. The temporary name is hidden, lies beside `file` and has its suffix.
    """
    temporary = temporary_path(file)
    try:
        yield temporary
        if sync:
            with open(temporary, "r+b") as stream:
                os.fsync(stream.fileno())
        _share(temporary)
        os.replace(temporary, file)
    except OSError as error:
        if str(error.filename) == str(temporary):
            error.filename = str(file)
        raise
    finally:
        with suppress(OSError):
            temporary.unlink()


def _share(file: Path) -> None:
    """Give a file that a library has written for its owner alone (safetensors does) the mode of any new file."""
    with suppress(OSError):  # the block may have left a link, which is none of a file's business
        if stat.S_IMODE(file.lstat().st_mode) == 0o600:
            probe = temporary_path(file)  # the umask can only be read by setting it, for all threads
            probe.touch(0o666)
            file.chmod(stat.S_IMODE(probe.stat().st_mode))
            probe.unlink()


def check_output(file: Path, *suffixes: str, option: str = "", overwrite: bool = False) -> None:
    """Check the file that a command writes, before it begins, and create its folder.

    Raises ValueError, naming `option`, for another suffix, a file that is there, unless `overwrite`, and a folder that
    cannot be written in.
    """
    shown = f"{option} {printable(file)}".strip()
    if suffixes and file.suffix.lower() not in suffixes:
        allowed = " or ".join([*filter(None, [", ".join(suffixes[:-1])]), suffixes[-1]])
        raise ValueError(f"{shown}: allowed: a file whose name ends in {allowed}")
    if file.is_dir() or (os.path.lexists(file) and not overwrite):
        raise ValueError(f"{shown}: is there already; name another" + ("" if file.is_dir() else ", or --overwrite"))
    folder = file.absolute().parent
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ValueError(f"{shown}: cannot be written; its folder must be yours to write in")


def temporary_path(file: Path) -> Path:
    """A hidden name beside `file` that no other process takes, with the suffix by which writers choose a format."""
    return file.with_name(f".{secrets.token_hex(8)}.part{file.suffix[:_LONGEST_SUFFIX]}")


def no_room_for(what: str, error: OSError) -> str:
    """A sentence about temporary files that could not be written: their disk, which need not be that of the results."""
    try:
        folder = printable(Path(tempfile.gettempdir()))
    except OSError:  # no folder can be written to
        folder = "any folder for temporary files"
    return f"no room for {what} in {folder} ({error.strerror or error}); TMPDIR names another folder"


def is_temporary(file: Path) -> bool:
    """Whether a file has a name of `temporary_path`."""
    return bool(re.fullmatch(r"\.[0-9a-f]{16}\.part(\..*)?", file.name))


def remove_temporaries(folder: Path) -> None:
    """Remove the temporary files that killed processes have left in a folder, which no other process may write to."""
    for file in filter(is_temporary, folder.glob(".*.part*")):
        if file.is_symlink() or not file.is_dir():
            file.unlink(missing_ok=True)
