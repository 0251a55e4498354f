"""Demonstration on the built-in world: train a CycleGAN without pairs, translate held-out scenes, and compare them with
the truth.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from i2i import inference, recipe
from i2i.data.world import make_world
from i2i.metrics.psnr import psnr
from i2i.report import ImageResult, ReportMetric, RunImages, collect_contents, write_page
from i2i.training import run
from i2i.training.reporter import Reporter
from i2i_runtime import images
from i2i_runtime.folder import translate_folder

_MARK = ".i2i-demo"
_IMAGES = 12  # held-out images on the page


def run_demo(out: Path, overrides: Sequence[str], *, reporter: Reporter, device: str, stop: Callable[[], bool]) -> Path:
    """Generate a world, train on it, translate its held-out scenes, and write the page `out/index.html`, which is
    returned. An earlier demonstration in `out` is replaced.

    Raises ValueError where `out` holds other files.
    """
    _clear(out)
    world, result = out / "world", out / "run"
    make_world(world, count=200, size=64, seed=0)
    reporter.notify(f"{world}: 200 street scenes in the styles of a simulator (A) and a camera (B), 40 held out")
    chosen = recipe.load(recipe.find("cyclegan", ["sim2real"]), [str(world)], overrides)
    run.train(chosen, result, reporter=reporter, device=device, stop=stop)
    translator = inference.load(result, product="a_to_b", device=device)
    translate_folder(translator.network, translator.card, world / "testA", out / "translated")
    page, metrics = _write_page(out, sorted(path.name for path in (world / "testA").iterdir()))
    for metric in metrics:
        reporter.notify(f"{metric.name}: {metric.value} {metric.note}")
    return page


def _clear(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()) and not (out / _MARK).exists():
        raise ValueError(f"{out}: holds files that are no demonstration; name another folder")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / _MARK).touch()


def _write_page(out: Path, names: list[str]) -> tuple[Path, list[ReportMetric]]:
    """Write the page about the held-out scenes called `names`; returns it with the mean metrics."""
    columns = {"input": out / "world/testA", "ours": out / "translated", "truth": out / "world/testB"}
    pictures = {title: [images.read(folder / name) for name in names] for title, folder in columns.items()}
    ours = _mean_psnr(pictures["ours"], pictures["truth"])
    untouched = _mean_psnr(pictures["input"], pictures["truth"])
    metrics = [
        ReportMetric("translation against truth", f"{ours:.1f} dB PSNR", f"of {len(names)} held-out scenes"),
        ReportMetric("input against truth", f"{untouched:.1f} dB PSNR", "of the same scenes"),
    ]
    results = [
        ImageResult(
            name,
            given={"input": pictures["input"][index], "truth": pictures["truth"][index]},
            generated={"ours": pictures["ours"][index]},
            measures={"PSNR": _mean_psnr([pictures["ours"][index]], [pictures["truth"][index]])},
        )
        for index, name in enumerate(names[:_IMAGES])
    ]
    page = out / "index.html"
    write_page(
        page,
        [replace(collect_contents(out / "run", "demo", RunImages(results)), metrics=metrics)],
        title="From simulation to street, without pairs",
        summary="A CycleGAN, trained without pairs, translates the simulator's pictures into the camera's. Input, "
        "result and truth of held-out scenes.",
    )
    return page, metrics


def _mean_psnr(pictures: list[NDArray[np.generic]], truth: list[NDArray[np.generic]]) -> float:
    """Mean PSNR in dB of pictures of one size."""
    stacks = [torch.from_numpy(np.stack([images.to_float(image) for image in side])) for side in (pictures, truth)]
    return float(psnr(*stacks).mean())
