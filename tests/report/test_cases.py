"""What runs make of held-out images, and the command that shows it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from i2i.report import write_report
from i2i.report.cases import cases_of
from i2i.training import run
from tests.cli.test_cli import i2i_run
from tests.report.runs import Outside, made_up
from tests.worlds import digits, tiny_recipe, tiny_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("data") / "world")


def trained(method: str, data: Path, out: Path, *more: str) -> Path:
    return run.train(tiny_recipe(method, data, "train.steps=2", "train.log_every=1", *more), out)


@pytest.mark.parametrize(
    ("method", "title", "cases"), [("pix2pix", "truth", 2), ("cyclegan", "and back", 4), ("rrdb-psnr", "truth", 1)]
)
def test_a_run_shows_what_it_makes_of_held_out_images(
    method: str, title: str, cases: int, world: Path, tmp_path: Path
) -> None:
    folder = trained(method, world / "trainB" if method == "rrdb-psnr" else world, tmp_path / "run")
    before = torch.get_rng_state()
    shown = cases_of(folder, 2)
    assert torch.equal(before, torch.get_rng_state())
    assert len(shown.cases) == cases and not shown.notes
    for case in shown.cases:
        assert title in {*case.given, *case.made} and any("PSNR" in name for name in case.measures)
        assert len({pixels.shape for pixels in (*case.given.values(), *case.made.values())}) == 1
    write_report([folder / "latest"], tmp_path / "page.html", images=2)
    assert Outside((tmp_path / "page.html").read_text()).tags.count("figure") == cases + 1, "and the sheets"


def test_a_measure_of_a_case_is_that_of_its_pictures(world: Path, tmp_path: Path) -> None:
    (case,) = cases_of(trained("pix2pix", world, tmp_path / "run"), 1).cases
    difference = case.made["result"].astype(float) - case.given["truth"]
    assert case.measures["L1"] == pytest.approx(np.abs(difference / 255).mean(), abs=0.003)  # rounded to 8 bit
    assert case.measures["PSNR"] == pytest.approx(-10 * np.log10(np.square(difference / 255).mean()), abs=0.1)


def test_a_run_from_noise_shows_samples(tmp_path: Path) -> None:
    folder = trained("dcgan", digits(tmp_path / "digits", each=4), tmp_path / "run", "collapse.every=0")
    write_report([folder], tmp_path / "page.html")
    found = Outside((tmp_path / "page.html").read_text())
    assert "samples" in found.ids and "images" not in found.ids


def test_where_the_data_are_gone_a_sentence_says_so_and_the_rest_is_there(tmp_path: Path) -> None:
    folder = trained("pix2pix", tiny_world(tmp_path / "world"), tmp_path / "run")
    (tmp_path / "world").rename(tmp_path / "elsewhere")
    write_report([folder], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert f"no data at {tmp_path / 'world'}" in page and {"time", "curves"} <= set(Outside(page).ids)


def test_the_command_writes_the_page_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [made_up(tmp_path / name) for name in "ab"]
    code, out, _ = i2i_run("report", *folders, "-o", tmp_path / "page.html", "--images", "0", capsys=capsys)
    assert code == 0 and str(tmp_path / "page.html") in out and (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["."], "no run there; runs below it: empty, run"),
        (["empty"], "empty: nothing logged yet"),
        (["run", "empty"], "empty: nothing logged yet"),
        (["run", "-o", "page.txt"], "page.txt: allowed: a file whose name ends in .html"),
        (["run", "-o", "gone/page.html"], "gone/page.html: cannot be written"),
    ],
)
def test_what_cannot_be_reported_is_one_sentence(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made_up(Path("run"))
    for log in made_up(Path("empty")).glob("*.csv"):
        log.unlink()
    code, _, errors = i2i_run("report", *words, capsys=capsys)
    assert code == 1 and said in errors and len(errors.strip().splitlines()) == 1
    assert not list(tmp_path.glob("*.html"))
