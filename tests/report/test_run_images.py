"""Images that runs generate for a page, and the command `i2i report`."""

from pathlib import Path

import numpy as np
import pytest
import torch

from i2i import inference
from i2i.report import write_report
from i2i.report.run_images import generate_images
from i2i.training import run
from tests.cli.test_cli import i2i_run
from tests.report.pages import PageElements, write_run
from tests.worlds import digits, tiny_recipe, tiny_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("data") / "world")


def trained(method: str, data: Path, out: Path, *more: str) -> Path:
    return run.train(tiny_recipe(method, data, "train.steps=2", "train.log_every=1", *more), out)


@pytest.mark.parametrize(
    ("method", "title", "count"),
    [("pix2pix", "truth", 2), ("cyclegan", "reconstruction", 4), ("rrdb-psnr", "truth", 1)],
)
def test_held_out_images_are_translated_and_measured(
    method: str, title: str, count: int, world: Path, tmp_path: Path
) -> None:
    folder = trained(method, world / "trainB" if method == "rrdb-psnr" else world, tmp_path / "run")
    before = torch.get_rng_state()
    images = generate_images(folder, 2)
    assert torch.equal(before, torch.get_rng_state())
    assert len(images.results) == count and not images.notes
    for result in images.results:
        assert title in {*result.given, *result.generated} and any("PSNR" in name for name in result.measures)
        assert len({pixels.shape for pixels in (*result.given.values(), *result.generated.values())}) == 1
    write_report([folder / "latest"], tmp_path / "page.html", images=2)
    assert PageElements((tmp_path / "page.html").read_text()).tags.count("figure") == count + 1, "and the sample sheets"


def test_a_reconstruction_is_translated_back_by_the_other_product(world: Path, tmp_path: Path) -> None:
    folder = trained("cyclegan", world, tmp_path / "run")
    back = {"a to b": "b_to_a", "b to a": "a_to_b"}
    for result in generate_images(folder, 1).results:
        translate = inference.load(folder, product=back[result.name.partition(", ")[2]], device="cpu")
        expected = translate(result.generated["result"]).astype(int)
        assert np.abs(result.generated["reconstruction"] - expected).mean() < 4  # levels: the result is rounded


def test_dropout_gives_the_same_images_on_every_page(world: Path, tmp_path: Path) -> None:
    folder = trained("pix2pix", world, tmp_path / "run")
    first = generate_images(folder, 1).results[0].measures
    torch.rand(1)
    assert generate_images(folder, 1).results[0].measures == first


def test_measures_of_a_result_are_those_of_its_pictures(world: Path, tmp_path: Path) -> None:
    (result,) = generate_images(trained("pix2pix", world, tmp_path / "run"), 1).results
    difference = result.generated["result"].astype(float) - result.given["truth"]
    assert result.measures["L1"] == pytest.approx(np.abs(difference / 255).mean(), abs=0.003)  # rounded to 8 bit
    assert result.measures["PSNR"] == pytest.approx(-10 * np.log10(np.square(difference / 255).mean()), abs=0.1)


def test_a_run_from_noise_shows_samples(tmp_path: Path) -> None:
    folder = trained("dcgan", digits(tmp_path / "digits", each=4), tmp_path / "run", "collapse.every=0")
    write_report([folder], tmp_path / "page.html")
    found = PageElements((tmp_path / "page.html").read_text())
    assert "samples" in found.ids and "images" not in found.ids


def test_missing_data_give_a_note_and_the_rest_of_the_page(tmp_path: Path) -> None:
    folder = trained("pix2pix", tiny_world(tmp_path / "world"), tmp_path / "run")
    (tmp_path / "world").rename(tmp_path / "elsewhere")
    write_report([folder], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert f"no data at {tmp_path / 'world'}" in page and {"time", "curves"} <= set(PageElements(page).ids)


def test_the_command_writes_the_page_and_prints_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [write_run(tmp_path / name) for name in "ab"]
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
        (["run", "-o", "run/losses.csv/page.html"], "run/losses.csv/page.html: cannot be written"),
    ],
)
def test_wrong_arguments_are_one_sentence(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(Path("run"))
    for log in write_run(Path("empty")).glob("*.csv"):
        log.unlink()
    code, _, errors = i2i_run("report", *words, capsys=capsys)
    assert code == 1 and said in errors and len(errors.strip().splitlines()) == 1
    assert not list(tmp_path.glob("*.html"))
