"""What a run keeps of its distillation: `distillation.json` with the budget, the ladder and the measured promise."""

import json
from pathlib import Path
from typing import Any

from i2i.distillation.budget import Budget
from i2i.distillation.timing import Timing
from i2i_runtime.files import printable, write_atomically

RECORD = "distillation.json"
PAIRS = "pairs"  # folder of a run with the teacher's outputs
STUDENT = "student.onnx"


def read_record(run: Path) -> dict[str, Any]:
    """The record of a run's folder; empty where there is none. Raises ValueError for a damaged one."""
    file = run / RECORD
    if not file.is_file():
        return {}
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{printable(file)}: damaged ({error}); delete it, and the ladder is timed again") from None
    return record if isinstance(record, dict) else {}


def write_record(run: Path, record: dict[str, Any]) -> None:
    """Write the record of a run's folder, atomically."""
    run.mkdir(parents=True, exist_ok=True)
    with write_atomically(run / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def check_same(run: Path, record: dict[str, Any], request: dict[str, Any]) -> None:
    """Raises ValueError where a run was begun by another command: with another budget, teacher or folder."""
    for key, value in request.items():
        if record and record.get(key) != value:
            raise ValueError(
                f"{printable(run)}: begun with {key} {record.get(key)}, not {value}; give the same command to go on, "
                "or another --out"
            )


def promise(timing: Timing, dropped: int, budget: Budget) -> tuple[dict[str, Any], str]:
    """Whether a trained student keeps the budget on a stream that dropped so many frames, as facts for the record and
    as a sentence.
    """
    kept = timing.keeps(budget, 0.0)
    facts = {"budget_ms": budget.milliseconds, "kept": kept, **timing.facts(), "dropped": dropped}
    measured = f"p50 {timing.p50:.1f} ms, p99 {timing.p99:.1f} ms of {budget.milliseconds:.1f} ms at {budget.size}"
    frames = f"a stream of {timing.frames + dropped} frames, {dropped} dropped, on {timing.engine}"
    verdict = "kept" if kept else "not kept; what else runs on this machine counts, and a larger --margin leaves room"
    return facts, f"{measured} ({frames}): {budget.text} is {verdict}"
