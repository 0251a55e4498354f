"""A headless Chromium, driven through its debugging pipe: nothing but the browser has to be installed."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

SECONDS = 30  # to wait for anything


class Browser:
    """One page of a headless Chromium (https://chromedevtools.github.io/devtools-protocol)."""

    def __init__(self, program: str, folder: Path, *options: str) -> None:
        flags = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--remote-debugging-pipe", *options]
        commands, answers = os.pipe(), os.pipe()
        # Chromium reads from 3 and writes to 4; copies above those do not collide.
        high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (commands[0], answers[1])]
        self._process = subprocess.Popen(
            [program, *flags, f"--user-data-dir={folder}", "about:blank"],
            preexec_fn=lambda: [os.dup2(end, place) for end, place in zip(high, (3, 4), strict=True)] and None,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (commands[0], answers[1], *high):
            os.close(end)
        self._to, self._from = os.fdopen(commands[1], "wb"), os.fdopen(answers[0], "rb")
        self._number, self._rest, self._session = 0, b"", {}
        target = self.call("Target.createTarget", url="about:blank")
        self._session = {"sessionId": self.call("Target.attachToTarget", **target, flatten=True)["sessionId"]}

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters, **self._session}
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while True:
            answer = json.loads(self._read())
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _read(self) -> bytes:
        while b"\0" not in self._rest:
            piece = os.read(self._from.fileno(), 2**20)
            assert piece, "Chromium ended"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        return message

    def run(self, script: str) -> Any:
        """The value of an expression, awaited, in the page."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, address: str) -> None:
        self.call("Page.enable")
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def choose(self, **files: Path) -> None:
        """Give files to the inputs of these ids, as a user does."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        for name, file in files.items():
            node = self.call("DOM.querySelector", nodeId=root, selector=f"#{name}")
            self.call("DOM.setFileInputFiles", files=[str(file)], **node)

    def until(self, condition: str) -> None:
        wait = f"""(async () => {{
            for (let end = Date.now() + {SECONDS * 1000}; Date.now() < end; await new Promise((r) => setTimeout(r, 20)))
                if ({condition}) return true;
            return document.body.innerText; }})()"""
        assert self.run(wait) is True

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._to.close()
        self._from.close()


def start(folder: Path, *options: str) -> Browser:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium")
    return Browser(program, folder, *options)
