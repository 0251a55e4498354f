"""Images are read once, written once, and only a few are in memory at a time."""

import builtins
import gc
from collections import Counter
from pathlib import Path
from threading import Event, Timer

import numpy as np
import pytest

from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, FolderReport, pipeline, translate_folder
from i2i_runtime.folder.manifest import Manifest, checksum
from tests.runtime.pictures import noise
from tests.waits import HANGS

CARD = Card(product="generator", in_channels=3, out_channels=3)
NAMES = ["a.png", "b.jpg", "c.tif", "deep/d.webp"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        images.write(tmp_path / "in" / name, noise(20, 30, 3))
    (tmp_path / "in" / "labels.json").write_text("{}")
    return tmp_path / "in"


def translate(tree: Path, **options) -> FolderReport:
    return translate_folder(lambda batch: batch, CARD, tree, tree.parent / "out", FolderOptions(**options))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[Path]:
    """How often each path is opened."""
    counts: Counter[Path] = Counter()
    real = builtins.open

    def count(path, *arguments, **options):
        if isinstance(path, str | Path):
            counts[Path(path)] += 1
        return real(path, *arguments, **options)

    monkeypatch.setattr(builtins, "open", count)
    return counts


def test_a_source_is_opened_once_and_a_result_written_under_one_temporary_name(
    tree: Path, opened: Counter[Path]
) -> None:
    report = translate(tree, carry=["*.json"])
    assert len(report.done) == len(NAMES) and len(report.carried) == 1
    sources = {path: count for path, count in opened.items() if path.is_relative_to(tree)}
    assert sources == {tree / name: 1 for name in [*NAMES, "labels.json"]}
    written = [path for path in opened if path.is_relative_to(tree.parent / "out")]
    assert len(written) == len(NAMES) + 1 and all(path.name.startswith(".") for path in written)
    assert sum(opened[path] for path in written) == len(written)


def test_the_manifest_has_the_checksums_of_the_files(tree: Path) -> None:
    translate(tree, carry=["*.json"])
    for name, entry in Manifest(tree.parent / "out").entries.items():
        assert entry.source_checksum == checksum(tree / name)
        assert entry.result_checksum == checksum(tree.parent / "out" / name)
        assert entry.result_bytes == (tree.parent / "out" / name).stat().st_size


@pytest.mark.filterwarnings("error::ResourceWarning", "error::pytest.PytestUnraisableExceptionWarning")
def test_files_that_were_opened_ahead_are_closed_when_the_run_stops(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = Event()

    def decode(data: bytes, path: Path, **options: bool) -> images.ImageWithMetadata:
        if path != tree / NAMES[0]:
            stopped.wait(HANGS)  # so that the last image is opened, and never read
        return images.decode(data, path, **options)

    def stop() -> bool:
        asked.append(1)
        if len(asked) > 1:
            Timer(0.3, stopped.set).start()
        return len(asked) > 1

    asked: list[int] = []
    monkeypatch.setattr(pipeline, "decode", decode)
    report = translate_folder(lambda batch: batch, CARD, tree, tree.parent / "out", stop=stop)
    assert report.done == [Path(NAMES[0])]
    gc.collect()


@pytest.mark.parametrize("what", ["labels.json", "a.png"])
def test_a_disk_that_is_full_while_writing_leaves_no_file(
    tree: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    real = builtins.open

    def full(path, mode="r", *arguments, **options):
        stream = real(path, mode, *arguments, **options)
        if "x" in mode and str(path).endswith(Path(what).suffix):
            stream.write(b"the first bytes")
            stream.close()
            raise OSError(28, "No space left on device")
        return stream

    monkeypatch.setattr(builtins, "open", full)
    report = translate(tree, carry=["*.json"])
    message = f"{tree.parent}/out/{what}: cannot be written (No space left on device)"
    assert (Path(what), message) in report.failed and report.stopped == message
    left = [path for path in (tree.parent / "out").rglob("*") if path.suffix == Path(what).suffix]
    assert left == []


@pytest.mark.parametrize(("waiting", "most"), [(2**28, 4), (1, 1), (100, 3)])
def test_decoding_and_encoding_stay_near_the_network(tmp_path, monkeypatch, waiting, most):
    monkeypatch.setattr(pipeline, "MAX_WAITING", waiting)  # bytes; an image has 48
    for index in range(40):
        (tmp_path / "in").mkdir(exist_ok=True)
        images.write(tmp_path / "in" / f"{index}.png", np.zeros((4, 4, 3), np.uint8))
    seen, ahead = [], []
    monkeypatch.setattr(
        pipeline, "decode", lambda data, path, **options: seen.append(path) or images.decode(data, path, **options)
    )

    def network(batch):
        ahead.append(len(seen) - len(ahead))
        return batch

    translate_folder(network, CARD, tmp_path / "in", tmp_path / "out")
    assert len(ahead) == 40
    assert 1 <= max(ahead) <= most  # twice the threads, or what the memory holds; with the one at hand
