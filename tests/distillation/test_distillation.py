"""Distillation: budgets, the choice of a student, and a teacher's pairs."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer

from i2i import recipe, registry
from i2i.cli import distil
from i2i.distillation import work
from i2i.distillation.budget import Budget
from i2i.distillation.ladder import Rung, ladder
from i2i.distillation.pairs import make_pairs, scale_of_outputs
from i2i.distillation.record import read_record
from i2i.distillation.teacher import is_outputs, teacher_of_outputs
from i2i.distillation.timing import Timing, choose, table, time_frames
from i2i.recipe.components import build
from i2i_runtime import images
from i2i_runtime.timings import Timings
from i2i_runtime.translate import ImageModel
from tests.cli.test_evaluate import save_model
from tests.data.files import put
from tests.training.commands import ENVIRONMENT
from tests.waits import HANGS
from tests.worlds import Recorder


def timings(*late: float) -> list[Timing]:
    return [Timing(f"student {number}", 1000, p99 / 2, p99, 50, "engine cpu") for number, p99 in enumerate(late)]


@pytest.mark.parametrize(
    ("text", "milliseconds", "height", "width"),
    [("30fps@640x360", 1000 / 30, 360, 640), ("8ms@512x288", 8, 288, 512), ("2.5FPS@16x8", 400, 8, 16)],
)
def test_a_budget_is_a_speed_at_a_size(text: str, milliseconds: float, height: int, width: int) -> None:
    budget = Budget.parse(text)
    assert (budget.milliseconds, budget.height, budget.width) == (milliseconds, height, width)


@pytest.mark.parametrize(
    "text",
    ["30fps", "30@640x360", "fps@640x360", "0fps@640x360", "30fps@640x0", "30fps@640", "9ms@99999x9", "-1ms@8x8"],
)
def test_another_budget_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="not a speed at a size; for example 30fps@640x360"):
        Budget.parse(text)


@pytest.mark.parametrize(("margin", "chosen"), [(0.0, 1), (0.15, 2), (0.5, 3)])
def test_the_largest_student_whose_p99_leaves_the_margin_is_chosen(margin: float, chosen: int) -> None:
    found = timings(40, 9.9, 8.5, 4)
    assert choose(found, Budget.parse("10ms@64x64"), margin) == chosen
    lines = table(found, Budget.parse("10ms@64x64"), margin)
    assert [line.rpartition("  ")[2] for line in lines[1:5]].index("chosen") == chosen


def test_where_no_student_keeps_it_the_sentence_has_budgets_that_one_would_keep() -> None:
    budget = Budget.parse("100fps@640x360")
    with pytest.raises(ValueError, match=r"the fastest, student 1, takes 36\.0 ms \(p99\) where 9\.0 ms") as error:
        choose(timings(50, 36), budget, 0.1)
    # A quarter of the pixels in a quarter of the time
    assert str(error.value).endswith("25fps@640x360, or 100fps@320x176")


def test_the_rungs_become_smaller_from_one_to_the_next() -> None:
    for scale in (1, 4):
        students = [rung.build(source_channels=3, target_channels=3, scale=scale) for rung in ladder(scale)[-3:]]
        sizes = [sum(weight.numel() for weight in student.parameters()) for student in students]
        assert sizes == sorted(sizes, reverse=True) and all(student.scale == scale for student in students)


@pytest.mark.parametrize("rung", ladder(4), ids=lambda rung: rung.name)
def test_a_student_of_an_upscaler_starts_from_the_up_sampled_image(rung: Rung) -> None:
    chosen = recipe.load(recipe.find("distil/upscaling"), ["low", "high"], rung.overrides())
    student = build(registry.generators, chosen.method["generator"] | {"in_channels": 3, "out_channels": 3, "scale": 4})
    image = torch.rand(1, 3, 9, 7)
    assert torch.allclose(student(image), torch.nn.functional.interpolate(image, scale_factor=4.0), atol=1e-5)


def test_a_network_that_cannot_keep_the_budget_is_not_timed_to_the_end() -> None:
    calls: list[str] = []
    budget = Budget("", 1e-6, 8, 8)  # which nothing keeps
    assert len(time_frames([calls.append], budget, seconds=1e9, give_up=True)[0]) == 5  # type: ignore[list-item]
    assert len(time_frames([calls.append], budget, seconds=0)[0]) == 20  # type: ignore[list-item]


def frames(folder: Path, count: int = 6, size: tuple[int, int] = (8, 12)) -> Path:
    for index in range(count):
        put(folder / f"{index}.png", (*size, 3))
    return folder


@pytest.mark.parametrize(
    ("output", "factor", "noted"),
    [((8, 12), 1, False), ((32, 48), 4, False), ((33, 49), 4, True), ((6, 9), 1, True), ((12, 18), 1, True)],
)
def test_the_scale_of_outputs_is_a_whole_number(
    tmp_path: Path, output: tuple[int, int], factor: int, noted: bool
) -> None:
    found = scale_of_outputs(frames(tmp_path / "in"), frames(tmp_path / "out", size=output))
    assert found.factor == factor and ("are resized to" in found.note) == noted


def test_outputs_that_belong_to_no_frame_or_have_another_shape_are_refused(tmp_path: Path) -> None:
    source = frames(tmp_path / "in")
    with pytest.raises(ValueError, match="no image has the name of one in"):
        scale_of_outputs(source, frames(tmp_path / "out" / "deeper").parent)
    with pytest.raises(ValueError, match="is 8x8 and its frame 12x8, of another shape"):
        scale_of_outputs(source, frames(tmp_path / "square", size=(8, 8)))


def test_a_folder_of_images_is_a_teacher_and_a_run_is_not(tmp_path: Path) -> None:
    assert is_outputs(frames(tmp_path / "out"))
    (frames(tmp_path / "run" / "samples").parent / "recipe.toml").touch()
    assert not is_outputs(tmp_path / "run") and not is_outputs(tmp_path / "gone")


# Translates by a network of which the third image never comes to its end.
KILLED = """
import os, signal, sys
from pathlib import Path
from i2i import inference
from i2i.distillation.pairs import make_pairs

def progress(at):
    if at.finished == 3:
        os.kill(os.getpid(), signal.SIGKILL)

make_pairs(inference.load(sys.argv[1], device="cpu"), Path(sys.argv[2]), Path(sys.argv[3]), progress=progress)
"""


def test_killed_pairs_go_on_and_those_of_another_teacher_are_refused(tmp_path: Path) -> None:
    from i2i import inference

    teacher, source, target = save_model(tmp_path / "x2.pth", scale=2), frames(tmp_path / "in", 40), tmp_path / "pairs"
    words = [sys.executable, "-c", KILLED, str(teacher), str(source), str(target)]
    assert subprocess.run(words, env=ENVIRONMENT, timeout=HANGS).returncode == -signal.SIGKILL
    there = {path: path.stat().st_mtime_ns for path in target.glob("*.png")}
    assert 0 < len(there) < 40
    report = make_pairs(inference.load(teacher, device="cpu"), source, target)
    assert len(report.skipped) + len(report.done) == 40 and len(report.skipped) >= 3
    assert all(path.stat().st_mtime_ns == there[path] for path in list(there)[:3])
    assert images.header(target / "0.png").width == 24

    other = inference.load(save_model(tmp_path / "other.pth", scale=1), device="cpu")
    with pytest.raises(ValueError, match=r"40 images of another teacher, .* --overwrite makes them again"):
        make_pairs(other, source, target)
    assert len(make_pairs(other, source, target, overwrite=True).done) == 40


class Line(Recorder):
    def count(self, noun: str):
        return lambda done, total: None


def streamed(model: ImageModel, size: tuple[int, int], *, rate: float, seconds: float) -> Timings:
    """Timings of a stream of frames of 16 pixels, each 16 ms after the one before."""
    assert size == (16, 16) and rate * 16 == pytest.approx(1000) and seconds >= 20
    timings = Timings()
    timings.network.extend([5.0, 6.0, 7.0])
    timings.drop()
    return timings


def test_a_distillation_goes_on_with_the_student_that_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a folder of outputs to an exported student and its promise; another command is refused."""
    source, outputs = frames(tmp_path / "in", 4, (16, 16)), frames(tmp_path / "out", 4, (16, 16))
    late = [[Timing(rung.name, 1000, 1, 99 - 11 * at, 50, "engine cpu") for at, rung in enumerate(ladder(1))]]
    monkeypatch.setattr(work, "time_ladder", lambda *rungs, **options: late.pop())
    monkeypatch.setattr(work, "time_stream", streamed)
    options = ["train.steps=1", "train.workers=0", "train.batch_size=1", "method.adversarial_weight=0"]

    def begun(budget: str, line: Line) -> work.Work:
        teacher = teacher_of_outputs(outputs, source)
        asked = {"teacher": teacher, "frames": source, "run": tmp_path / "run", "overrides": options}
        return work.Work(budget=Budget.parse(budget), line=line, device="cpu", **asked)

    line = Line()
    assert work.distil(begun("16ms@16x16", line))
    record = read_record(tmp_path / "run")
    assert record["student"] == "mobile-resnet 16 x 2" and record["promise"]["kept"] and record["promise"]["p50"] == 6
    assert record["promise"]["dropped"] == 1
    assert any("mobile-resnet 16 x 2" in said for said in line.messages) and line.steps == [1]
    assert (tmp_path / "run" / "student.onnx").is_file() and "16ms@16x16 is kept" in line.messages[-1]
    again = Line()
    assert work.distil(begun("16ms@16x16", again)) and again.steps == [] and not late
    with pytest.raises(ValueError, match="begun with budget 16ms@16x16, not 9ms@16x16; give the same command"):
        work.distil(begun("9ms@16x16", Line()))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone", "--budget", "30fps@64x64"], "gone: no such file or folder, and no weights of that name"),
        (["gone", "--budget", "soon"], "--budget soon: not a speed at a size"),
        (["gone", "--budget", "30fps@64x64", "--real", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_what_cannot_be_distilled_is_one_sentence(words: list[str], said: str, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command("distil")(distil.distil)
    teacher, *options = words
    with pytest.raises(ValueError, match=said) as error:
        app(args=[teacher, str(frames(tmp_path / "in")), *options], standalone_mode=False)
    assert "\n" not in str(error.value)
