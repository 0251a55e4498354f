"""A remote tree is worked on as one on a disk: same names, same manifest, same results, nothing half there."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, remote, translate_folder
from i2i_runtime.folder.manifest import Manifest
from tests.runtime.engines.test_onnxruntime import write
from tests.runtime.folder.remote.store import HIGH, LABELS, MEMORY, NAMES, invert, lines, names, there, translate
from tests.runtime.test_cli import run


@pytest.mark.usefixtures("kind")
def test_a_remote_tree_becomes_what_a_local_one_does(tree: Path, low: str, tmp_path: Path) -> None:
    here = translate(tree, tmp_path / "out", carry=["labels/**"])
    there_too = translate(low, HIGH, carry=["labels/**"])
    assert there_too == here and names(here.done) == NAMES and names(here.carried) == LABELS
    assert there() == {name: (tmp_path / "out" / name).read_bytes() for name in NAMES + LABELS}
    local = Manifest(tmp_path / "out").entries
    for line in lines():
        entry = local[line["result"]]
        assert (line["source_checksum"], line["result_checksum"]) == (entry.source_checksum, entry.result_checksum)
    assert len(lines()) == len(local)


@pytest.mark.usefixtures("kind")
def test_either_side_may_be_local(tree: Path, low: str, tmp_path: Path) -> None:
    translate(tree, HIGH)
    translate(low, tmp_path / "out")
    assert images.list_images(tmp_path / "out") == [Path(name) for name in NAMES]
    assert there() == {name: (tmp_path / "out" / name).read_bytes() for name in NAMES}
    assert all((tree / name).is_file() for name in NAMES + LABELS), "what is not a mirror is left alone"
    assert names(translate(tree, HIGH).skipped) == names(translate(low, tmp_path / "out").skipped) == NAMES


@pytest.mark.usefixtures("kind")
def test_a_second_run_does_only_what_is_missing_or_changed(low: str) -> None:
    translate(low, HIGH)
    again = translate(low, HIGH)
    assert (again.done, names(again.skipped), again.unknown) == ([], NAMES, [])
    MEMORY.rm("/bucket/high/2.png")
    MEMORY.pipe_file("/bucket/low/10.png", MEMORY.cat_file("/bucket/low/1.png"))
    assert names(translate(low, HIGH).done) == ["2.png", "10.png"]
    assert there()["10.png"] == there()["1.png"]
    MEMORY.pipe_file("/bucket/high/1.png", b"somebody's own")
    assert names(translate(low, HIGH).unknown) == ["1.png"] and there()["1.png"] == b"somebody's own"
    assert names(translate(low, HIGH, overwrite=True).done) == NAMES
    assert translate(low, HIGH).unknown == []


def test_results_of_two_models_do_not_mix(low: str) -> None:
    translate(low, HIGH)
    other = Card(product="other", in_channels=3, out_channels=3)
    with pytest.raises(ValueError, match=r"^memory://bucket/high: has 5 results of another model .*choose another"):
        translate_folder(invert, other, low, HIGH)
    assert names(translate_folder(invert, other, low, HIGH, FolderOptions(mix=True)).skipped) == NAMES


@pytest.mark.usefixtures("kind")
def test_a_result_is_in_the_manifest_before_it_is_there(low: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put, seen = MEMORY.put_file, []

    def spy(here: str, key: str, **options) -> None:
        if here.endswith(".png"):
            assert Path(here).name in [Path(line["result"]).name for line in lines()]
            seen.append(here)
        put(here, key, **options)

    monkeypatch.setattr(MEMORY, "put_file", spy)
    report = translate(low, HIGH)
    assert report.failed == [] and len(seen) >= 4, "all but the .PNG"


def test_a_run_leaves_one_file_of_its_manifest_and_shards_each_their_own(low: str) -> None:
    parts = [translate(low, HIGH, shard=f"{index}/3", carry=["labels/**"]) for index in range(3)]
    assert sorted(names([name for part in parts for name in part.done])) == sorted(NAMES)
    assert sorted(names([name for part in parts for name in part.carried])) == LABELS
    manifests = [name for name in there(hidden=True) if name.startswith(".")]
    assert len(manifests) == sum(bool(part.done or part.carried) for part in parts)
    assert translate(low, HIGH, carry=["labels/**"]).unknown == []
    assert len([name for name in there(hidden=True) if name.startswith(".")]) == len(manifests), "nothing to say"


@pytest.mark.usefixtures("kind")
def test_an_interrupted_run_leaves_whole_files_and_the_next_one_goes_on(
    low: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(40):
        MEMORY.put_file(str(tree / "1.png"), f"/bucket/low/more{index}.png")
    calls: list[int] = []

    def network(batch: np.ndarray) -> np.ndarray:
        calls.append(1)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return 1 - batch

    with pytest.raises(KeyboardInterrupt):
        translate(low, HIGH, network=network)
    made = there()
    assert 0 < len(made) < 30 and set(made) <= {line["result"] for line in lines()}
    report = translate(low, HIGH)
    assert set(names(report.skipped)) == set(made) and report.unknown == []
    assert len(report.done) == 45 - len(made) and there() | made == there()
    assert not [name for name in there(hidden=True) if ".part" in name]


def test_stop_sends_what_was_made(low: str) -> None:
    answers = iter([False, False, True])
    report = translate(low, HIGH, stop=lambda: next(answers))
    assert names(report.done) == NAMES[:2] == list(there()) and report.stopped == "on request"
    assert names(translate(low, HIGH).done) == NAMES[2:]


def test_one_image_goes_to_a_folder_or_to_a_file_of_another_format(low: str, tmp_path: Path) -> None:
    translate(f"{low}/1.png", HIGH)
    translate(f"{low}/1.png", f"{HIGH}/new/b.tif")
    translate(f"{low}/1.png", tmp_path / "c.tif")
    assert sorted(there(hidden=True)) == ["1.png", "new/b.tif"]
    assert there()["new/b.tif"] == (tmp_path / "c.tif").read_bytes()


def has_contents(path: Path) -> bool:
    try:
        return path.stat().st_blocks > 0
    except FileNotFoundError:  # another thread has just given it another name, or dropped it
        return False


@pytest.mark.parametrize(("room", "most"), [(2**28, 60), (1, 12)])
def test_little_of_a_tree_is_here_at_once(
    tree: Path, staging: Path, monkeypatch: pytest.MonkeyPatch, room: int, most: int
) -> None:
    for index in range(100):
        MEMORY.put_file(str(tree / "1.png"), f"/bucket/low/{index}.png")
    monkeypatch.setattr(remote, "MAX_WAITING", room)
    here: list[int] = []

    def network(batch: np.ndarray) -> np.ndarray:
        here.append(sum(map(has_contents, staging.rglob("*.png"))))
        return batch

    assert len(translate("memory://bucket/low", HIGH, network=network, threads=1).done) == 100
    assert 1 <= max(here) <= most


def test_a_url_of_a_file_here_is_a_path(tree: Path, tmp_path: Path) -> None:
    translate(f"file://{tree}", f"file://{tmp_path}/out", carry=["labels/**"], link=True)
    assert (tmp_path / "out" / LABELS[0]).samefile(tree / LABELS[0])
    assert images.list_images(tmp_path / "out") == [Path(name) for name in NAMES]


@pytest.fixture
def server(tree: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tree.parent))) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


@pytest.mark.skipif(not find_spec("aiohttp"), reason="no aiohttp")
def test_a_web_server_is_a_source_only(tree: Path, server: str, tmp_path: Path) -> None:
    translate(tree, tmp_path / "expected", carry=["labels/**"])
    report = translate(f"{server}/in", tmp_path / "out", carry=["labels/**"])
    assert names(report.done) == NAMES and names(report.carried) == LABELS
    for name in NAMES + LABELS:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "expected" / name).read_bytes()
    assert names(translate(f"{server}/in", tmp_path / "out").skipped) == NAMES
    (tree / "2.png").write_bytes((tree / "1.png").read_bytes())
    assert names(translate(f"{server}/in", tmp_path / "out").done) == ["2.png"]
    assert names(translate(f"{server}/in/2.png", HIGH).done) == ["2.png"]
    with pytest.raises(ValueError, match=f"^{server}/out: cannot be written to"):
        translate(tree, f"{server}/out")
    with pytest.raises(ValueError, match=f"^{server}/none: no such file or folder"):
        translate(f"{server}/none", HIGH)
    with pytest.raises(ValueError, match=r"^http://127.0.0.1:9/in: cannot be listed .*[Cc]onnect"):
        translate("http://127.0.0.1:9/in", HIGH)


def test_the_program_takes_urls(low: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write(tmp_path / "blur.onnx")
    MEMORY.pipe_file("/bucket/low/2.png", b"no image")
    code, out, _ = run("translate", model, low, HIGH, "--shard", "0/1", capsys=capsys)
    assert code == 3 and "4 translated" in out and f"  {low}/2.png: not an image" in out
    code, _, err = run("translate", model, low, HIGH, "--link", capsys=capsys)
    assert code == 1 and err.startswith("error: link: memory://bucket/low is remote")
