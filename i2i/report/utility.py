"""Table of utility that `i2i evaluate utility --run` wrote to a run's folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i2i.evaluate.utility import UTILITY_FILE


def read_utility(run: Path) -> tuple[list[list[str]], list[str]]:
    """Read a run's utility.json as rows of text with a head, none where there is no file; a note for a damaged one."""
    file = run / UTILITY_FILE
    if not file.exists():
        return [], []
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
        head = ["trained on", "tested on", "mIoU", *map(str, table["classes"])]
        return [head, *(_row(row, table["classes"]) for row in table["rows"])], []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [], [f"{UTILITY_FILE} cannot be read ({type(error).__name__}: {error})."]


def _row(row: Mapping[str, Any], classes: list[str]) -> list[str]:
    spread = "" if row["spread"] is None else f" ± {row['spread']:.3f}"
    by_class = ["" if row["IoU"][name] is None else f"{row['IoU'][name]:.3f}" for name in classes]
    return [str(row["trained_on"]), str(row["tested_on"]), f"{row['mIoU']:.3f}{spread}", *by_class]
