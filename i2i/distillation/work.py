"""The work of a distillation, in its order: a student is chosen, taught, exported and timed. Each part goes on where it
was interrupted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from i2i.checkpoints import run as checkpoint
from i2i.checkpoints.card import card_of
from i2i.checkpoints.load import load_generator
from i2i.distillation.budget import Budget
from i2i.distillation.ladder import Rung, ladder, rung_of
from i2i.distillation.pairs import make_pairs, median_size
from i2i.distillation.record import STUDENT, check_same, promise, read_record, write_record
from i2i.distillation.settings import student_recipe
from i2i.distillation.teacher import Teacher
from i2i.distillation.timing import AUTO, EngineChoice, Timing, choose, table, time_ladder
from i2i.export import export, read_calibration
from i2i.recipe import load_run
from i2i.training import run as training
from i2i.training.context import Interrupted
from i2i.training.reporter import Reporter
from i2i_runtime import images
from i2i_runtime.files import printable
from i2i_runtime.stream_command import time_stream

_PROMISE_SECONDS, _PROMISE_FRAMES = 20.0, 20  # of the trained student's stream, at least


class Line(Reporter, Protocol):
    """Displays progress."""

    def count(self, noun: str) -> Callable[[int, int], None]:
        """A callback (done, total) that shows a count of `noun`."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """The request for a distillation, and the line that displays its progress."""

    teacher: Teacher
    frames: Path
    run: Path
    budget: Budget
    line: Line
    real: Path | None = None
    margin: float = 0.3  # frames of a stream, which come one by one, took up to 1.6 times as long (p99)
    engine: EngineChoice = AUTO
    int8: bool = False
    seconds: float = 3.0
    overrides: Sequence[str] = ()
    overwrite: bool = False
    device: str = "auto"
    stop: Callable[[], bool] = lambda: False

    @property
    def rungs(self) -> Sequence[Rung]:
        """The students to choose from, from the largest on."""
        return ladder(self.teacher.scale)


def distil(work: Work) -> bool:
    """Do what is not done yet; True where the trained student keeps the budget.

    Raises ValueError where no student keeps it, and what the parts raise; `Interrupted` on a stop.
    """
    request: dict[str, Any] = {"teacher": work.teacher.name, "frames": str(work.frames.resolve())}
    request |= {"budget": work.budget.text, "int8": work.int8}
    record = read_record(work.run)
    check_same(work.run, record, request)
    if not record:
        timings = show_ladder(work)
        chosen = timings[choose(timings, work.budget, work.margin)].name
        facts = {"margin": work.margin, "student": chosen, "ladder": [each.facts() for each in timings]}
        record = request | facts
        write_record(work.run, record)
    work.line.notify(f"student: {record['student']}")
    teach(work)
    train_student(work, rung_of(work.rungs, record["student"]))
    export_student(work)
    facts, sentence = time_student(work)
    write_record(work.run, record | {"promise": facts})
    work.line.notify(sentence)
    return bool(facts["kept"])


def show_ladder(work: Work) -> list[Timing]:
    """Time the students and print them as a table."""
    work.line.notify(f"students for {work.budget.text}, exported with random weights:")
    timings = time_ladder(
        work.rungs,
        work.budget,
        source_channels=work.teacher.channels[0],
        target_channels=work.teacher.channels[1],
        scale=work.teacher.scale,
        engine=work.engine,
        int8=work.int8,
        seconds=work.seconds,
        track=work.line.count("students exported"),
    )
    for each in table(timings, work.budget, work.margin):
        work.line.notify(each)
    return timings


def teach(work: Work) -> None:
    """Let the teacher make the outputs that are missing, if it is a network. Raises Interrupted on a stop."""
    teacher = work.teacher
    if teacher.note:
        work.line.notify(teacher.note)
    if teacher.model is None:
        return
    count = work.line.count("frames through the teacher")
    report = make_pairs(
        teacher.model,
        work.frames,
        teacher.outputs,
        workers=teacher.workers,
        overwrite=work.overwrite,
        progress=lambda at: count(at.finished, at.total),
        stop=work.stop,
    )
    for sentence in report.lines():
        work.line.notify(sentence)
    if report.stopped:
        raise Interrupted(str(work.run))


def train_student(work: Work, rung: Rung) -> None:
    """Train the student, from the beginning or from its last checkpoint. Raises as `i2i.training.run.train`."""
    options: Any = {"reporter": work.line, "device": work.device, "stop": work.stop}
    if saved := checkpoint.list_checkpoints(work.run):
        if int(saved[-1].name) >= load_run(work.run).train.steps:
            return
        training.resume(work.run, reporter=work.line, device=work.device, stop=work.stop)
        return
    sources = [work.frames, work.teacher.outputs, *([work.real] if work.real else [])]
    frame = median_size(work.frames, images.list_images(work.frames))
    chosen, said = student_recipe(
        sources,
        rung,
        work.budget,
        frame,
        channels=work.teacher.channels,
        scale=work.teacher.scale,
        overrides=work.overrides,
    )
    for sentence in said:
        work.line.notify(sentence)
    training.train(chosen, work.run, **options)


def export_student(work: Work) -> None:
    """Write the student of the newest checkpoint, proven, as `student.onnx`."""
    generator, facts = load_generator(work.run / "latest")
    card = card_of(generator, facts)
    calibration = read_calibration(work.frames, card) if work.int8 else ()
    _, proof = export(generator, card, work.run / STUDENT, int8=calibration)
    work.line.notify(f"proof: {proof.sentence()}")


def time_student(work: Work) -> tuple[dict[str, Any], str]:
    """The time of the exported student on a stream of the budget's rate, as facts and as a sentence with its file.

    In a stream each frame comes at its time, and a processor that waits in between is slower than one that does not.
    """
    file, budget = work.run / STUDENT, work.budget
    model = work.engine.open(file)
    rate = 1000 / budget.milliseconds
    seconds = max(_PROMISE_SECONDS, _PROMISE_FRAMES / rate)
    timings = time_stream(model, (budget.height, budget.width), rate=rate, seconds=seconds)
    timing = Timing.of(STUDENT, 0, list(timings.network), f"{model.engine} {model.provider}")
    facts, sentence = promise(timing, timings.dropped, budget)
    return facts, f"{printable(file)}: {sentence}"
