"""What goes wrong with a remote tree is a sentence with the URL that the user gave, and the other files are done."""

import importlib
import sys
import tempfile
from importlib.util import find_spec

import pytest

from i2i_runtime.folder import pipeline, remote_tree
from tests.runtime.folder.remote.store import HIGH, MEMORY, lines, names, there, translate

registry = importlib.import_module("fsspec.registry")


def test_bad_files_are_named_as_the_user_named_them_and_the_others_done(
    low: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    MEMORY.pipe_file("/bucket/low/2.png", b"no image")
    get, put = MEMORY.get_file, MEMORY.put_file

    def lose(key: str, here: str, **options) -> None:
        if key.endswith("/10.png"):
            raise RuntimeError("403\nForbidden")
        get(key, here, **options)

    def refuse(here: str, key: str, **options) -> None:
        if here.endswith("/x.png"):
            raise PermissionError(13, "Access Denied")
        put(here, key, **options)

    monkeypatch.setattr(MEMORY, "get_file", lose)
    monkeypatch.setattr(MEMORY, "put_file", refuse)
    events: list[str] = []
    report = translate(low, HIGH, progress=lambda at: events.append(at.error))
    assert names(report.done) == ["1.png", "a b/猫.PNG"] == sorted(there())
    sentences = [sentence for _, sentence in report.failed]
    assert sentences == [
        "memory://bucket/low/2.png: not an image; readable: PNG, JPEG, WebP, BMP, TIFF",
        "memory://bucket/low/10.png: cannot be read (403 Forbidden)",
        "memory://bucket/high/a b/deep/x.png: cannot be written (Access Denied)",
    ]
    assert [error for error in events if error] == sentences
    assert {line["error"] for line in lines() if "error" in line} == set(sentences)
    monkeypatch.undo()
    assert names(translate(low, HIGH).done) == ["10.png", "a b/deep/x.png"]


def test_a_full_disk_for_files_on_their_way_is_not_called_the_targets(
    low: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    here = f"no room for files on their way in {tempfile.gettempdir()} (No space left on device); TMPDIR names another"
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "encode", full)
        assert here in translate(low, HIGH).stopped
    monkeypatch.setattr(MEMORY, "get_file", full)
    assert here in translate(low, f"{HIGH}er").failed[0][1]


def test_a_remote_file_that_cannot_be_carried_is_a_sentence(low: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a file of zeros."""
    monkeypatch.setattr(MEMORY, "get_file", lambda *_, **__: 1 / 0)
    report = translate(low, HIGH, carry=["labels/**"])
    assert report.done == report.carried == [] and len(report.failed) == 7 and there() == {}


@pytest.mark.parametrize(
    ("source", "target", "options", "sentence"),
    [
        ("memory://bucket/no", HIGH, {}, "memory://bucket/no: no such file or folder"),
        ("memory://bucket/low/labels", HIGH, {}, "memory://bucket/low/labels: no images in this folder"),
        ("memory://bucket/low", "memory://bucket/low/", {}, "memory://bucket/low: lies in the source"),
        ("memory://bucket/low", "memory://bucket/low/out", {}, "memory://bucket/low/out: lies in the source"),
        ("memory://bucket/low", HIGH, {"link": True}, "link: memory://bucket/low is remote; leave out --link"),
        ("memory://bucket/low", HIGH, {"carry": ["labels"]}, "carry: 'labels' matches no file in memory://bucket/low;"),
        ("nosuch://bucket/low", HIGH, {}, "nosuch://bucket/low: protocol 'nosuch' is not known; choose from: s3, gs"),
        ("memory://bucket/low", "https://nowhere/x", {}, "https://nowhere/x: cannot be (written|listed)"),
    ],
)
def test_trees_that_cannot_be_translated_are_refused_first(
    low: str, source: str, target: str, options: dict, sentence: str
) -> None:
    before = MEMORY.find("/")
    if target.startswith("http") and not find_spec("aiohttp"):
        pytest.skip("no aiohttp")
    with pytest.raises(ValueError, match=f"^{sentence}"):
        translate(source, target, **options)
    assert MEMORY.find("/") == before


@pytest.mark.parametrize(
    ("protocol", "module", "sentence"),
    [
        ("s3", "s3fs", "s3://b/x: needs another package: pip install s3fs"),
        ("gs", "gcsfs", "gs://b/x: needs another package: pip install gcsfs"),
        (
            "webhdfs",
            "fsspec.implementations.webhdfs",
            r'webhdfs://b/x: webHDFS access requires "requests" to be installed',
        ),
        ("s3", "fsspec.core", "s3://b/x: remote trees need fsspec: pip install fsspec"),
    ],
)
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, protocol: str, module: str, sentence: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(registry._registry, protocol, raising=False)
    with pytest.raises(ValueError, match=f"^{sentence}"):
        translate(f"{protocol}://b/x", HIGH)


def test_a_target_that_cannot_be_written_to_is_refused_before_the_work(
    low: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_, **__) -> None:
        raise PermissionError("The specified bucket does not exist")

    monkeypatch.setattr(MEMORY, "put_file", refuse)
    with pytest.raises(
        ValueError, match=r"^memory://bucket/high: cannot be written to \(The specified bucket does not"
    ):
        translate(low, HIGH, network=lambda batch: pytest.fail("worked"))


@pytest.mark.parametrize(
    "key", ["/bucket/low/../../evil.png", "/bucket/low/1.png/under.png", "/bucket/low/" + "a" * 300]
)
def test_keys_that_are_no_paths_are_refused(low: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_tree, "_OBJECT_STORES", {"memory"})
    MEMORY.store[key] = MEMORY.store["/bucket/low/1.png"]
    with pytest.raises(ValueError, match=r"^memory://bucket/low: '.*' cannot be a path here"):
        translate(low, HIGH)
