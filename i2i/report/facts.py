"""Facts about a run from its folder: method, data, length, speed, machine and versions."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from i2i.recipe import RECIPE
from i2i.report.contents import Curve
from i2i.report.curves import HELD_OUT, SCORE, SPEED
from i2i.training.run_folder import FIRST


def find_run(path: Path) -> Path:
    """Folder of the run at `path`, or of the run whose checkpoint that is. Raises ValueError for neither."""
    for folder in (path, *path.resolve().parents[:2]):
        if (folder / RECIPE).is_file():
            return folder
    runs = sorted(str(file.parent) for file in path.glob(f"**/{RECIPE}"))[:5] if path.is_dir() else []
    hint = f"; runs below it: {', '.join(runs)}" if runs else ""
    raise ValueError(f"{path}: {'no run there' if path.exists() else 'no such folder'}{hint}")


def read_recipe(run: Path) -> tuple[str, dict[str, Any]]:
    """Recipe as text and as a table, unchecked, as it may need plugins or another version. Raises ValueError."""
    try:
        text = (run / RECIPE).read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{run / RECIPE}: cannot be read ({error})") from None


def run_facts(
    run: Path, recipe: Mapping[str, Any], curves: Sequence[Curve], run_info: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Facts by name in the order of the page, without unknown ones."""
    train, method = recipe.get("train", {}), recipe.get("method", {})
    done, planned = last_step(curves), train.get("steps")
    facts = {
        "method": _method_with_components(method),
        "data": " and ".join(recipe.get("data", {}).get("source", [])),
        "steps": f"{done:,} of {planned:,}" if planned else f"{done:,}",
        "batch size": str(train.get("batch_size", "")),
        "best held-out score": _best_score_text(curves),
        "speed": _median_speed(curves),
        **_facts_of_run_info(run_info),
        "first stage": str(run / FIRST) if (run / FIRST).is_dir() else "",
    }
    return {name: fact for name, fact in facts.items() if fact}


def summary_line(recipe: Mapping[str, Any], facts: Mapping[str, str]) -> str:
    """Summary of a run in one line: cyclegan on horse2zebra, 20,000 of 20,000 steps."""
    sources = [Path(source).name for source in recipe.get("data", {}).get("source", [])]
    on = f" on {' and '.join(sources)}" if sources else ""
    return f"{recipe.get('method', {}).get('name', 'unknown method')}{on}, {facts['steps']} steps"


def last_step(curves: Sequence[Curve]) -> int:
    """Last logged training step."""
    return max((curve.steps[-1] for curve in curves if curve.steps), default=0)


def best_score(curves: Sequence[Curve]) -> tuple[float, int] | None:
    """Lowest held-out score and its step; None where no score was logged."""
    scored = [curve for curve in curves if (curve.group, curve.name) == (HELD_OUT, SCORE)]
    points = [(value, step) for curve in scored for step, value in zip(curve.steps, curve.values, strict=True)]
    return min(((value, step) for value, step in points if value is not None), default=None)


def duration(seconds: float) -> str:
    """Duration as text: 90 seconds as 1 min 30 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _method_with_components(method: Mapping[str, Any]) -> str:
    parts = [f"{key} {part['name']}" for key, part in method.items() if isinstance(part, dict) and "name" in part]
    return str(method.get("name", "")) + (f" ({', '.join(parts)})" if parts else "")


def _best_score_text(curves: Sequence[Curve]) -> str:
    best = best_score(curves)
    return f"{best[0]:.4g} at step {best[1]:,}" if best else ""


def _median_speed(curves: Sequence[Curve]) -> str:
    speeds = [value for curve in curves if curve.name == SPEED for value in curve.values if value]
    return f"{median(speeds):.3g} images per second" if speeds else ""


def _facts_of_run_info(run_info: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Time of all starts, and machine and versions of the last one."""
    if not run_info:
        return {}
    latest = run_info[-1]
    machine, versions = latest.get("machine", {}), latest.get("versions", {})
    starts = f" in {len(run_info)} starts" if len(run_info) > 1 else ""
    return {
        "time": duration(sum(entry.get("seconds", 0) for entry in run_info)) + starts,
        "started": str(run_info[0].get("began", "")).replace("T", " ").replace("+00:00", " UTC"),
        "device": str(latest.get("device", "")),
        "machine": ", ".join(_counted(key, value) for key, value in machine.items()),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def _counted(what: str, value: Any) -> str:
    """Count with its noun: 2 cores, 1 thread; a value that is no number as it is."""
    return f"{value} {what if value != 1 else what.removesuffix('s')}" if isinstance(value, int) else str(value)
