from pathlib import Path

import numpy as np
import pytest

from i2i.data.folders import find_classes, find_pairs, find_single, find_unpaired
from i2i_runtime import images


def fill(folder: Path, *names: str, width: int = 4) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        image = np.zeros((2, width, 3), np.uint8)
        image[:, width // 2 :] = 255  # a seam, as between images side by side
        images.write(folder / name, image)
    return folder


def numbered(count: int) -> list[str]:
    return [f"{index}.png" for index in range(count)]


def test_side_by_side_pairs_are_found_in_train_and_val_in_natural_order(tmp_path):
    fill(tmp_path / "train", "2.png", "10.png", "deep/1.jpg")
    fill(tmp_path / "val", "1.png")
    files = find_pairs(tmp_path)
    assert files.side_by_side and not files.held_out_from_train
    names = [(a.relative_to(tmp_path).as_posix(), a == b) for a, b in files.train]
    assert sorted(names) == [("train/10.png", True), ("train/2.png", True), ("train/deep/1.jpg", True)]
    assert names.index(("train/2.png", True)) < names.index(("train/10.png", True))
    assert files.test == ((tmp_path / "val/1.png", tmp_path / "val/1.png"),)


def test_a_folder_named_test_is_preferred_to_val(tmp_path):
    for name in ("train", "test", "val"):
        fill(tmp_path / name, "1.png")
    assert find_pairs(tmp_path).test[0][0].parent.name == "test"


def test_side_by_side_pairs_are_found_in_the_folder_itself(tmp_path):
    assert find_pairs(fill(tmp_path, "only.png")).train == ((tmp_path / "only.png", tmp_path / "only.png"),)


def test_pairs_in_trainA_and_trainB_match_by_stem(tmp_path):
    for name in ("trainA", "testA"):
        fill(tmp_path / name, "1.png", "2.PNG")
    for name in ("trainB", "testB"):
        fill(tmp_path / name, "1.jpg", "2.bmp")
    files = find_pairs(tmp_path)
    assert not files.side_by_side
    assert [(a.name, b.name) for a, b in files.train] == [("1.png", "1.jpg"), ("2.PNG", "2.bmp")]
    assert [a.parent.name for a, _ in files.test] == ["testA", "testA"]


def test_pairs_of_two_folders_match_by_relative_path(tmp_path):
    a, b = fill(tmp_path / "a", "x/1.jpg", "y/1.jpg"), fill(tmp_path / "b", "y/1.png", "x/1.png")
    assert find_pairs(a, b).train == ((a / "x/1.jpg", b / "x/1.png"), (a / "y/1.jpg", b / "y/1.png"))


def test_evenly_spaced_pairs_are_held_out_and_at_most_eight(tmp_path):
    a, b = fill(tmp_path / "a", *numbered(200)), fill(tmp_path / "b", *numbered(200))
    files = find_pairs(a, b)
    assert files.held_out_from_train and len(files.test) == 8 and len(files.train) == 192
    assert set(files.train) | set(files.test) == {(a / name, b / name) for name in numbered(200)}
    gaps = np.diff([int(path.stem) for path, _ in files.test])
    assert gaps.min() == gaps.max() == 25


@pytest.mark.parametrize("count, held", [(1, 0), (9, 0), (10, 1), (25, 2)])
def test_at_most_a_tenth_is_held_out(tmp_path, count, held):
    files = find_unpaired(fill(tmp_path / "a", *numbered(count)), fill(tmp_path / "b", *numbered(count)))
    assert [len(domain) for domain in files.test] == [held, held]
    assert [len(domain) for domain in files.train] == [count - held] * 2
    assert files.held_out_from_train == (held > 0)


def test_unpaired_domains_keep_their_test_folders(tmp_path):
    for name, count in {"trainA": 20, "trainB": 3, "testA": 2, "testB": 1}.items():
        fill(tmp_path / name, *numbered(count))
    files = find_unpaired(tmp_path)
    assert [len(domain) for domain in (*files.train, *files.test)] == [20, 3, 2, 1]
    assert not files.held_out_from_train


@pytest.mark.parametrize(("test", "counts"), [("testB", [18, 20, 2, 1]), ("testA", [20, 18, 1, 2])])
def test_a_domain_without_test_folder_holds_out_its_own(tmp_path, test, counts):
    for name, count in {"trainA": 20, "trainB": 20, test: 1}.items():
        fill(tmp_path / name, *numbered(count))
    files = find_unpaired(tmp_path)
    assert [len(domain) for domain in (*files.train, *files.test)] == counts
    assert files.held_out_from_train


def test_single_images_are_found_in_all_folders_below(tmp_path):
    fill(tmp_path, "2.png", "10.png", "deep/er/1.jpg")
    files = find_single(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in files.train] == ["2.png", "10.png", "deep/er/1.jpg"]
    assert files.test == () and not files.held_out_from_train
    held = find_single(fill(tmp_path / "many", *numbered(30)))
    assert held.held_out_from_train and len(held.test) == 3 and len({*held.train, *held.test}) == 30


@pytest.mark.parametrize("train, test", [("train", "test"), ("train", "val"), ("DIV2K_train_HR", "DIV2K_valid_HR")])
def test_single_images_keep_their_test_folder(tmp_path, train, test):
    fill(tmp_path / train, *numbered(12)), fill(tmp_path / test, "a.png"), fill(tmp_path / "other", "b.png")
    files = find_single(tmp_path)
    assert len(files.train) == 12 and files.test == (tmp_path / test / "a.png",) and not files.held_out_from_train


def test_tiles_of_one_photo_are_held_out_together(tmp_path):
    names = [f"{photo}_s{tile:03d}.png" for photo in range(20) for tile in range(1, 6)]
    low, high = fill(tmp_path / "low", *names), fill(tmp_path / "high", *names)
    for files in (find_single(high), find_pairs(low, high)):
        assert files.held_out_from_train and (len(files.train), len(files.test)) == (90, 2)
    photos = [
        {path.name.split("_")[0] for path in paths} for paths in (find_single(high).train, find_single(high).test)
    ]
    assert len(photos[1]) == 2 and not photos[0] & photos[1]
    assert {path.name.split("_")[1] for path in find_single(high).test} == {"s003.png"}


def test_low_and_high_resolution_match_with_the_scale_in_a_name(tmp_path):
    partners = {
        "0001x4.png": "0001.png",
        "3x4_s012.png": "3_s012.png",
        "deep/2x4.png": "deep/2.jpg",
        # A name with a partner stays as it is.
        "matrix4x4.png": "matrix4.png",
        "x4.png": "x4.png",
    }
    low, high = fill(tmp_path / "low", *partners), fill(tmp_path / "high", *partners.values())
    expected = {(low / name, high / partner) for name, partner in partners.items()}
    assert set(find_pairs(low, high, scale=4).train) == expected
    assert {pair[::-1] for pair in find_pairs(high, low, scale=4).train} == expected
    assert "have no partner" in refusal(find_pairs, low, high)
    with pytest.raises(ValueError, match="have no partner"):
        find_pairs(low, high, scale=2)


def test_a_name_keeps_its_scale_where_another_file_has_the_shorter_name(tmp_path):
    low, high = fill(tmp_path / "low", "1.png", "1x4.png"), fill(tmp_path / "high", "1.png")
    with pytest.raises(ValueError, match=r"1 of 3 images have no partner .*1x4\.png"):
        find_pairs(low, high, scale=4)


def test_a_partner_of_the_same_name_is_preferred_to_one_without_the_scale(tmp_path):
    low, high = fill(tmp_path / "low", "1x4.png"), fill(tmp_path / "high", "1.png", "1x4.png")
    with pytest.raises(ValueError, match=r"1 of 3 images have no partner .*: .*high/1\.png$"):
        find_pairs(low, high, scale=4)


def test_hidden_files_are_ignored(tmp_path):
    a, b = fill(tmp_path / "a", "1.png"), fill(tmp_path / "b", "1.png")
    (a / "._1.png").write_bytes(b"left by another system")
    assert len(find_unpaired(a, b).train[0]) == 1


def refusal(find, *folders: Path) -> str:
    with pytest.raises(ValueError) as caught:
        find(*folders)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_and_empty_folders_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    full = fill(tmp_path / "full", "1.png")
    for find in (find_pairs, find_unpaired):
        assert refusal(find, tmp_path / "nowhere") == f"{tmp_path / 'nowhere'}: no such folder"
        assert refusal(find, full, tmp_path / "nowhere") == f"{tmp_path / 'nowhere'}: no such folder"
        empty = refusal(find, full, tmp_path / "empty")
        assert empty.startswith(f"{tmp_path / 'empty'}: no images in it; known suffixes: .png")
        assert "one folder or two" in refusal(find, full, full, full)


def test_images_side_by_side_are_refused_for_a_scale(tmp_path):
    fill(tmp_path / "train", "1.png")
    with pytest.raises(ValueError, match=r"expected trainA/ and trainB/ in it, or give two folders; found train/"):
        find_pairs(tmp_path, scale=4)


def test_a_missing_or_empty_folder_of_single_images_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    assert refusal(find_single, tmp_path / "empty").startswith(f"{tmp_path / 'empty'}: no images in it")
    assert refusal(find_single, tmp_path / "nowhere") == f"{tmp_path / 'nowhere'}: no such folder"


def test_an_unknown_layout_is_refused_with_what_is_expected_and_found(tmp_path):
    fill(tmp_path / "photos", "1.png"), fill(tmp_path / "paintings", "1.png")
    for find in (find_pairs, find_unpaired):
        sentence = refusal(find, tmp_path)
        assert "trainA/" in sentence and "two folders" in sentence and sentence.endswith("found paintings/, photos/")


def test_trainA_without_trainB_is_refused(tmp_path):
    fill(tmp_path / "trainA", "1.png")
    for find in (find_pairs, find_unpaired):
        assert refusal(find, tmp_path) == f"{tmp_path / 'trainB'}: no such folder"


def test_images_without_partner_are_counted_and_three_are_named(tmp_path):
    a, b = fill(tmp_path / "a", *numbered(6)), fill(tmp_path / "b", "0.png", "extra.png")
    sentence = refusal(find_pairs, a, b)
    assert "6 of 8 images have no partner" in sentence
    assert [f"{name}.png" in sentence for name in (1, 2, 3, 4)] == [True, True, True, False]


def test_two_files_of_one_stem_are_refused(tmp_path):
    a, b = fill(tmp_path / "a", "1.png", "1.jpg"), fill(tmp_path / "b", "1.png")
    assert "1.jpg" in (sentence := refusal(find_pairs, a, b)) and "1.png" in sentence


def test_an_odd_width_is_refused_as_side_by_side(tmp_path):
    fill(tmp_path, "1.png", width=5)
    assert refusal(find_pairs, tmp_path).startswith(f"{tmp_path / '1.png'}: 5 pixels wide, which is odd")


@pytest.mark.parametrize("root", ["", "train"])
def test_classes_are_the_sorted_folders_of_train_or_of_the_folder_itself(tmp_path, root):
    fill(tmp_path / root, "b/1.png", "a/1.png", "c/1.png", ".hidden/1.png")
    assert find_classes(tmp_path) == ["a", "b", "c"]


def test_fewer_than_two_classes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="1 folders in it; classes are folders of images, two or more"):
        find_classes(fill(tmp_path, "a/1.png"))
