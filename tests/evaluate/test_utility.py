"""Utility of translated frames, on street scenes whose perfect translation is known."""

import json
from pathlib import Path

import numpy as np
import pytest

from i2i.data.world import CLASSES, draw_scene, make_world
from i2i.data.world.scene import Scene
from i2i.evaluate import LabelledFolder, evaluate_utility, open_utility_frames, write_utility
from i2i.evaluate.labelled_frames import LabelledFrames, ScoredClasses
from i2i.evaluate.utility import UtilityFrames, UtilityResult, UtilityRow
from i2i_runtime import images

SIZE = 24
SCORED = ScoredClasses.of(CLASSES, merge=["road+marking", "building+window"])


def frames(scenes: list[Scene], pictures: list[np.ndarray]) -> LabelledFrames:
    return LabelledFrames(np.stack(pictures), SCORED.index[np.stack([scene.labels for scene in scenes])])


def scenes(count: int, first: int) -> list[Scene]:
    return [draw_scene(size=SIZE, seed=0, index=first + index) for index in range(count)]


@pytest.fixture(scope="module")
def street() -> UtilityFrames:
    """Simulated frames; translations halfway to the real look, and ones that look real but show another street."""
    source, test, real = scenes(40, 0), scenes(24, 1000), scenes(40, 2000)
    swapped = [scene.real for scene in source[1:] + source[:1]]
    half = [np.rint((scene.sim + scene.real.astype(float)) / 2).astype(np.uint8) for scene in source]
    return UtilityFrames(
        source=frames(source, [scene.sim for scene in source]),
        translated={"half": frames(source, half), "sabotaged": frames(source, swapped)},
        real_test=frames(test, [scene.real for scene in test]),
        classes=SCORED.names,
        real_train=frames(real, [scene.real for scene in real]),
    )


@pytest.fixture(scope="module")
def result(street: UtilityFrames) -> UtilityResult:
    return evaluate_utility(street, steps=40, seeds=1, train_on=["source", "translated", "real"])


def test_source_is_worth_less_than_its_translation_and_that_less_than_real_frames(result: UtilityResult):
    source, half, real = (result.row(name).mean_iou[0] for name in ("source", "half", "real"))
    assert source + 0.05 < half < real - 0.05


def test_a_translation_that_moves_content_is_noticed(result: UtilityResult):
    assert result.row("sabotaged").mean_iou[0] < result.row("real").mean_iou[0] - 0.05
    assert result.row("real", "sabotaged").mean_iou[0] < result.row("real").mean_iou[0] - 0.1


def test_same_frames_give_the_same_row(street: UtilityFrames):
    twice = street._replace(translated={"again": street.source})
    found = evaluate_utility(twice, steps=2, seeds=2, train_on=["source", "translated"])
    assert found.row("source").mean_iou == found.row("again").mean_iou
    assert len(set(found.row("source").mean_iou)) == 2, "seeds differ"


def test_stopped_evaluation_keeps_what_is_done(street: UtilityFrames):
    steps = iter(range(100))
    found = evaluate_utility(street, steps=2, seeds=1, stop=lambda: next(steps) >= 3)
    assert [row.trained_on for row in found.rows] == ["source"]


def test_mean_is_over_classes_that_the_test_set_shows():
    row = UtilityRow("a", "b")
    row.add(np.array([[2, 1, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0]]))  # the third class is predicted once, and never true
    assert row.mean_iou == [pytest.approx((2 / 4 + 1 / 3) / 2)]
    assert np.isnan(row.spread) and np.isnan(row.class_means()[2])


def test_result_is_written_as_json(result: UtilityResult, tmp_path: Path):
    write_utility(result, tmp_path / "out.json")
    table = json.loads((tmp_path / "out.json").read_text())
    assert [(row["trained_on"], row["tested_on"]) for row in table["rows"]][:3] == [
        ("source", "real"),
        ("half", "real"),
        ("sabotaged", "real"),
    ]
    assert table["rows"][0]["spread"] is None and list(table["rows"][0]["IoU"]) == list(SCORED.names)
    assert len({len(line.split("  ")[0]) for line in result.lines()}) > 1


class TestClasses:
    NAMES = ("sky", "road", "pavement", "tree", "void")

    def test_merged_classes_are_one_and_ignored_ones_none(self):
        scored = ScoredClasses.of(self.NAMES, merge=["road+pavement"], ignore=["void"])
        assert scored.names == ("sky", "road+pavement", "tree")
        assert scored.index[[0, 1, 2, 3, 4, 255]].tolist() == [0, 1, 1, 2, 255, 255]

    @pytest.mark.parametrize(
        "options, message",
        [
            ({"merge": ["road+lawn"]}, "no class 'lawn'; choose from: pavement, road, sky, tree, void"),
            ({"merge": ["road+tree"], "ignore": ["road"]}, "'road' is merged or ignored twice"),
            ({"ignore": NAMES[1:]}, r"1 classes are left \(sky\)"),
        ],
    )
    def test_unknown_and_repeated_classes_are_refused(self, options, message):
        with pytest.raises(ValueError, match=message):
            ScoredClasses.of(self.NAMES, **options)


class TestFolders:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        make_world(tmp_path / "world", count=2, size=32, seed=0)
        return tmp_path / "world"

    def open(self, folder: Path, **options: object) -> UtilityFrames:
        source = LabelledFolder(folder / "trainA", folder / "trainA_labels")
        real = LabelledFolder(folder / "testB", folder / "testA_labels")
        return open_utility_frames(source, {"translated": folder / "trainB"}, real, **options)  # type: ignore[arg-type]

    def test_frames_are_read_in_one_size_with_their_labels(self, folder: Path):
        read = self.open(folder, size=(16, 24))
        assert read.source.images.shape == (2, 24, 16, 3) and read.real_test.labels.shape == (1, 24, 16)
        np.testing.assert_array_equal(read.source.labels, read.translated["translated"].labels)
        assert read.classes == CLASSES

    def test_classes_without_names_are_numbers(self, folder: Path):
        for file in folder.rglob("classes.txt"):
            file.unlink()
        assert self.open(folder).classes == tuple(map(str, range(8)))

    def test_class_names_beside_the_maps_are_what_is_merged_and_ignored(self, folder: Path):
        read = self.open(folder, size=(32, 32), merge=["road+marking"], ignore=["car"])
        assert read.classes == ("sky", "road+marking", "pavement", "building", "window", "vegetation")
        truth = images.read(folder / "trainA_labels" / "00000.png")[..., 0]
        np.testing.assert_array_equal(read.source.labels[0] == 255, truth == CLASSES.index("car"))

    def test_missing_label_maps_are_named(self, folder: Path):
        (folder / "trainA_labels" / "00001.png").unlink()
        with pytest.raises(ValueError, match=r"trainA_labels: no label map for 1 of 2 images: 00001.png"):
            self.open(folder)

    def test_label_maps_of_another_shape_are_refused(self, folder: Path):
        images.write(folder / "trainB" / "00001.png", np.zeros((32, 48, 3), np.uint8))
        with pytest.raises(ValueError, match=r"00001.png is 32x32, but .*trainB/00001.png 48x32; allowed: equal sizes"):
            self.open(folder)

    def test_label_maps_without_a_scored_class_are_refused(self, folder: Path):
        images.write(folder / "testA_labels" / "00000.png", np.full((32, 32, 1), 255, np.uint8))
        with pytest.raises(ValueError, match="testA_labels: shows none of the classes sky, road"):
            self.open(folder)

    @pytest.mark.parametrize("damaged, left", [("trainA", (1, 2)), ("trainA_labels", (1, 1)), ("trainB", (2, 1))])
    def test_damaged_files_are_left_out_and_named(self, folder: Path, damaged: str, left: tuple[int, int]):
        broken = folder / damaged / "00001.png"
        broken.write_bytes(broken.read_bytes()[:60])
        read = self.open(folder)
        assert (len(read.source.images), len(read.translated["translated"].images)) == left
        assert len(read.left_out) == 1 and read.left_out[0].startswith(f"{broken}: ")
        result = evaluate_utility(read, steps=1, seeds=1, train_on=["translated"])
        assert result.as_json()["left_out"] == list(read.left_out)

    def test_a_damaged_first_frame_does_not_decide_the_size(self, folder: Path):
        for name in ("testB", "testA_labels"):
            images.write(folder / name / "00001.png", np.zeros((16, 32, 1), np.uint8))
        (folder / "testB" / "00000.png").write_bytes(b"damaged")
        assert self.open(folder, size=None).real_test.images.shape == (1, 64, 128, 3)

    def test_a_folder_of_damaged_frames_is_an_error(self, folder: Path):
        for file in (folder / "trainA").iterdir():
            file.write_bytes(b"damaged")
        with pytest.raises(ValueError, match=r"trainA: none of 2 frames can be read; .*trainA/00001.png: not an image"):
            self.open(folder)
