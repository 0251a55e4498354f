"""The CSV logs of a run, read as columns."""

import csv
from pathlib import Path


def read_log(file: Path) -> dict[str, list[float]]:
    """The columns of a log file, NaN where a row has no value; empty where there is none yet."""
    if not file.exists() or not file.stat().st_size:
        return {}
    with file.open(newline="", encoding="utf-8") as stream:
        head, *rows = csv.reader(stream)
    return {name: [float(row[index] or "nan") for row in rows] for index, name in enumerate(head)}
