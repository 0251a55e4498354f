"""Download a file over http(s): resumed after an interruption, checked, complete or not there."""

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from i2i.progress import Progress

CHUNK = 1 << 18  # bytes
TIMEOUT = 30.0  # seconds without a byte
TRIES = 3  # in a row that receive nothing new
SLOWEST = 1024  # bytes a second, of a minute or more
MAX_BYTES = 100 * 10**9  # more than any published set
PAUSE = 1.0  # seconds before the second try, twice that before the third


class Unreachable(ValueError):
    """The server cannot be reached or does not have the file."""


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects over http and https, and none from https to http, which anybody on the way can change."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme != "https" and (scheme != "http" or req.type == "https"):
            raise Unreachable(f"{req.full_url}: redirected to {newurl}; allowed: https://, and http:// from http://")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Retryable(Exception):
    """An error after which another try may succeed."""


def mirror_url(url: str) -> str:
    """The url with its http://server replaced by that of $I2I_MIRROR (such as https://host/copy), where that is set."""
    mirror = os.environ.get("I2I_MIRROR", "").rstrip("/")
    return mirror + urlsplit(url).path if mirror else url


def download(
    url: str, target: Path, *, sha256: str = "", max_bytes: int = MAX_BYTES, progress: Progress | None = None
) -> None:
    """Download `url` (or its copy on a mirror) to the file `target`, which appears only when it is complete.

    What an interrupted download received stays beside it as `.part`, and is continued if the server supports that and
    still has the same file. Raises Unreachable where the server can't be reached, has no such file, or sends it too
    slowly; ValueError for another scheme than http(s), more than `max_bytes`, another digest than `sha256` (or than its
    first digits), and a disk that can't be written.
    """
    url = mirror_url(url)
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url}: only http:// and https:// can be downloaded (see $I2I_MIRROR)")
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch_with_retries(url, part, max_bytes, progress)
        if not (found := _sha256(part) if sha256 else "").startswith(sha256):
            _delete(part)
            raise ValueError(f"{url}: sha256 is {found}, not {sha256}: changed or damaged on the way; try again")
        os.replace(part, target)
        _delete(part)
    except OSError as error:
        raise ValueError(f"{target}: can't be written ({error.strerror or error})") from error


def _fetch_with_retries(url: str, part: Path, max_bytes: int, progress: Progress | None) -> None:
    """Try until the file is complete, or until TRIES tries in a row received nothing new."""
    most, failures = _size(part), 0
    while True:
        try:
            return _fetch(url, part, max_bytes, progress)
        except _Retryable as error:
            failures = 1 if _size(part) > most else failures + 1
            most = max(most, _size(part))
            if failures >= TRIES:
                raise Unreachable(f"{url}: can't be reached ({error})") from error
            time.sleep(PAUSE * 2 ** (failures - 1))


def _fetch(url: str, part: Path, max_bytes: int, progress: Progress | None) -> None:
    """One try: request what `part` lacks, append it, and compare the length with the one that the server declares."""
    tag_file = _tag_file(part)
    tag = tag_file.read_text() if tag_file.exists() else ""
    # The last byte is requested again, so that a complete part is no range error.
    start = max(0, _size(part) - 1) if tag else 0
    headers = {"User-Agent": "i2i", "Accept-Encoding": "identity"}
    if start:
        # If-Range: a file that has changed is sent from its beginning, with status 200.
        headers |= {"Range": f"bytes={start}-", "If-Range": tag}
    with _open(urllib.request.Request(url, headers=headers), part) as response:
        if response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            total = _number(response.headers["Content-Range"].rpartition("/")[2])
        else:
            start, total = 0, _number(response.headers.get("Content-Length"))
        _check_length(total, max_bytes, url, part)
        with open(part, "r+b" if start else "wb") as file:
            if not start:
                tag_file.write_text(_tag(response.headers))
            file.seek(start)
            for chunk in _chunks(response, url):
                _check_length(file.tell() + len(chunk), max_bytes, url, part)
                file.write(chunk)
                if progress:
                    progress(file.tell(), total)
        if total and _size(part) != total:
            raise _Retryable(f"the connection ended after {_size(part)} of {total} bytes")


def _open(request: urllib.request.Request, part: Path) -> http.client.HTTPResponse:
    try:
        return urllib.request.build_opener(_SafeRedirects).open(request, timeout=TIMEOUT)
    except Unreachable:
        raise
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            _delete(part)
        if error.code in (408, 416, 429) or error.code >= 500:
            raise _Retryable(f"the server answers {error.code} {error.reason}") from error
        raise Unreachable(f"{request.full_url}: the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise _Retryable(reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Retryable(error) from error
    except ValueError as error:  # http.client's InvalidURL is one
        raise ValueError(f"{request.full_url}: not an address ({error})") from error


def _check_length(length: int, max_bytes: int, url: str, part: Path) -> None:
    if length > max_bytes:
        _delete(part)
        raise ValueError(f"{url}: more than {max_bytes:,} bytes, which it should not have; it is not kept")


def _chunks(response: http.client.HTTPResponse, url: str) -> Iterator[bytes]:
    """Bytes from the server, as they come. Raises Unreachable for less than SLOWEST, _Retryable for a broken line."""
    begin, received = time.monotonic(), 0
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _Retryable(error) from error
        if not chunk:
            return
        received += len(chunk)
        seconds = time.monotonic() - begin
        if seconds > 60 and received < SLOWEST * seconds:
            raise Unreachable(f"{url}: sends {received / seconds:.0f} bytes a second; at least {SLOWEST} are needed")
        yield chunk


def _tag(headers: http.client.HTTPMessage) -> str:
    """The version of the file: a strong ETag, else the date of its last change, else nothing."""
    etag = headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _delete(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _sha256(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
