import hashlib
import itertools
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request

import pytest
import torch

from i2i import download as module
from i2i.download import Unreachable, download, mirror_url
from i2i.pretrained import PublishedWeights, load_or_download

CONTENT = bytes(range(256)) * 4096  # 1 MiB


@dataclass
class Server:
    """A server of one file, with faults that the tests choose."""

    content: bytes = CONTENT
    ranges: bool = True
    etag: str = '"one"'
    breaks: list[int] = field(default_factory=list)  # bytes after which each of the next responses ends
    redirects: list[str] = field(default_factory=list)  # where the next responses lead instead
    endless: bool = False  # no length is declared
    status: list[int] = field(default_factory=list)  # of the next responses, instead of the file
    paths: list[str] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    url: str = ""

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        self.paths.append(handler.path)
        if self.status:
            handler.send_error(self.status.pop(0))
            return
        if self.redirects:
            handler.send_response(302)
            handler.send_header("Location", self.redirects.pop(0))
            handler.end_headers()
            return
        start = 0
        requested = handler.headers.get("Range")
        if requested and self.ranges and handler.headers.get("If-Range") == self.etag:
            start = int(requested.removeprefix("bytes=").removesuffix("-"))
            if start >= len(self.content):
                handler.send_error(416)
                return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        if not self.endless:
            handler.send_header("Content-Length", str(len(self.content) - start))
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.end_headers()
        body = self.content[start:]
        body = body[: self.breaks.pop(0)] if self.breaks else body
        self.sent.append(len(body))
        handler.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "PAUSE", 0.0)
    monkeypatch.delenv("I2I_MIRROR", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    served = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.respond(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        served.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield served
        listening.shutdown()
        thread.join()


def test_a_download_leaves_the_file_and_no_other(server: Server, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    download(f"{server.url}/a/b.zip", tmp_path / "new" / "b.zip", progress=lambda *numbers: progress.append(numbers))
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["b.zip"]
    assert (tmp_path / "new" / "b.zip").read_bytes() == CONTENT
    assert progress[-1] == (len(CONTENT), len(CONTENT))
    assert progress == sorted(progress)


def test_an_interrupted_download_continues_as_long_as_it_receives_something(server: Server, tmp_path: Path) -> None:
    server.breaks = [200_000] * (module.TRIES + 1)  # each try receives something new
    download(f"{server.url}/b.zip", tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == CONTENT
    # Each continuation requests one byte again.
    assert sum(server.sent) == len(CONTENT) + module.TRIES + 1


def test_a_later_call_resumes_an_earlier_download(server: Server, tmp_path: Path) -> None:
    server.breaks = [600_000, 0, 0, 0]
    with pytest.raises(Unreachable, match=f"600000 of {len(CONTENT)} bytes"):
        download(f"{server.url}/b.zip", tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()
    server.breaks, server.sent = [], []
    download(f"{server.url}/b.zip", tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == CONTENT
    assert server.sent == [len(CONTENT) - 600_000 + 1]


def test_a_complete_part_is_not_downloaded_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "b.zip.part").write_bytes(CONTENT)
    (tmp_path / "b.zip.part.tag").write_text(server.etag)
    download(f"{server.url}/b.zip", tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == CONTENT
    assert server.sent == [1]


def test_a_part_longer_than_the_file_is_deleted(server: Server, tmp_path: Path) -> None:
    (tmp_path / "b.zip.part").write_bytes(CONTENT * 2)
    (tmp_path / "b.zip.part.tag").write_text(server.etag)
    download(f"{server.url}/b.zip", tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == CONTENT


def test_a_file_that_has_changed_is_downloaded_from_its_beginning(server: Server, tmp_path: Path) -> None:
    (tmp_path / "b.zip.part").write_bytes(b"x" * 600_000)
    (tmp_path / "b.zip.part.tag").write_text('"old"')
    download(f"{server.url}/b.zip", tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == CONTENT


@pytest.mark.parametrize("faults", [{"ranges": False}, {"etag": ""}, {"etag": 'W/"one"'}])
def test_a_download_starts_over_where_the_server_cannot_resume(
    server: Server, tmp_path: Path, faults: dict[str, object]
) -> None:
    vars(server).update(faults)
    server.breaks = [600_000]
    download(f"{server.url}/b.zip", tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == CONTENT
    assert server.sent == [600_000, len(CONTENT)]


def test_a_download_fails_after_tries_that_receive_nothing_new(server: Server, tmp_path: Path) -> None:
    server.ranges, server.breaks = False, [1000] * 20
    with pytest.raises(Unreachable, match="1000 of"):
        download(f"{server.url}/b.zip", tmp_path / "b.zip")
    # The first receives something new, three more do not.
    assert len(server.sent) <= module.TRIES + 1
    assert not (tmp_path / "b.zip").exists()


def test_a_missing_file_is_requested_once(server: Server, tmp_path: Path) -> None:
    server.status = [404]
    with pytest.raises(Unreachable, match=f"{server.url}/b.zip: the server answers 404 Not Found"):
        download(f"{server.url}/b.zip", tmp_path / "b.zip")
    assert len(server.paths) == 1
    assert not list(tmp_path.iterdir())


def test_a_busy_server_is_tried_again_after_growing_pauses(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(module, "PAUSE", 1.0)
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    server.status = [503, 429]
    download(f"{server.url}/b.zip", tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == CONTENT
    assert pauses == [1.0, 2.0]


def test_a_file_of_another_digest_is_refused_and_deleted(server: Server, tmp_path: Path) -> None:
    right = hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(ValueError, match=f"sha256 is {right}, not 00"):
        download(f"{server.url}/b.zip", tmp_path / "b.zip", sha256="00")
    assert not list(tmp_path.iterdir())
    download(f"{server.url}/b.zip", tmp_path / "b.zip", sha256=right)


def test_weights_are_downloaded_from_the_mirror_and_checked_by_the_first_digits_of_their_checksum(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"weight": torch.ones(3)}, tmp_path / "source.pth")
    server.content = (tmp_path / "source.pth").read_bytes()
    digest = hashlib.sha256(server.content).hexdigest()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("I2I_MIRROR", server.url)
    published = PublishedWeights("a network", "https://download.pytorch.org/models/net.pth", digest[:8])
    for wrong in ("00000000", digest[1:9]):
        with pytest.raises(
            ValueError, match=f"a network can't be downloaded .*sha256 is {digest}, not {wrong}"
        ) as error:
            load_or_download(published._replace(sha256=wrong))
        assert str(tmp_path / "hub/checkpoints/net.pth") in str(error.value)
    loaded = load_or_download(published)
    assert loaded.sha256 == digest and torch.equal(loaded.state["weight"], torch.ones(3))
    assert server.paths == ["/models/net.pth"] * 3
    assert [path.name for path in (tmp_path / "hub/checkpoints").iterdir()] == ["net.pth"]


def test_a_refused_connection_is_one_sentence(server: Server, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(Unreachable, match=f"http://127.0.0.1:{port}/b.zip: can't be reached \\(Connection refused\\)"):
        download(f"http://127.0.0.1:{port}/b.zip", tmp_path / "b.zip")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/b.zip", "b.zip"])
def test_only_http_is_downloaded(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("I2I_MIRROR", raising=False)
    with pytest.raises(ValueError, match="only http:// and https://"):
        download(url, tmp_path / "b.zip")


def test_a_mirror_replaces_the_server_and_keeps_the_path(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("I2I_MIRROR", f"{server.url}/copy/")
    download("https://nowhere.invalid/sets/b.zip", tmp_path / "b.zip")
    assert server.paths == ["/copy/sets/b.zip"]
    monkeypatch.setenv("I2I_MIRROR", "")
    assert mirror_url("https://nowhere.invalid/sets/b.zip") == "https://nowhere.invalid/sets/b.zip"


def test_a_folder_that_cannot_be_written_is_one_sentence(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"b\.zip: can't be written"):
        download(f"{server.url}/b.zip", tmp_path / "file" / "b.zip")


def test_redirects_lead_to_http_but_not_to_other_schemes(server: Server, tmp_path: Path) -> None:
    server.redirects = ["/elsewhere.zip"]
    download(f"{server.url}/b.zip", tmp_path / "b.zip")
    assert server.paths == ["/b.zip", "/elsewhere.zip"]
    for address in ("ftp://127.0.0.1/b.zip", "file:///etc/passwd"):
        server.redirects, server.paths = [address], []
        with pytest.raises(Unreachable, match=rf"b.zip: .*edirect.* to .*{address}"):
            download(f"{server.url}/b.zip", tmp_path / "c.zip")
        assert len(server.paths) == 1


def test_no_redirect_leads_from_https_to_http() -> None:
    follow = module._SafeRedirects().redirect_request
    for old, new, allowed in (("https", "http", False), ("https", "https", True), ("http", "https", True)):
        request = Request(f"{old}://host/b.zip")
        if allowed:
            assert follow(request, None, 302, "", Message(), f"{new}://host/c.zip").full_url == f"{new}://host/c.zip"
        else:
            with pytest.raises(Unreachable, match="redirected to http://host"):
                follow(request, None, 302, "", Message(), f"{new}://host/c.zip")


@pytest.mark.parametrize("endless", [False, True])
def test_a_body_longer_than_it_may_be_is_not_kept(server: Server, tmp_path: Path, endless: bool) -> None:
    server.endless = endless
    with pytest.raises(ValueError, match=r"more than 500,000 bytes"):
        download(f"{server.url}/b.zip", tmp_path / "b.zip", max_bytes=500_000)
    assert not list(tmp_path.iterdir())


def test_a_server_that_sends_next_to_nothing_is_given_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0, 10_000)
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    with pytest.raises(Unreachable, match="bytes a second; at least 1024 are needed"):
        download(f"{server.url}/b.zip", tmp_path / "b.zip")
    assert len(server.paths) == 1
