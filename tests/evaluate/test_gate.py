"""The gate for translated frames, on street scenes whose content was swapped."""

import csv
from pathlib import Path

import numpy as np
import pytest

from i2i.data.world import CLASSES, draw_scene
from i2i.evaluate import check_folders, draw_worst, gate_frames, sort_frames, write_manifest
from i2i.evaluate.gate import ACCURACY, DISTANCE, EDGES, Bound, GatedFrame, GateResult, _bound, _decide
from i2i.evaluate.labels import LabelConsistency
from i2i_runtime import images
from tests.cli.test_cli import i2i_run
from tests.measures import Means

SIZE, FRAMES = 48, 60
SWAPPED = range(3, FRAMES, 6)  # every sixth
SEGMENTER = """
import numpy as np
from i2i.data.world import draw_scene

REAL = {scene.real.tobytes(): scene.labels for scene in (draw_scene(size=%d, seed=0, index=i) for i in range(%d))}

def segment(image):
    labels = REAL[image.tobytes()].astype(int)
    # A segmenter of middling skill: a third of the pixels is wrong, everywhere alike.
    wrong = np.random.default_rng(image.sum()).random(labels.shape) < 0.33
    return np.where(wrong, (labels + 1) %% 8, labels)
"""


def write(file: Path, image: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    images.write(file, image)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Perfect translations out/ of sim/, but for some that show another street; labels/, real/, and a segmenter."""
    folder = tmp_path_factory.mktemp("frames")
    scenes = [draw_scene(size=SIZE, seed=0, index=index) for index in range(FRAMES)]
    for index, scene in enumerate(scenes):
        shown = scenes[(index + 6) % FRAMES] if index in SWAPPED else scene
        for name, picture in (("sim", scene.sim), ("labels", scene.labels), ("out", shown.real)):
            write(folder / name / f"{index}.png", picture)
    for index in range(10):
        write(folder / "real" / f"{index}.png", draw_scene(size=SIZE, seed=1, index=index).real)
    (folder / "classes.txt").write_text("\n".join(CLASSES))
    (folder / "segmenter.py").write_text(SEGMENTER % (SIZE, FRAMES))
    return folder


class Seen:
    """Segmenter that gives the same label map for every image."""

    name, classes, class_names = "seen", len(CLASSES), CLASSES

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return np.zeros(image.shape[:2], np.int64)


def gate(frames: Path, *options: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    names = {"--source": "sim", "--labels": "labels", "--keep": "kept", "--doubtful": "doubtful"}
    words = [word for option, name in names.items() for word in (option, str(frames / name))]
    segmenter = ["--segmenter", f"{frames / 'segmenter.py'}:segment"]
    return i2i_run("gate", str(frames / "out"), *words, *segmenter, *options, capsys=capsys)


def test_swapped_frames_are_put_aside(frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, errors = gate(frames, capsys=capsys)
    assert code == 0, errors
    kept, doubtful = ({int(file.stem) for file in (frames / name).iterdir()} for name in ("kept", "doubtful"))
    assert kept | doubtful == set(range(FRAMES)) and not kept & doubtful
    found = len(doubtful & set(SWAPPED))
    assert found / len(doubtful) >= 0.9, "precision"
    assert found / len(SWAPPED) >= 0.8, "recall"
    assert f"{len(kept)} of 60 frames kept in {frames / 'kept'}, {len(doubtful)} in {frames / 'doubtful'}" in out

    with (frames / "kept.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows] == [f"{index}.png" for index in range(FRAMES)]
    assert {int(Path(row["name"]).stem) for row in rows if row["decision"] == "doubtful"} == doubtful
    assert all(bool(row["reason"]) == (row["decision"] == "doubtful") for row in rows)
    assert images.read(frames / "doubtful.png").shape[1] == 4 * 320
    assert len(list((frames / "out").iterdir())) == FRAMES, "nothing is deleted"


def test_results_are_not_replaced_unasked(frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (frames / "kept").mkdir(exist_ok=True)
    (frames / "kept" / "mine.png").touch()
    code, _, errors = gate(frames, capsys=capsys)
    assert code == 1 and "kept: is not an empty folder; name another, or --overwrite" in errors
    code, _, errors = gate(frames, "--overwrite", capsys=capsys)
    assert code == 0, errors
    assert (frames / "kept" / "mine.png").exists()


def test_a_segmenter_that_knows_no_such_frames_is_suspected(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = ["--keep", str(tmp_path / "kept"), "--doubtful", str(tmp_path / "doubtful")]
    code, out, errors = gate(frames, "--floor", "0.9", *folders, capsys=capsys)
    assert code == 0, errors
    assert "0 of 60 frames kept" in out and "the segmenter may not know such images" in out


def test_frames_that_look_like_no_real_frame_are_put_aside(frames: Path, tmp_path: Path) -> None:
    for index in range(10):
        picture = draw_scene(size=SIZE, seed=2, index=index).real
        write(tmp_path / "out" / f"{index}.png", 255 - picture if index == 4 else picture)
        write(tmp_path / "labels" / f"{index}.png", np.zeros((SIZE, SIZE, 1), np.uint8))
    labels = LabelConsistency(Seen(), tmp_path / "labels")
    out = tmp_path / "out"
    gated = gate_frames(out, source=out, labels=labels, real=frames / "real", extractor=Means())
    assert [frame.name.name for frame in gated.frames if not frame.is_kept] == ["4.png"]
    assert gated.worst(1)[0].reasons[0].startswith("distance to real")


def test_frames_that_cannot_be_measured_are_doubtful(frames: Path, tmp_path: Path) -> None:
    for index in (0, 1, 2):
        write(tmp_path / "out" / f"{index}.png", images.read(frames / "sim" / f"{index}.png"))
    (tmp_path / "out" / "3.png").write_bytes(b"damaged")
    labels = LabelConsistency(Seen(), frames / "labels")
    gated = gate_frames(tmp_path / "out", source=frames / "sim", labels=labels, floor=0)
    assert gated.frames[3].reasons == ("pixel accuracy cannot be measured", "edge F1 cannot be measured")
    assert len(gated.failed) == 1 and "3.png" in gated.failed[0]
    assert gated.frames[3] not in gated.worst(4)


@pytest.mark.parametrize("damaged", ["sim", "labels"])
def test_frames_with_a_damaged_source_or_label_map_are_doubtful_and_not_on_the_sheet(
    frames: Path, tmp_path: Path, damaged: str
) -> None:
    for name in ("out", "sim", "labels"):
        for index in range(4):
            write(tmp_path / name / f"{index}.png", images.read(frames / name / f"{index}.png"))
    (tmp_path / damaged / "3.png").write_bytes(b"damaged")
    labels = LabelConsistency(Seen(), tmp_path / "labels")
    gated = gate_frames(tmp_path / "out", source=tmp_path / "sim", labels=labels, floor=0)
    assert not gated.frames[3].is_kept and len(gated.failed) == 1 and f"{damaged}/3.png" in gated.failed[0]
    caption = 22
    assert draw_worst(gated, tmp_path / "sim", labels).shape == (caption + 3 * (caption + 320), 4 * 320, 3)


def test_bound_is_the_median_less_so_many_deviations() -> None:
    values = np.array([0.5, 0.7, 0.8, 0.9, 1.0])
    scores = {Path(str(value)): {EDGES: value, ACCURACY: value, DISTANCE: value} for value in values}
    deviation = 1.4826 * 0.1  # deviations from the median: 0.3, 0.1, 0, 0.1, 0.2
    assert _bound(EDGES, scores, 2.5, 0.9).limit == pytest.approx(0.8 - 2.5 * deviation)
    assert _bound(DISTANCE, scores, 2.5, 0.9).limit == pytest.approx(0.8 + 2.5 * deviation)
    assert _bound(ACCURACY, scores, 2.5, 0.6).limit == 0.6, "the floor"


def test_frames_that_are_all_alike_have_no_outlier() -> None:
    scores = {Path(str(index)): {EDGES: value} for index, value in enumerate([0.9] * 8 + [0.89])}
    bound = _bound(EDGES, scores, 2.5, 0.5)
    assert all(_decide(name, each, [bound]).is_kept for name, each in scores.items())
    assert not _decide(Path("low"), {EDGES: 0.8}, [bound]).is_kept


def test_severity_is_that_of_the_worst_score() -> None:
    bounds = [Bound(EDGES, 0.5, 0.1), Bound(DISTANCE, 2.0, 0.5)]
    frame = _decide(Path("a"), {EDGES: 0.6, DISTANCE: 4.0}, bounds)
    assert frame.severity == pytest.approx(4.0) and frame.reasons == ("distance to real 4.000 above 2.000",)


def test_wrong_folders_are_refused(tmp_path: Path, frames: Path) -> None:
    inputs = [frames / "out"]
    with pytest.raises(ValueError, match="one folder for frames that are kept and doubtful ones"):
        check_folders(tmp_path / "a", tmp_path / "a", inputs)
    with pytest.raises(ValueError, match="lies among the frames themselves"):
        check_folders(frames / "out" / "kept", tmp_path / "b", inputs)
    few = GateResult(frames / "out", [], [], [])
    sort_frames(few, keep=tmp_path / "a", doubtful=tmp_path / "b")
    with pytest.raises(ValueError, match="2 frames; an outlier is one among three or more"):
        for index in range(2):
            write(tmp_path / "few" / f"{index}.png", np.zeros((8, 8, 3), np.uint8))
        gate_frames(tmp_path / "few", source=frames / "sim", labels=LabelConsistency(Seen(), frames / "labels"))


def test_a_frame_that_changes_sides_is_in_one_folder(tmp_path: Path) -> None:
    write(tmp_path / "out" / "a" / "1.png", np.zeros((8, 8, 3), np.uint8))
    name = Path("a/1.png")
    good, bad = (GatedFrame(name, {EDGES: 0.5}, reasons, 0.0) for reasons in ((), ("edge F1",)))
    for frame, overwrite in ((good, False), (bad, True), (bad, True)):
        result = GateResult(tmp_path / "out", [frame], [], [])
        sort_frames(result, keep=tmp_path / "k", doubtful=tmp_path / "d", overwrite=overwrite)
        write_manifest(result, tmp_path / "k.csv")
    assert [file.name for file in (tmp_path / "d").rglob("*.png")] == ["1.png"]
    assert not list((tmp_path / "k").rglob("*.png"))
    assert (tmp_path / "k.csv").read_text().splitlines() == [
        "name,edge F1,decision,reason",
        "a/1.png,0.5000,doubtful,edge F1",
    ]


def test_sheet_shows_source_translation_labels_and_what_is_seen(frames: Path) -> None:
    labels = LabelConsistency(Seen(), frames / "labels")
    frame = GatedFrame(Path("0.png"), {EDGES: 0.5}, (), 0.0)
    sheet = draw_worst(GateResult(frames / "out", [frame], [], []), frames / "sim", labels)
    assert sheet.shape == (2 * 22 + 320, 4 * 320, 3)
    np.testing.assert_array_equal(sheet[44, 3 * 320], [128, 0, 0])
