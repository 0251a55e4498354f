"""One self-contained HTML page of one run, or of several beside each other: what was run, how it went, what it makes.

from i2i import report
report.write_report([Path("runs/cyclegan/horse2zebra")], Path("report.html"))
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from i2i.report.cases import Shown, cases_of
from i2i.report.cautions import warnings_of
from i2i.report.curves import curves_of
from i2i.report.evaluation import read_evaluation
from i2i.report.facts import facts_of, find_run, in_short, read_recipe
from i2i.report.page import write_page
from i2i.report.parts import Case, Measure, RunPart
from i2i.report.pictures import sheets_of
from i2i.training.run_info import read_run_info

__all__ = ["Case", "Measure", "RunPart", "Shown", "collect", "find_run", "write_page", "write_report"]

_SHEETS, _SHEETS_ROOM = 60, 9_000_000  # sample sheets on a page, and characters that they may take in it


def write_report(
    runs: Sequence[Path],
    out: Path,
    *,
    images: int = 8,
    device: str = "auto",
    tell: Callable[[str], None] = lambda sentence: None,
) -> None:
    """Write the page of these runs to `out`. `images` held-out ones are translated by each run for it.

    A run may be named by its `latest` or another checkpoint too. Raises ValueError where there is no run, where one has
    logged nothing yet, and where `out` cannot be written.
    """
    check_writable(out)
    folders = [find_run(run) for run in runs]
    for folder in folders:
        curves_of(folder)  # what is missing of the last one is to be said before the first one is worked on
    parts = []
    for folder, name in zip(folders, _names(folders), strict=True):
        tell(f"{name}: reading logs and sheets, translating held-out images")
        shown = cases_of(folder, images, device=device) if images else Shown()
        parts.append(collect(folder, name, shown, share=len(folders)))
    title = " and ".join(part.name for part in parts)
    write_page(out, parts, title=title, summary="; ".join(dict.fromkeys(part.summary for part in parts)))


def collect(run: Path, name: str, shown: Shown, *, share: int = 1) -> RunPart:
    """All that there is to show of a run, with what was made for it. The page's room for sample sheets is divided by
    `share`. Raises ValueError where nothing was logged yet.
    """
    text, recipe = read_recipe(run)
    curves, record, evaluation = curves_of(run), read_run_info(run), read_evaluation(run)
    sheets, left_out = sheets_of(run, max(2, _SHEETS // share), _SHEETS_ROOM // share)
    facts = facts_of(run, recipe, curves, record)
    return RunPart(
        name=name,
        summary=in_short(recipe, facts),
        facts=facts,
        recipe=text,
        curves=curves,
        sheets=sheets,
        cases=shown.cases,
        samples=shown.samples,
        measures=evaluation.measures,
        extremes=evaluation.extremes,
        warnings=warnings_of(recipe, curves, record, shown.cases),
        notes=[*evaluation.notes, *left_out, *shown.notes],
    )


def check_writable(out: Path) -> None:
    """Before anything is computed. Raises ValueError."""
    if out.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{out}: allowed: a file whose name ends in .html")
    if out.is_dir() or not out.absolute().parent.is_dir() or not os.access(out.absolute().parent, os.W_OK):
        raise ValueError(f"{out}: cannot be written; its folder must exist and be yours to write in")


def _names(runs: Sequence[Path]) -> list[str]:
    """As few last parts of the paths as tell them apart, at least two (METHOD/DATA), each one once."""
    parts = [run.resolve().parts[1:] for run in runs]
    for length in range(2, max(map(len, parts)) + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return ["/".join(each[-2:]) + f" ({place})" for place, each in enumerate(parts, start=1)]
