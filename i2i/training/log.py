"""Logs of a run: losses, scores, diversity and metrics as CSV files and for TensorBoard, and sheets of samples."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from i2i_runtime.files import write_atomically

LOSSES = "losses.csv"
SCORES = "scores.csv"
DIVERSITY = "diversity.csv"
METRICS = "metrics.csv"


class Log:
    """Appends to the CSV files of a run (losses, scores, diversity, metrics) and to TensorBoard, within a `with` block.

    Rows after `step`, of a run that was killed, are dropped first. Without a folder nothing is written.
    """

    def __init__(self, run: Path | None, step: int = 0) -> None:
        self._run = run
        if run is None:
            return
        for name in (LOSSES, SCORES, DIVERSITY, METRICS):
            _drop_rows_after(run / name, step)
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1 if step else None)

    def losses(self, step: int, values: Mapping[str, float]) -> None:
        self._write(LOSSES, step, values)

    def score(self, step: int, score: float) -> None:
        self._write(SCORES, step, {"score": score})

    def diversity(self, step: int, values: Mapping[str, float]) -> None:
        """Diversity of outputs relative to that of real images, and the separation of both by discriminators."""
        self._write(DIVERSITY, step, values)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Metrics on held-out images, as `PRODUCT.METRIC`."""
        self._write(METRICS, step, values)

    def sheet(self, step: int, sheet: Tensor) -> None:
        """`sheet`: uint8 (3, H, W)."""
        if self._run is not None:
            self._board.add_image("samples", sheet, step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._run is not None:
            self._board.close()

    def _write(self, name: str, step: int, values: Mapping[str, float]) -> None:
        if self._run is None:
            return
        file = self._run / name
        row = {"step": str(step)} | {key: f"{value:.6g}" for key, value in values.items()}
        columns = _columns(file)
        if new := [key for key in row if key not in columns]:  # a term that not every step has
            columns += new
            _add_columns(file, columns)
        with file.open("a", newline="", encoding="utf-8") as stream:
            csv.DictWriter(stream, columns, restval="", lineterminator="\n").writerow(row)
        for key, value in values.items():
            self._board.add_scalar(key.replace(".", "/"), value, step)


def _drop_rows_after(file: Path, step: int) -> None:
    if not _has_rows(file):
        return
    head, *rows = file.read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if row.partition(",")[0].isdecimal() and int(row.partition(",")[0]) <= step]
    _replace(file, [head, *kept])


def _has_rows(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0  # a full disk leaves an empty one


def _columns(file: Path) -> list[str]:
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        return next(csv.reader(stream), [])


def _add_columns(file: Path, columns: list[str]) -> None:
    """Rewrite the file with more columns, empty in the rows that it has."""
    rows = file.read_text(encoding="utf-8").splitlines()[1:] if file.exists() else []
    _replace(file, [",".join(columns), *(row + "," * (len(columns) - 1 - row.count(",")) for row in rows)])


def _replace(file: Path, lines: list[str]) -> None:
    with write_atomically(file) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
