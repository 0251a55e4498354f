"""The page is one file that loads nothing, escapes names, and puts runs side by side."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from i2i.report import RunImages, collect_contents, write_report
from i2i.report.comparison import compare
from i2i.report.pictures import encode_within, read_sample_sheets, to_data_url
from i2i.report.recipe_diff import diff_recipes
from i2i_runtime import images
from tests.report.pages import PageElements, image_result, noise, page_of, write_run


def test_a_page_loads_nothing_and_has_every_section(tmp_path: Path) -> None:
    contents = collect_contents(
        write_run(tmp_path / "run"),
        "run",
        RunImages([image_result("one", 0, 20), image_result("two", 0, 30)], noise(5)),
    )
    page = page_of([contents], tmp_path / "page.html")
    found = PageElements(page)
    assert not found.loaded and found.without_alt == 0
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page)
    assert {"link", "iframe", "object"}.isdisjoint(found.tags)
    assert {"run", "images", "samples", "time", "curves", "recipe"} <= set(found.ids)


def test_names_are_escaped(tmp_path: Path) -> None:
    bad = "</script><img src=x onerror='alert(1)'>"
    folder = write_run(tmp_path / "run", data=bad)
    (folder / "losses.csv").write_text(f"step,{bad}\n1,2\n2,3\n")
    results = [replace(image_result("x", 0, 3), name=bad, measures={bad: 1.0})]
    page = page_of([collect_contents(folder, bad, RunImages(results))], tmp_path / "page.html")
    assert "<img src=x" not in page and page.count("</script>") == 2
    assert json.loads(page.split('id="data">')[1].split("</script>")[0])["runs"] == [bad]


def test_two_runs_share_a_card_for_the_same_image() -> None:
    cards = compare({"a": [image_result("one", 0, 20)], "b": [image_result("one", 1, 10), image_result("other", 1, 5)]})
    assert [card.name for card in cards] == ["one", "other"]
    assert set(cards[0].pixels) == {"input", "a: result", "b: result", "truth"}
    assert cards[0].shown == ("a: result", "b: result") and cards[1].shown == ("input", "b: result")
    assert cards[0].means()["PSNR"] == 15


def test_different_images_of_one_name_have_cards_of_their_own() -> None:
    other = replace(image_result("one", 1, 10), given={"input": noise(77), "truth": noise(1)})
    assert len(compare({"a": [image_result("one", 0, 20)], "b": [other]})) == 2


def test_an_image_that_a_run_translated_twice_has_one_card() -> None:
    (card,) = compare({"a": [image_result("one", 0, 20), image_result("one", 0, 20)]})
    assert card.shown == ("input", "result") and len(card.measures) == 2


def test_worst_and_best_images_are_marked_by_the_direction_of_each_measure() -> None:
    low, middle, high = compare(
        {"a": [image_result("low", 0, 10), image_result("middle", 0, 20), image_result("high", 0, 30)]}
    )
    assert low.marks == ["worst PSNR", "worst L1"] and high.marks == ["best PSNR", "best L1"] and not middle.marks


def test_two_runs_have_a_table_of_differing_options_and_shared_charts(tmp_path: Path) -> None:
    contents = [
        collect_contents(write_run(tmp_path / name, rows=rows), name, RunImages())
        for name, rows in (("a", 30), ("b", 40))
    ]
    page = page_of(contents, tmp_path / "page.html")
    table = page.split("Differences</h3>")[1].split("</table>")[0]
    assert "train.steps" in table and "method.name" not in table
    charts = json.loads(page.split('id="data">')[1].split("</script>")[0])["charts"]
    assert all([line["run"] for line in chart["lines"]] == [0, 1] for chart in charts)
    assert diff_recipes({"a": "[x]\ny = 1\n", "b": "[x]\ny = 1\nz = 2\n"}) == [("x.z", ["", "2"])]


@pytest.mark.parametrize("rows", [1, 2])
def test_a_run_of_few_steps_has_a_page(rows: int, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", rows=rows, sheets=())
    (folder / "scores.csv").unlink()
    found = PageElements(page_of([collect_contents(folder, "run", RunImages())], tmp_path / "page.html"))
    assert "curves" in found.ids and not {"time", "images", "samples"} & set(found.ids)


def test_sample_sheets_are_chosen_evenly_with_a_note(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", sheets=range(1, 21))
    (folder / "samples/00000020.png").write_bytes(b"no image")
    sheets, notes = read_sample_sheets(folder, 5, 10**6)
    assert [sheet.step for sheet in sheets] == [1, 6, 11, 15], "the fifth cannot be read"
    assert "5 of 20 sheets" in notes[0] and "1 cannot be read" in notes[0]
    assert read_sample_sheets(write_run(tmp_path / "few"), 5, 10**6)[1] == []


def test_runs_share_the_room_for_sample_sheets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(tmp_path / "run", sheets=(1, 2))
    for number in (1, 2):
        images.write(folder / "samples" / f"{number:08d}.png", noise(number, 700))

    def size(runs_on_page: int) -> int:
        contents = collect_contents(folder, "run", RunImages(), runs_on_page=runs_on_page)
        return sum(len(sheet.url) for sheet in contents.sheets)

    whole = size(1)
    monkeypatch.setattr("i2i.report._SHEETS_ROOM", whole)
    assert size(1) == whole and size(2) <= whole / 2


def test_runs_have_as_many_parts_of_their_paths_as_make_names_distinct(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / name / "cyclegan/photos") for name in "ab"]
    write_report(folders, tmp_path / "page.html", images=0)
    assert "<title>a/cyclegan/photos and b/cyclegan/photos</title>" in (tmp_path / "page.html").read_text()


def test_pictures_are_downscaled_until_they_fit() -> None:
    large = [lambda seed=seed: noise(seed, 700) for seed in range(2)]
    whole, untouched = encode_within(large, 10**8)
    room = sum(map(len, whole)) // 2
    urls, longest = encode_within(large, room)
    assert untouched == 0 and 0 < longest < 700 and sum(map(len, urls)) <= room


def test_small_pictures_are_lossless(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(base64.b64decode(to_data_url(noise(3)).partition(",")[2]))
    assert np.array_equal(images.read(tmp_path / "x.png"), noise(3))
