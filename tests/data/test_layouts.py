"""Common layouts are recognised, one line says what is found, and what is ambiguous is refused with its option."""

from pathlib import Path
from unicodedata import normalize

import pytest

from i2i.data.batch import HighResolution, Images, Pair, Unpaired
from i2i.data.check import check
from i2i.data.folders import find_pairs, find_single, find_unpaired
from i2i.data.sources import SampleKind, find_files
from i2i.recipe import Recipe, choose, load_run
from tests.data.files import put

COUNTS = {"train": 3, "test": 2, "val": 1}


def laid_out(root: Path, layout: str) -> Path:
    for split, count in COUNTS.items():
        for seed, side in enumerate("AB"):
            folder = layout.format(split=split, side=side)
            for index in range(count):
                put(root / folder / f"{split}{index}.png", (8, 8, 3), seed=100 * seed + index)
    return root


def found(*sources: Path, batch: type = Pair, degradation: bool = False, **data: object) -> tuple[object, str]:
    """The files of a recipe with these sources, and the last line that is said about them."""
    table = {"source": [str(source) for source in sources], **data}
    degraded = {"name": "bicubic"} if degradation else {}
    recipe = Recipe(method={"name": "m"}, schedule={"name": "constant"}, data=table, degradation=degraded)
    lines: list[str] = []
    files = find_files(SampleKind(batch, (3, 3), (-1, 1)), recipe, lines.append)
    return files, lines[-1]


@pytest.mark.parametrize("layout", ["{split}{side}", "{split}/{side}", "{side}/{split}"])
def test_domains_and_splits_are_recognised_in_every_order(tmp_path, layout):
    root = laid_out(tmp_path, layout)
    pairs, said = found(root)
    assert [len(pairs.train), len(pairs.test), pairs.side_by_side] == [3, 2, False]
    assert all(a.name == b.name and a.name.startswith("train") and a != b for a, b in pairs.train)
    assert said.startswith("data: 3 pairs for training, 2 for testing; left out: 1 in ")
    domains, said = found(root, batch=Unpaired)
    assert [len(each) for each in (*domains.train, *domains.test)] == [3, 3, 2, 2]
    assert {path.name[:5] for path in domains.train[0]} == {"train"} and "3 and 3 images of a and b" in said


def test_two_folders_with_splits_are_not_trained_on_val_and_test(tmp_path):
    laid_out(tmp_path, "{side}/{split}")
    files, said = found(tmp_path / "A", tmp_path / "B")
    assert (len(files.train), len(files.test)) == (3, 2) and "left out: 2 in val/" in said
    flat, _ = found(tmp_path / "A", tmp_path / "B", batch=Unpaired, layout="flat")
    assert len(flat.train[0]) == 6


def test_one_of_two_folders_with_splits_is_refused_with_the_option(tmp_path):
    put(tmp_path / "a/train/1.png"), put(tmp_path / "b/1.png")
    for find in (find_pairs, find_unpaired):
        with pytest.raises(ValueError, match=r"a has a folder train, .*b has none; .*data.layout=flat"):
            find(tmp_path / "a", tmp_path / "b")


def test_two_layouts_in_one_folder_are_refused(tmp_path):
    laid_out(tmp_path, "{split}{side}"), laid_out(tmp_path, "{split}/{side}")
    with pytest.raises(ValueError, match="both train/A and trainA hold training images; give the two folders"):
        find_pairs(tmp_path)


def test_names_of_folders_are_found_in_any_case(tmp_path):
    for name in ("TrainA", "TRAINB", "TestA", "testb"):
        put(tmp_path / name / "1.png")
    assert len(find_unpaired(tmp_path).test[1]) == 1


def test_masks_beside_imgs_are_left_out(tmp_path):
    for side in "AB":
        put(tmp_path / f"train{side}/imgs/1.png"), put(tmp_path / f"train{side}/bbox/1.png")
    files, said = found(tmp_path, batch=Unpaired)
    assert files.train == ((tmp_path / "trainA/imgs/1.png",), (tmp_path / "trainB/imgs/1.png",))
    assert "1 in trainA/bbox/" in said


@pytest.mark.parametrize("size", [(8, 8), (8, 24), (16, 8)])
def test_images_that_are_not_twice_as_wide_as_high_are_no_pairs_side_by_side_unless_said(tmp_path, size):
    for index in range(3):
        put(tmp_path / "train" / f"{index}.png", (*size, 3), seed=index)
    with pytest.raises(ValueError, match=f"are {size[1]}x{size[0]}, not twice .*data.layout=side-by-side"):
        find_pairs(tmp_path)
    files, said = found(tmp_path, layout="side-by-side")
    assert files.side_by_side and said == "data: 3 pairs side by side for training, 0 for testing"


@pytest.mark.parametrize(("sources", "layout"), [(1, "side-by-side"), (2, "flat")])
def test_a_run_of_version_0_1_keeps_its_layout(tmp_path, sources, layout):
    for folder in ("a", "b"):
        for split in ("train", "test"):
            put(tmp_path / folder / split / "1.png", (8, 8, 3))
    folders = [tmp_path / folder for folder in ("a", "b")[:sources]]
    recipe, _ = choose("pix2pix", list(map(str, folders)), ())
    lines = [line for line in recipe.toml().splitlines() if not line.startswith(("layout", "suffixes"))]
    (tmp_path / "recipe.toml").write_text("\n".join(lines))
    data = load_run(tmp_path).data
    assert data.layout == layout
    assert load_run(tmp_path, {"data.layout": "side-by-side"}).data.layout == "side-by-side"
    files = find_pairs(*folders, layout=data.layout)
    assert (len(files.train), len(files.test), files.side_by_side) == ((1, 1, True) if sources == 1 else (2, 0, False))


def test_side_by_side_is_no_word_about_two_folders(tmp_path):
    laid_out(tmp_path, "{side}/{split}")
    assert len(find_pairs(tmp_path / "A", tmp_path / "B", layout="side-by-side").train) == 3


def test_files_of_kinds_that_are_not_read_are_said_before_training_and_by_the_check(tmp_path):
    put(tmp_path / "1.png")
    for index in range(3):
        (tmp_path / f"{index}.gif").touch()
    _, said = found(tmp_path, batch=Images)
    assert said == "data: 1 images for training, 0 for testing; left out: 3 .gif (not read as an image)"
    assert any(problem.startswith("3 .gif files are not read") for problem in check(tmp_path).problems)


@pytest.mark.parametrize(("low", "high"), [("LR", "HR"), ("lq", "gt")])
def test_low_beside_high_resolution_is_not_trained_on_as_photos(tmp_path, low, high):
    for index in range(2):
        put(tmp_path / low / f"{index}.png", (4, 4, 3)), put(tmp_path / high / f"{index}.png", (16, 16, 3))
    with pytest.raises(ValueError, match=f"{low} and {high} in one folder; .*data.layout=flat"):
        found(tmp_path, batch=HighResolution, degradation=True)
    assert len(find_single(tmp_path, "flat").train) == 4
    assert len(find_pairs(tmp_path, scale=4).train) == 2
    assert f"{high}: 4 times as large as {low}, pairs for method.scale = 4" in check(tmp_path).facts


def test_the_check_knows_the_layouts_that_training_knows(tmp_path):
    root = laid_out(tmp_path, "{side}/{split}")
    assert [split.name for split in check(root).splits] == ["trainA", "trainB", "testA", "testB", "valA", "valB"]
    assert [split.name for split in check(root / "A", root / "B").splits][:2] == ["trainA", "trainB"]


def test_the_names_of_a_pair_may_differ_in_unicode_form_case_and_end(tmp_path):
    names = {
        "nfd": ("é.png", normalize("NFD", "é.png")),
        "case": ("IMG_1.PNG", "img_1.png"),
        "end": ("1_A.png", "1_B.png"),
    }
    for kind, (a, b) in names.items():
        put(tmp_path / kind / "a" / a), put(tmp_path / kind / "b" / b)
        assert find_pairs(tmp_path / kind / "a", tmp_path / kind / "b").train == (
            (tmp_path / kind / "a" / a, tmp_path / kind / "b" / b),
        )


def test_pairs_of_one_folder_are_found_by_the_ends_of_their_names(tmp_path):
    for index in range(3):
        put(tmp_path / f"{index}_A.png"), put(tmp_path / f"{index}_B.jpg")
    files = find_pairs(tmp_path)
    assert [(a.name, b.name) for a, b in files.train] == [(f"{i}_A.png", f"{i}_B.jpg") for i in range(3)]
    with pytest.raises(ValueError, match=r"3 names end in _A, 0 in _C .*3 have no partner"):
        find_pairs(tmp_path, suffixes=["_A", "_C"])


def test_names_that_become_one_by_their_end_are_refused(tmp_path):
    for name in ("1_A.png", "1_a.png", "1_B.png"):
        put(tmp_path / name)
    with pytest.raises(ValueError, match="have the same name, so the partner is ambiguous"):
        find_pairs(tmp_path, suffixes=["_A", "_B"])


def test_names_as_those_of_cityscapes_need_the_option_that_the_refusal_names(tmp_path):
    ends = ["_gtFine_color", "_gtFine_labelIds"]
    for index in range(3):
        put(tmp_path / f"leftImg8bit/train/x/x_{index:06}_leftImg8bit.png")
        for end in ends:
            put(tmp_path / f"gtFine/train/x/x_{index:06}{end}.png")
    folders = tmp_path / "leftImg8bit", tmp_path / "gtFine"
    with pytest.raises(ValueError, match=r"_gtFine_color or _gtFine_labelIds: --set 'data.suffixes=\[\"_leftImg8bit\""):
        find_pairs(*folders)
    pairs = find_pairs(*folders, suffixes=["_leftImg8bit", ends[1]]).train
    assert [b.name for _, b in pairs] == [f"x_{index:06}_gtFine_labelIds.png" for index in range(3)]


@pytest.mark.parametrize("separator", ["\t", ",", " "])
def test_a_list_file_names_the_pairs(tmp_path, separator):
    put(tmp_path / "x/1.png"), put(tmp_path / "y/other.png")
    (tmp_path / "pairs.txt").write_text(f"# a and b\nx/1.png{separator}y/other.png\n")
    files, said = found(tmp_path / "pairs.txt")
    assert files.train == ((tmp_path / "x/1.png", tmp_path / "y/other.png"),) and said.startswith("data: 1 pairs")
    (tmp_path / "pairs.txt").write_text("x/1.png y/missing.png\n")
    with pytest.raises(ValueError, match=r"pairs.txt, line 1: .*allowed: two files of images"):
        find_pairs(tmp_path / "pairs.txt")


def test_the_layouts_that_failed_are_read_or_refused(shared):
    layouts = shared / "cases" / "layouts"
    for name in ("split_ab", "ab_split"):
        assert (len(find_pairs(layouts / name).train), len(find_pairs(layouts / name).test)) == (12, 3)
    assert {path.parent.name for path in find_unpaired(layouts / "joli").train[0]} == {"imgs"}
    assert len(find_pairs(layouts / "suffix/a", layouts / "suffix/b").train) == 11
    with pytest.raises(ValueError, match=r"data.layout=side-by-side"):
        find_pairs(layouts / "three")
