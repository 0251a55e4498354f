import threading
import time
import zipfile
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest

from i2i import download
from i2i.data import known
from i2i.data.cache import cache_folder
from i2i.data.known import Archive, KnownData, cached, find
from i2i.registry import datasets


@dataclass
class Dots:
    """A plugin's data set."""

    name: str = "dots"
    kinds: tuple[str, ...] = ("unpaired",)
    size: str = "1 image"
    description: str = "a dot"
    calls: list[Path] = field(default_factory=list)

    def prepare(self, folder: Path, progress: known.Progress | None = None) -> None:
        self.calls.append(folder)
        folder.mkdir()
        (folder / "1.png").write_bytes(b"dot")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and working folder, no mirror, and a registry that a test may add to."""
    monkeypatch.setenv("I2I_DATA", str(tmp_path / "cache"))
    monkeypatch.delenv("I2I_MIRROR", raising=False)
    monkeypatch.setattr(download, "PAUSE", 0.0)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(datasets, "_parts", {name: datasets[name] for name in datasets})
    return tmp_path / "cache"


@pytest.fixture
def dots() -> Dots:
    data = Dots()
    datasets.register("dots")(data)
    return data


@pytest.mark.parametrize("name", list(datasets))
def test_every_known_set_has_its_name_kinds_and_size(name: str) -> None:
    each = cast(KnownData, datasets[name])
    assert each.name == name
    assert each.kinds and set(each.kinds) <= {"paired", "unpaired", "high"}
    assert each.size and each.description
    if isinstance(each, Archive):
        assert each.url.endswith((".zip", ".tar.gz"))
        assert each.url.startswith("https://")
        assert 10**7 < each.max_bytes < 2 * 10**10
        assert len(each.sha256) in (0, 64)


def test_no_two_sets_share_a_file_in_the_cache() -> None:
    urls = [each.url for name in datasets if isinstance(each := datasets[name], Archive)]
    names = [url.rpartition("/")[2] for url in urls]
    assert len(set(names)) == len(names) > 10


def test_the_data_set_of_a_plugin_is_prepared_once(dots: Dots, cache: Path) -> None:
    lines: list[str] = []
    assert find("dots", kind="unpaired", notify=lines.append) == cache / "dots"
    assert find("dots", notify=lines.append) == cache / "dots"
    assert dots.calls == [cache / "dots"]
    assert [line.startswith("dots: ") for line in lines] == [True, True]


def test_a_folder_is_preferred_to_a_known_set_of_its_name_and_that_is_logged(dots: Dots) -> None:
    Path("dots").mkdir()
    lines: list[str] = []
    assert find("dots", notify=lines.append) == Path("dots")
    assert lines == [f"dots: the folder {Path('dots').resolve()}, not the known data set of that name"]
    assert not dots.calls
    assert cached("dots").parent == cache_folder("data")


def test_a_folder_of_another_name_is_not_logged(tmp_path: Path) -> None:
    lines: list[str] = []
    assert find(tmp_path, kind="paired", notify=lines.append) == tmp_path
    assert lines == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("horsezebra", "no such folder, and no data set of that name; did you mean 'horse2zebra'?"),
        ("./horse2zebra", "^./horse2zebra: no such folder$"),
        ("nothing/here", "^nothing/here: no such folder$"),
        ("file.jpg", "file.jpg: a file; give the folder"),
        ("cityscapes", "its licence forbids copies; get it at .* and put images into .*/cache/cityscapes"),
    ],
)
def test_a_name_that_is_no_data_set_is_refused_in_one_sentence(name: str, sentence: str) -> None:
    Path("file.jpg").write_text("")
    with pytest.raises(ValueError, match=sentence):
        find(name)


def test_the_kind_chooses_between_paired_and_unpaired_sets_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in (("dots", "paired"), ("dots-unpaired", "unpaired")):
        datasets.register(name)(Dots(name, kinds=(kind,)))
    assert cached("dots").name == "dots"
    assert cached("dots", kind="paired").name == "dots"
    assert cached("dots", kind="unpaired").name == "dots-unpaired"


def test_a_set_of_the_wrong_kind_is_refused_before_it_is_prepared(dots: Dots) -> None:
    with pytest.raises(ValueError, match=r"dots: unpaired data where paired are needed; paired are: .*facades, "):
        find("dots", kind="paired")
    assert not dots.calls


def test_high_resolution_photos_are_a_kind(dots: Dots) -> None:
    datasets.register("dots-high")(Dots("dots-high", kinds=("high",)))
    assert cached("dots", kind="high").name == "dots-high"
    with pytest.raises(ValueError, match=r"facades: paired data where high are needed; high are: div2k, dots-high$"):
        find("facades", kind="high")


def test_processes_that_need_the_same_set_prepare_it_once(cache: Path) -> None:
    pytest.importorskip("fcntl")

    class Slow(Dots):
        def prepare(self, folder: Path, progress: known.Progress | None = None) -> None:
            time.sleep(0.05)  # time for the other one to go wrong
            super().prepare(folder, progress)

    slow = Slow()
    datasets.register("dots")(slow)
    # Two open files lock each other out within a process as well.
    both = [threading.Thread(target=cached, args=("dots",)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert slow.calls == [cache / "dots"]


def test_a_failed_download_leaves_no_folder_and_says_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_MIRROR", "http://127.0.0.1:9")  # the discard port: nobody listens
    with pytest.raises(ValueError, match="can't be reached") as raised:
        find("horse2zebra")
    assert not (cache / "horse2zebra").exists()
    sentence = str(raised.value)
    assert "http://127.0.0.1:9/cyclegan/datasets/horse2zebra.zip" in sentence
    assert f"at {cache}/horse2zebra.zip" in sentence
    assert f"into {cache}/horse2zebra," in sentence
    assert "\n" not in sentence


def test_an_archive_in_the_cache_is_unpacked_without_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_MIRROR", "http://127.0.0.1:9")
    cache.mkdir()
    with zipfile.ZipFile(cache / "horse2zebra.zip", "w") as file:
        file.writestr("horse2zebra/trainA/1.jpg", b"horse")
    assert (find("horse2zebra") / "trainA" / "1.jpg").read_bytes() == b"horse"
    assert not (cache / "horse2zebra.zip").exists()


def test_an_archive_is_downloaded_checked_and_unpacked_once(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "served" / "pix2pix" / "datasets"
    served.mkdir(parents=True)
    with zipfile.ZipFile(served / "dots.zip", "w") as file:
        file.writestr("dots/train/1.jpg", b"dot")
    paths: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            paths.append(self.path)

    archive = Archive("dots", ("paired",), "http://nowhere.invalid/pix2pix/datasets/dots.zip", "1 KB", "a dot")
    datasets.register("dots")(archive)
    stages: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path / "served")) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        monkeypatch.setenv("I2I_MIRROR", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        cached("dots", progress=lambda stage, done, total: stages.append(stage))
        datasets.register("damaged")(replace(archive, name="damaged", sha256="00"))
        with pytest.raises(ValueError, match="sha256 is"):
            find("damaged")
        server.shutdown()
    assert (find("dots") / "train" / "1.jpg").read_bytes() == b"dot"
    assert paths == ["/pix2pix/datasets/dots.zip"] * 2
    assert list(dict.fromkeys(stages)) == ["downloading", "unpacking"]


def test_the_built_in_world_is_drawn_once_for_both_kinds(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_world(folder: Path, **options: object) -> None:
        folder.mkdir()
        calls.append((folder, options["seed"]))

    calls: list[tuple[Path, object]] = []
    monkeypatch.setattr("i2i.data.world.make_world", make_world)
    assert find("sim2real", kind="paired") == find("sim2real", kind="unpaired") == cache / "sim2real"
    assert calls == [(cache / "sim2real", 0)]


def test_a_cache_that_cannot_be_written_is_one_sentence(
    dots: Dots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("I2I_DATA", str(tmp_path / "file" / "cache"))
    with pytest.raises(ValueError, match=r"can't be written .*; name another folder in \$I2I_DATA"):
        find("dots")
