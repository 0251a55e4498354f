"""The page on a local server, open in a headless Chromium."""

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.web.chromium import Browser, start

PAGE = Path(__file__).parents[2] / "export" / "web"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page in a folder where models can be put beside it."""
    site = tmp_path_factory.mktemp("site")
    for part in PAGE.iterdir():
        (site / part.name).symlink_to(part)
    return site


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def runtime() -> None:
    """ONNX Runtime Web beside the page, without which no model opens."""
    if not (PAGE / "ort").is_dir():
        pytest.skip("no ONNX Runtime Web; run export/web/setup")


@pytest.fixture(scope="module")
def page(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = start(tmp_path_factory.mktemp("chromium"))
    browser.open(address)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def browser(runtime: None, page: Browser) -> Browser:
    """The page, ready to open models."""
    return page
