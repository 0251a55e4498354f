"""One self-contained HTML page: measures, pictures side by side, and curves; readable on a phone and from a file."""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import jinja2
import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 320, 120  # of a curve, in the units of its drawing
_SMALL = 256  # pixels; smaller pictures are enlarged without smoothing, so that their pixels stay what they are


@dataclass(frozen=True)
class Measure:
    name: str
    value: str


@dataclass(frozen=True)
class Row:
    """Pictures of one thing, by the title of their column: uint8 (H, W, 3)."""

    name: str
    pictures: Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Curve:
    name: str
    points: str
    low: str
    high: str
    last: str


def write_page(
    file: Path,
    *,
    title: str,
    summary: str,
    measures: Sequence[Measure],
    rows: Sequence[Row],
    curves: Mapping[str, Sequence[float]],
    recipe: str,
) -> None:
    """Write the page, whole or not at all. `curves` are columns of a log, with `step` among them."""
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        Path(__file__).with_name("report.html.jinja").read_text(encoding="utf-8")
    )
    html = template.render(
        title=title,
        summary=summary,
        measures=measures,
        columns=list(rows[0].pictures) if rows else [],
        rows=[
            {"name": row.name, "pictures": [_data_url(picture) for picture in row.pictures.values()]} for row in rows
        ],
        curves=[
            _curve(name, curves["step"], values)
            for name, values in curves.items()
            if name != "step" and len(values) > 1
        ],
        width=_WIDTH,
        height=_HEIGHT,
        recipe=recipe,
    )
    temporary = file.with_name(f".{file.name}.part")
    temporary.write_text(html, encoding="utf-8")
    os.replace(temporary, file)


def _data_url(picture: NDArray[np.generic]) -> str:
    pixels = np.asarray(picture, np.uint8)
    zoom = max(1, _SMALL // max(pixels.shape[:2]))
    enlarged = cv2.resize(pixels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST)
    encoded = cv2.imencode(".png", enlarged[..., ::-1])[1].tobytes()
    return "data:image/png;base64," + base64.b64encode(encoded).decode("ascii")


def _curve(name: str, steps: Sequence[float], values: Sequence[float]) -> Curve:
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    across, first = (steps[-1] - steps[0]) or 1.0, steps[0]
    points = " ".join(
        f"{(step - first) / across * _WIDTH:.1f},{_HEIGHT - (value - low) / span * _HEIGHT:.1f}"
        for step, value in zip(steps, values, strict=True)
    )
    return Curve(name.replace(".", ": ").replace("_", " "), points, f"{low:.3g}", f"{high:.3g}", f"{values[-1]:.3g}")
