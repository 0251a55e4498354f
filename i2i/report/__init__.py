"""Report of one run, or of several side by side, as a self-contained HTML page.

from i2i import report
report.write_report([Path("runs/cyclegan/horse2zebra")], Path("report.html"))
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from i2i.report.contents import ImageResult, ReportMetric, RunContents, RunImages
from i2i.report.curves import read_curves
from i2i.report.evaluation import read_evaluation
from i2i.report.facts import find_run, read_recipe, run_facts, summary_line
from i2i.report.page import is_page, write_page
from i2i.report.pictures import read_sample_sheets
from i2i.report.run_images import generate_images
from i2i.report.run_warnings import find_warnings
from i2i.report.utility import read_utility
from i2i.training.run_info import read_run_info
from i2i_runtime.files import check_output

__all__ = [
    "ImageResult",
    "ReportMetric",
    "RunContents",
    "RunImages",
    "collect_contents",
    "find_run",
    "write_page",
    "write_report",
]

_MOST_SHEETS, _SHEETS_ROOM = 60, 9_000_000  # sample sheets on a page, and characters for them


def write_report(
    runs: Sequence[Path],
    out: Path,
    *,
    images: int = 8,
    overwrite: bool = False,
    device: str = "auto",
    notify: Callable[[str], None] = lambda sentence: None,
) -> None:
    """Write the page of these runs to `out`; each run translates `images` held-out images for it.

    A run may be given by a checkpoint. An earlier page is replaced. Raises ValueError for a missing run, one that has
    logged nothing yet, and where `out` cannot be written or is another file, unless `overwrite`.
    """
    earlier = is_page(out)
    check_output(out, ".html", ".htm", overwrite=overwrite or earlier)
    folders = [find_run(run) for run in runs]
    for folder in folders:
        read_curves(folder)  # so that a run without logs raises before images are generated for another one
    contents = []
    for folder, name in zip(folders, _distinct_names(folders), strict=True):
        notify(f"{name}: reading logs and sheets, translating held-out images")
        generated = generate_images(folder, images, device=device) if images else RunImages()
        contents.append(collect_contents(folder, name, generated, runs_on_page=len(folders)))
    title = " and ".join(each.name for each in contents)
    write_page(out, contents, title=title, summary="; ".join(dict.fromkeys(each.summary for each in contents)))
    if earlier:
        notify(f"{out}: the earlier page is replaced")


def collect_contents(run: Path, name: str, images: RunImages, *, runs_on_page: int = 1) -> RunContents:
    """Collect what a page shows of a run, with the images generated for it.

    Sample sheets share the page's room with those of other runs. Raises ValueError where nothing was logged yet.
    """
    text, recipe = read_recipe(run)
    curves, run_info, evaluation = read_curves(run), read_run_info(run), read_evaluation(run)
    utility, unread = read_utility(run)
    sheets, left_out = read_sample_sheets(run, max(2, _MOST_SHEETS // runs_on_page), _SHEETS_ROOM // runs_on_page)
    facts = run_facts(run, recipe, curves, run_info)
    return RunContents(
        name=name,
        summary=summary_line(recipe, facts),
        facts=facts,
        recipe=text,
        curves=curves,
        sheets=sheets,
        results=images.results,
        samples=images.samples,
        metrics=evaluation.metrics,
        extremes=evaluation.extremes,
        utility=utility,
        warnings=find_warnings(recipe, curves, run_info, images.results),
        notes=[*evaluation.notes, *unread, *left_out, *images.notes],
    )


def _distinct_names(runs: Sequence[Path]) -> list[str]:
    """The last parts of the paths, at least two (METHOD/DATA), as many as make them distinct."""
    parts = [run.resolve().parts[1:] for run in runs]
    for length in range(2, max(map(len, parts)) + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return ["/".join(each[-2:]) + f" ({number})" for number, each in enumerate(parts, start=1)]
