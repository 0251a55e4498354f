import shutil
from pathlib import Path

import numpy as np
import pytest

from i2i.data.check import check
from i2i_runtime import images
from tests.data.files import fill, put


@pytest.fixture
def unpaired(tmp_path: Path) -> Path:
    """Two domains, well-formed, of unequal number and different names."""
    fill(tmp_path / "trainA", 3, name="horse{}.png")
    fill(tmp_path / "trainB", 4, seed=10, name="zebra{}.png")
    fill(tmp_path / "testA", 2, seed=20, name="horse{}.png")
    fill(tmp_path / "testB", 1, seed=30, name="zebra{}.png")
    return tmp_path


def test_a_good_data_set_has_no_problems(unpaired: Path) -> None:
    report = check(unpaired)
    assert report.problems == []
    assert [(split.name, len(split.facts)) for split in report.splits] == [
        ("trainA", 3), ("trainB", 4), ("testA", 2), ("testB", 1)
    ]  # fmt: skip
    assert report.lines()[0] == "trainA: 3 images; all 8x6; RGB 8-bit"
    assert report.lines()[-1] == "no problems"


def test_every_unreadable_file_is_named_with_its_reason(unpaired: Path) -> None:
    (unpaired / "trainA" / "empty.jpg").write_bytes(b"")
    cut = unpaired / "testB" / "zebra0.png"
    cut.write_bytes(cut.read_bytes()[:40])
    report = check(unpaired)
    assert len(report.problems) == 2
    assert any("empty.jpg" in problem and "empty" in problem for problem in report.problems)
    assert any("zebra0.png" in problem for problem in report.problems)
    assert "trainA: 4 images; all 8x6; RGB 8-bit; 1 unreadable" in report.lines()
    assert "testB: 0 of 1 images can be read" in report.lines()


def test_the_same_pixels_in_training_and_test_are_found_whatever_the_format(unpaired: Path) -> None:
    images.write(unpaired / "testA" / "copy.bmp", images.read(unpaired / "trainA" / "horse1.png"))
    (problem,) = check(unpaired).problems
    assert problem == "testA: in training too are 1 of 3 images: testA/copy.bmp is trainA/horse1.png"


def test_repeated_images_of_a_folder_are_counted(unpaired: Path) -> None:
    shutil.copy(unpaired / "trainB" / "zebra0.png", unpaired / "trainB" / "again.png")
    assert "trainB: 5 images; all 8x6; RGB 8-bit; 1 repeat another one" in check(unpaired).lines()


def test_images_without_partner_and_pairs_of_unequal_size_are_problems(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    fill(a, 10)
    fill(b / "x", 1)
    fill(b, 10, seed=10, name="{}.jpg")
    put(b / "3.jpg", (7, 8, 3))
    first, second = check(a, b).problems
    assert first == f"{a} and {b}: no partner of the same name for 1 of 21 images: {b}/x/0.png"
    assert second == f"{a} and {b}: unequal sizes in 1 of 10 pairs: 3 (8x6 and 8x7)"


def test_domains_are_pairs_only_if_paired_is_set_or_by_their_names(unpaired: Path) -> None:
    assert check(unpaired).problems == []
    (train, test) = check(unpaired, paired=True).problems
    assert train.startswith("trainA and trainB: no partner of the same name for 7 of 7 images: trainA/horse0.png, ")
    assert test.startswith("testA and testB: no partner of the same name for 3 of 3")


def test_two_folders_are_no_pairs_where_fewer_than_nine_names_in_ten_agree(tmp_path: Path) -> None:
    fill(tmp_path / "a", 10)
    fill(tmp_path / "b", 8, seed=10)
    fill(tmp_path / "b", 2, seed=30, name="other{}.png")
    report = check(tmp_path / "a", tmp_path / "b")
    assert report.problems == report.facts == []


def test_unpaired_images_of_one_name_may_differ_in_size(tmp_path: Path) -> None:
    put(tmp_path / "trainA" / "1.png", (6, 8, 3))
    put(tmp_path / "trainB" / "1.png", (9, 9, 3), seed=1)
    assert check(tmp_path, paired=False).problems == []
    assert len(check(tmp_path, paired=True).problems) == 1


def test_an_unreadable_image_still_counts_as_a_partner(tmp_path: Path) -> None:
    fill(tmp_path / "trainA", 2)
    fill(tmp_path / "trainB", 2, seed=10)
    (tmp_path / "trainB" / "0.png").write_bytes(b"")
    (problem,) = check(tmp_path, paired=True).problems
    assert "trainB/0.png" in problem and "partner" not in problem


def test_two_images_of_one_stem_in_a_folder_are_a_problem(tmp_path: Path) -> None:
    fill(tmp_path / "trainA", 2)
    put(tmp_path / "trainA" / "1.jpg", seed=5)
    fill(tmp_path / "trainB", 2, seed=10)
    (problem,) = check(tmp_path, paired=True).problems
    assert problem == "trainA: the name of another for 1 of 3 images: 1.png"


def test_a_domain_that_is_missing_or_empty_is_a_problem(tmp_path: Path) -> None:
    fill(tmp_path / "trainA", 1)
    assert check(tmp_path).problems == ["trainA: no trainB beside it"]
    (tmp_path / "trainB").mkdir()
    assert check(tmp_path).problems == ["trainB: no images in it"]


def test_names_that_are_not_text_can_be_printed(tmp_path: Path) -> None:
    try:
        put(tmp_path / "trainA" / "a.png").rename(tmp_path / "trainA" / "\udcff.txt")
    except OSError:
        pytest.skip("a file system of text names")
    put(tmp_path / "trainA" / "1.png")
    "\n".join(check(tmp_path).lines()).encode()


def test_label_maps_are_partners_of_their_images(unpaired: Path) -> None:
    fill(unpaired / "trainA_labels", 3, seed=50, name="horse{}.png")
    # Equal label maps are no leak.
    shutil.copytree(unpaired / "trainA_labels", unpaired / "testA_labels")
    put(unpaired / "trainA_labels" / "horse0.png", (6, 9, 1))
    size, missing = check(unpaired).problems
    assert size == "trainA and trainA_labels: unequal sizes in 1 of 3 pairs: horse0 (8x6 and 9x6)"
    assert missing == "testA and testA_labels: no partner of the same name for 1 of 5 images: testA_labels/horse2.png"


def side_by_side(path: Path, height: int, width: int, *, seed: int = 0) -> None:
    """Noise, dark left of the middle and bright right of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 40, (height, width, 3), np.uint8)
    noise[:, width // 2 :] += 200
    images.write(path, noise)


def test_side_by_side_images_of_odd_width_are_a_problem(tmp_path: Path) -> None:
    side_by_side(tmp_path / "train" / "1.png", 4, 8)
    side_by_side(tmp_path / "train" / "2.png", 4, 9)
    side_by_side(tmp_path / "val" / "3.png", 4, 8, seed=3)
    sentence = "train: odd width, so not two halves, in 1 of 2 images: 2.png (9x4)"
    assert check(tmp_path).problems == [sentence]
    assert check(tmp_path, paired=False).problems == []
    # The images of a single folder are pairs with `paired` only.
    assert check(tmp_path / "val").problems == check(tmp_path / "val", paired=True).problems == []
    side_by_side(tmp_path / "val" / "4.png", 4, 9)
    assert check(tmp_path / "val").problems == []
    assert len(check(tmp_path / "val", paired=True).problems) == 1


def test_wide_images_whose_halves_are_no_pairs_are_named_single_ones(tmp_path: Path) -> None:
    for index in range(8):
        put(tmp_path / "train" / f"{index}.png", (32, 65, 3), seed=index)
    report = check(tmp_path)
    assert report.problems == []
    assert any(fact.startswith("train: twice as wide as high, but most without a seam") for fact in report.facts)
    assert len(check(tmp_path, paired=True).problems) == 1 and check(tmp_path, paired=False).facts == []


def test_photos_in_train_and_val_are_no_pairs_side_by_side(tmp_path: Path) -> None:
    for index, shape in enumerate([(6, 9, 3), (9, 6, 3), (6, 6, 3), (7, 13, 3)]):
        put(tmp_path / "train" / f"{index}.png", shape, seed=index)
        put(tmp_path / "val" / f"{index}.png", shape, seed=10 + index)
    assert check(tmp_path).problems == []
    assert len(check(tmp_path, paired=True).problems) == 2


def low_and_high(folder: Path, factor: int, *, rest: int = 0, name: str = "{}.png") -> tuple[Path, Path]:
    for index in range(4):
        put(folder / "low" / name.format(index), (6, 8 + index, 3), seed=index)
        put(folder / "high" / f"{index}.png", (6 * factor, (8 + index) * factor + rest, 3), seed=10 + index)
    return folder / "low", folder / "high"


@pytest.mark.parametrize("name", ["{}.png", "{}x4.png"])
@pytest.mark.parametrize("rest", [0, 3])
def test_the_factor_of_low_and_high_resolution_is_reported(tmp_path: Path, name: str, rest: int) -> None:
    low, high = low_and_high(tmp_path, 4, rest=rest, name=name)
    for folders in ((low, high), (high, low)):
        report = check(*folders)
        assert report.problems == []
        assert f"{high}: 4 times as large as {low}, pairs for method.scale = 4" in report.facts
        assert f"{folders[0]} and {folders[1]}: 4 names in both" in report.facts


def test_a_pair_of_another_factor_is_a_problem(tmp_path: Path) -> None:
    low, high = low_and_high(tmp_path, 3)
    put(low / "2.png", (18, 30, 3))
    assert check(low, high).problems == [f"{low} and {high}: another factor in 1 of 4 pairs: 2 (30x18 and 30x18)"]
    put(low / "2.png", (6, 7, 3))
    assert check(low, high).problems == [f"{low} and {high}: another factor in 1 of 4 pairs: 2 (7x6 and 30x18)"]


def test_label_maps_of_another_scale_are_a_problem(unpaired: Path) -> None:
    for index in range(3):
        put(unpaired / "trainA_labels" / f"horse{index}.png", (12, 16, 1))
    (sentence,) = check(unpaired).problems
    assert sentence.startswith("trainA and trainA_labels: unequal sizes in 3 of 3 pairs: horse0 (8x6 and 16x12), ")


def test_small_and_large_photos_of_a_single_folder_are_reported(tmp_path: Path) -> None:
    for index, shape in enumerate([(130, 140, 3), (127, 400, 3), (400, 100, 3)]):
        put(tmp_path / f"{index}.png", shape)
    report = check(tmp_path)
    assert report.problems == []
    small = "less than 128 pixels on a side in 2 of 3 images: 1.png (400x127), 2.png (100x400)"
    assert report.facts == [f"{tmp_path}: {small}"]
    for index in range(4):
        put(tmp_path / f"large{index}.png", (1025, 1024, 1), seed=index)
    large = "large; to train on crops, cut them once with `i2i data tile`"
    assert check(tmp_path).facts == [f"{tmp_path}: {small.replace('of 3', 'of 7')}", f"{tmp_path}: {large}"]


def test_ignored_files_are_reported(unpaired: Path) -> None:
    (unpaired / "notes.txt").write_text("")
    put(unpaired / "trainC" / "1.png")
    (unpaired / "trainA" / ".hidden.png").write_bytes(b"")
    report = check(unpaired)
    assert report.facts == [f"files ignored: 2 ({unpaired}/notes.txt, {unpaired}/trainC/1.png)"]
    assert report.problems == []


def test_the_result_does_not_depend_on_the_threads(unpaired: Path) -> None:
    (unpaired / "trainA" / "bad.png").write_bytes(b"bad")
    assert check(unpaired, threads=1).lines() == check(unpaired, threads=7).lines()


def test_progress_counts_every_image(unpaired: Path) -> None:
    steps: list[tuple[int, int]] = []
    check(unpaired, progress=lambda *numbers: steps.append(numbers))
    assert steps == [(done, 10) for done in range(1, 11)]


def test_a_long_list_of_problems_is_shortened(tmp_path: Path) -> None:
    for index in range(25):
        path = tmp_path / f"{index}.png"
        path.write_bytes(b"")
    report = check(tmp_path)
    assert len(report.problems) == 25
    assert report.lines()[-1] == "! and 5 more"


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path}: no images in it; known suffixes: .png "):
        check(tmp_path)
    with pytest.raises(ValueError, match="missing: no such folder"):
        check(tmp_path / "missing")
    with pytest.raises(ValueError, match="3 folders given; allowed: one folder or two"):
        check(tmp_path, tmp_path, tmp_path)


@pytest.mark.parametrize("name", ["facades", "carla2camvid"])
def test_real_data_sets_have_no_problems(name: str, shared: Path) -> None:
    report = check(shared / "data" / name)
    assert report.problems == []
    assert sum(len(split.facts) for split in report.splits) > 200
