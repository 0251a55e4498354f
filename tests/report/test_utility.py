"""The table of utility on a run's page."""

from pathlib import Path

import pytest

from i2i.data.world import make_world
from i2i.report import RunImages, collect_contents
from tests.cli.test_cli import i2i_run
from tests.report.pages import page_of, write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    make_world(tmp_path / "world", count=2, size=16, seed=0)
    return write_run(tmp_path / "run")


def measure(run: Path, *more: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    world = run.parent / "world"
    names = {"source": "trainA", "labels": "trainA_labels", "translated": "trainB", "real": "testB"}
    names["real-labels"] = "testA_labels"
    words = [word for option, name in names.items() for word in (f"--{option}", str(world / name))]
    sizes = ["--seeds", "1", "--steps", "1", "--size", "16x16", "--run", str(run)]
    return i2i_run("evaluate", "utility", *words, *sizes, *more, capsys=capsys)


def test_utility_of_a_run_is_a_section_of_its_page(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, errors = measure(run, capsys=capsys)
    assert code == 0, errors
    assert "source + translated" in out
    contents = collect_contents(run, "run", RunImages())
    assert contents.utility[0][:4] == ["trained on", "tested on", "mIoU", "sky"]
    assert [row[:2] for row in contents.utility[1:]] == [
        ["source", "real"],
        ["translated", "real"],
        ["source + translated", "real"],
    ]
    assert len({len(row) for row in contents.utility}) == 1
    page = page_of([contents], run.parent / "page.html")
    assert '<section id="utility">' in page and "<td>source + translated</td>" in page


def test_results_of_a_run_are_not_replaced_unasked(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "utility.json").write_text("{}")
    code, _, errors = measure(run, capsys=capsys)
    assert code == 1 and "utility.json: is there already; name another, or --overwrite" in errors
    contents = collect_contents(run, "run", RunImages())
    assert contents.utility == [] and any("utility.json cannot be read" in note for note in contents.notes)
    code, _, errors = measure(run.parent, "--run", str(run.parent / "no"), capsys=capsys)
    assert code == 1 and "no run" in errors


def test_a_damaged_frame_is_named_and_the_exit_code_says_so(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = run.parent / "world" / "trainA" / "00000.png"
    damaged.write_bytes(b"damaged")
    code, out, _ = measure(run, "--train-on", "source", capsys=capsys)
    assert code == 3 and f"left out: {damaged}: not an image" in out and (run / "utility.json").exists()
