"""Benchmark of upscaling: peak memory and seconds for one photo, with each tile size.

    python -m tests.benchmarks.upscale [--width 6000 --height 4000] [--model FILE] [--tile 384 --tile 768] [--threads 2]

Each tile size has its own process, which reads, upscales and writes the file as `i2i translate` does. The default model
is a compact network of few features: its memory is that of the image and its result, its time means nothing.
"""

import argparse
import math
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from i2i import inference
from i2i.checkpoints.load import save_generator
from i2i.networks.generators.srvgg import SRVGGNet
from i2i_runtime import images
from i2i_runtime.folder import FolderOptions, translate_folder
from tests.benchmarks.training import peak_memory

TINY = {"features": 8, "convolutions": 2}


class Cost(NamedTuple):
    """Seconds for one photo, and memory in MiB: at the peak, and `before`, with the model loaded."""

    seconds: float
    before: float
    peak: float


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=6000, help="of the photo, in pixels")
    parser.add_argument("--height", type=int, default=4000)
    parser.add_argument("--suffix", choices=images.SUFFIXES, default=".png")
    parser.add_argument("--model", help="whatever i2i translate takes")
    parser.add_argument("--outscale", type=float)
    parser.add_argument("--tile", type=int, action="append", help="can be repeated")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    print(f"{options.width}x{options.height} pixels, {options.threads} threads, torch {torch.__version__}")
    print(f"  {'tile':>8}{'MiB before':>12}{'at peak':>10}{'seconds':>10}")
    with tempfile.TemporaryDirectory() as work:
        photo, out = Path(work) / f"photo{options.suffix}", Path(work) / "out"
        model = options.model or str(tiny_model(Path(work) / "tiny.safetensors"))
        in_new_process(draw, photo, options.height, options.width)
        for tile in options.tile or [None]:
            cost = in_new_process(upscale, model, photo, out, tile, options.outscale, options.threads)
            shown = "default" if tile is None else tile
            print(f"  {shown:>8}{cost.before:12.0f}{cost.peak:10.0f}{cost.seconds:10.1f}")
        sizes = [math.prod(images.header(file)[:3]) / 2**20 for file in (photo, out / photo.name)]
    print(f"the image is {sizes[0]:.0f} MiB, its result {sizes[1]:.0f} MiB")


def in_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call the function in a new process, which starts with little memory."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def draw(file: Path, height: int, width: int) -> None:
    """Write an image of smooth colours and a little noise, which compresses as a photo does."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 50 + 2, width // 50 + 2, 3), np.uint8)
    photo = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    images.write(file, cv2.add(photo, rng.integers(0, 8, photo.shape, np.uint8)))


def tiny_model(file: Path) -> Path:
    """Write a tiny compact network for scale 4."""
    generator = SRVGGNet(**TINY)
    generator.spec = {"name": "srvgg", **TINY}
    save_generator(file, generator, {"product": "generator", "test_time": "eval"})
    return file


def upscale(model: str, photo: Path, out: Path, tile: int | None, outscale: float | None, threads: int) -> Cost:
    """Upscale the photo in this process and measure the cost."""
    torch.set_num_threads(threads)
    translator = inference.load(model, device="cpu")
    before, begin = peak_memory(), time.perf_counter()
    report = translate_folder(
        translator.network, translator.card, photo, out, FolderOptions(tile=tile, outscale=outscale, overwrite=True)
    )
    if report.failed:
        raise RuntimeError(report.failed[0][1])
    return Cost(time.perf_counter() - begin, before, peak_memory())


if __name__ == "__main__":
    main()
