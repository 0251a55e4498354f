"""The page: one HTML file that asks for nothing outside itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jinja2

from i2i.report.compared import Picture, compare, encode, worst_first
from i2i.report.differences import differing
from i2i.report.parts import CYCLE, RunPart
from i2i_runtime.files import write_atomically

T = TypeVar("T")

_HERE = Path(__file__).parent
_CASES_ROOM = 8_000_000  # characters of all pictures of cases on a page


def write_page(file: Path, runs: Sequence[RunPart], *, title: str, summary: str) -> None:
    """Write the page of one run or of several beside each other, whole or not at all. Raises OSError."""
    template = _environment().get_template("page.html.jinja")
    shared = compare({run.name: run.cases for run in runs})
    cases, longest = encode(shared, _CASES_ROOM)
    html = template.render(
        title=title,
        summary=summary,
        runs=runs,
        numbers={run.name: number for number, run in enumerate(runs)},
        facts=_table([run.facts for run in runs]),
        measures=_table([{each.name: each for each in run.measures} for run in runs]),
        sheets=any(run.sheets for run in runs),
        differences=differing({run.name: run.recipe for run in runs}) if len(runs) > 1 else [],
        cases=cases,
        orders=(orders := worst_first(cases)),
        cycles=any(name.startswith(CYCLE) for name in orders),
        longest=longest,
        samples={run.name: Picture.of(run.samples) for run in runs if run.samples is not None},
        data=_data(runs),
    )
    with write_atomically(file) as temporary:
        temporary.write_text(html, encoding="utf-8")


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _table(columns: Sequence[Mapping[str, T]]) -> dict[str, list[T | None]]:
    """Rows of a table with a column for each run; None where it has nothing to say."""
    names = dict.fromkeys(name for column in columns for name in column)
    return {name: [column.get(name) for column in columns] for name in names}


def _data(runs: Sequence[RunPart]) -> dict[str, Any]:
    """What the page draws by itself."""
    charts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number, run in enumerate(runs):
        for curve in run.curves:
            line = {"run": number, "steps": curve.steps, "values": curve.values, "broken": curve.broken}
            charts.setdefault((curve.group, curve.name), []).append(line)
    return {
        "runs": [run.name for run in runs],
        "charts": [{"group": group, "name": name, "lines": lines} for (group, name), lines in charts.items()],
        "sheets": [[list(sheet) for sheet in run.sheets] for run in runs],
    }
