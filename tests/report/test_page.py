"""A page is whole in one file, shows names as they are, and puts runs side by side."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from i2i.report import Shown, collect
from i2i.report.compared import compare
from i2i.report.differences import differing
from i2i.report.pictures import data_url, fit, sheets_of
from i2i_runtime import images
from tests.report.runs import Outside, a_case, made_up, noise, page_of


def test_a_page_asks_for_nothing_outside_itself_and_has_every_section(tmp_path: Path) -> None:
    part = collect(made_up(tmp_path / "run"), "run", Shown([a_case("one", 0, 20), a_case("two", 0, 30)], noise(5)))
    page = page_of([part], tmp_path / "page.html")
    found = Outside(page)
    assert not found.asked and found.without_alt == 0
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page)
    assert {"link", "iframe", "object"}.isdisjoint(found.tags)
    assert {"run", "images", "samples", "time", "curves", "recipe"} <= set(found.ids)


def test_names_are_shown_and_never_run(tmp_path: Path) -> None:
    bad = "</script><img src=x onerror='alert(1)'>"
    folder = made_up(tmp_path / "run", data=bad)
    (folder / "losses.csv").write_text(f"step,{bad}\n1,2\n2,3\n")
    cases = [replace(a_case("x", 0, 3), name=bad, measures={bad: 1.0})]
    page = page_of([collect(folder, bad, Shown(cases))], tmp_path / "page.html")
    assert "<img src=x" not in page and page.count("</script>") == 2
    assert json.loads(page.split('id="data">')[1].split("</script>")[0])["runs"] == [bad]


def test_two_runs_share_a_card_where_they_were_given_the_same_image() -> None:
    shared = compare({"a": [a_case("one", 0, 20)], "b": [a_case("one", 1, 10), a_case("other", 1, 5)]})
    assert [case.name for case in shared] == ["one", "other"]
    assert set(shared[0].pixels) == {"input", "a: result", "b: result", "truth"}
    assert shared[0].shown == ("a: result", "b: result") and shared[1].shown == ("input", "b: result")
    assert shared[0].values()["PSNR"] == 15


def test_images_of_one_name_that_are_not_the_same_stay_apart() -> None:
    other = replace(a_case("one", 1, 10), given={"input": noise(77), "truth": noise(1)})
    assert len(compare({"a": [a_case("one", 0, 20)], "b": [other]})) == 2


def test_an_image_that_a_run_translated_twice_is_shown_once() -> None:
    (case,) = compare({"a": [a_case("one", 0, 20), a_case("one", 0, 20)]})
    assert case.shown == ("input", "result") and len(case.measures) == 2


def test_the_worst_and_the_best_image_are_marked_whichever_way_a_measure_counts() -> None:
    low, middle, high = compare({"a": [a_case("low", 0, 10), a_case("middle", 0, 20), a_case("high", 0, 30)]})
    assert low.marks == ["worst PSNR", "worst L1"] and high.marks == ["best PSNR", "best L1"] and not middle.marks


def test_runs_beside_each_other_say_what_differs(tmp_path: Path) -> None:
    parts = [collect(made_up(tmp_path / name, rows=rows), name, Shown()) for name, rows in (("a", 30), ("b", 40))]
    page = page_of(parts, tmp_path / "page.html")
    table = page.split("What differs")[1].split("</table>")[0]
    assert "train.steps" in table and "method.name" not in table
    charts = json.loads(page.split('id="data">')[1].split("</script>")[0])["charts"]
    assert all([line["run"] for line in chart["lines"]] == [0, 1] for chart in charts)
    assert differing({"a": "[x]\ny = 1\n", "b": "[x]\ny = 1\nz = 2\n"}) == [("x.z", ["", "2"])]


@pytest.mark.parametrize("rows", [1, 2])
def test_a_run_that_has_just_begun_has_a_page(rows: int, tmp_path: Path) -> None:
    folder = made_up(tmp_path / "run", rows=rows, sheets=())
    (folder / "scores.csv").unlink()
    found = Outside(page_of([collect(folder, "run", Shown())], tmp_path / "page.html"))
    assert "curves" in found.ids and not {"time", "images", "samples"} & set(found.ids)


def test_sheets_are_thinned_evenly_and_the_page_says_so(tmp_path: Path) -> None:
    folder = made_up(tmp_path / "run", sheets=range(1, 21))
    (folder / "samples/00000020.png").write_bytes(b"no image")
    sheets, notes = sheets_of(folder, 5, 10**6)
    assert [sheet.step for sheet in sheets] == [1, 6, 11, 15], "the fifth cannot be read"
    assert "5 of 20 sheets" in notes[0] and "1 cannot be read" in notes[0]
    assert sheets_of(made_up(tmp_path / "few"), 5, 10**6)[1] == []


def test_pictures_are_made_smaller_until_they_fit() -> None:
    large = [lambda seed=seed: noise(seed, 700) for seed in range(2)]
    whole, untouched = fit(large, 10**8)
    room = sum(map(len, whole)) // 2
    urls, longest = fit(large, room)
    assert untouched == 0 and 0 < longest < 700 and sum(map(len, urls)) <= room


def test_small_pictures_keep_every_pixel(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(base64.b64decode(data_url(noise(3)).partition(",")[2]))
    assert np.array_equal(images.read(tmp_path / "x.png"), noise(3))
