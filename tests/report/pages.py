"""Run folders, results and pages for tests of the report."""

from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from i2i.report import ImageResult, RunContents, write_page
from i2i_runtime import images

LOSSES = "step,images_per_second,generator.gan,discriminator.real\n"
RECIPE = '[method]\nname = "cyclegan"\n[data]\nsource = ["{data}"]\n[train]\nsteps = {steps}\nbatch_size = 2\n'


def write_run(folder: Path, *, rows: int = 30, data: str = "nowhere", sheets: Sequence[int] = (10, 20, 30)) -> Path:
    """Write a run folder without a network."""
    (folder / "samples").mkdir(parents=True)
    (folder / "recipe.toml").write_text(RECIPE.format(data=data, steps=rows))
    lines = [f"{step},{5.5},{2 / step:.4f},{0.1 * step:.4f}" for step in range(1, rows + 1)]
    (folder / "losses.csv").write_text(LOSSES + "\n".join(lines) + "\n")
    (folder / "scores.csv").write_text(f"step,score\n{rows},0.25\n")
    for step in sheets:
        images.write(folder / "samples" / f"{step:08d}.png", np.full((40, 60, 3), step * 5, np.uint8))
    return folder


def noise(seed: int, size: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def image_result(name: str, run: int, value: float) -> ImageResult:
    """Result of the run of that number for the image of that name."""
    given = {"input": noise(sum(name.encode())), "truth": noise(1)}
    return ImageResult(name, given, {"result": noise(2 + run)}, {"PSNR": value, "L1": 1 / value})


def page_of(contents: Sequence[RunContents], file: Path) -> str:
    write_page(file, contents, title="title", summary="summary")
    return file.read_text()


class PageElements(HTMLParser):
    """Tags and ids of a page, the addresses that it would load, and the number of images without alternative text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.without_alt = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for key, value in attributes if key == "id"]
        addresses = [value or "" for key, value in attributes if key in ("src", "href", "srcset", "data", "poster")]
        self.loaded += [value for value in addresses if not value.startswith(("data:image/", "#"))]
        self.without_alt += tag == "img" and not dict(attributes).get("alt")
