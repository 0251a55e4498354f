"""The HTML page of a report: one file that loads nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jinja2

from i2i.report.comparison import EncodedPicture, compare, encode_pictures, sort_signs
from i2i.report.contents import CYCLE, RunContents
from i2i.report.recipe_diff import diff_recipes
from i2i_runtime.files import open_regular_file, write_atomically

T = TypeVar("T")

_HERE = Path(__file__).parent
_PICTURES_ROOM = 8_000_000  # characters for all pictures of the cards
_HEAD = 1024  # bytes, in which a page says what has written it
# Version 0.1 said it in its policy for what a page may load, which no other program's has.
_MARKS = (
    b'<meta name="generator" content="i2i report">',
    b"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'",
)


def write_page(file: Path, runs: Sequence[RunContents], *, title: str, summary: str) -> None:
    """Write the page of one run, or of several side by side, atomically. Raises OSError."""
    cards = compare({run.name: run.results for run in runs})
    longest = encode_pictures(cards, _PICTURES_ROOM)
    signs = sort_signs(cards)
    html = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            title=title,
            summary=summary,
            runs=runs,
            numbers={run.name: number for number, run in enumerate(runs)},
            facts=_rows([run.facts for run in runs]),
            metrics=_rows([{each.name: each for each in run.metrics} for run in runs]),
            sheets=any(run.sheets for run in runs),
            differences=diff_recipes({run.name: run.recipe for run in runs}) if len(runs) > 1 else [],
            cards=cards,
            signs=signs,
            cycles=any(name.startswith(CYCLE) for name in signs),
            longest=longest,
            samples={run.name: EncodedPicture.of(run.samples) for run in runs if run.samples is not None},
            data=_script_data(runs),
        )
    )
    with write_atomically(file) as temporary:
        temporary.write_text(html, encoding="utf-8")


def is_page(file: Path) -> bool:
    """Whether a file is a page that `write_page` has written, this version's or version 0.1's."""
    try:
        with open_regular_file(file) as stream:
            head = stream.read(_HEAD)
    except ValueError:
        return False
    return any(mark in head for mark in _MARKS)


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _rows(columns: Sequence[Mapping[str, T]]) -> dict[str, list[T | None]]:
    """Rows of a table from its columns, one for each run; None where a run has no such entry."""
    names = dict.fromkeys(name for column in columns for name in column)
    return {name: [column.get(name) for column in columns] for name in names}


def _script_data(runs: Sequence[RunContents]) -> dict[str, Any]:
    """Data for the page's script: curves grouped into charts, and sample sheets."""
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
