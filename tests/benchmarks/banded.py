"""Memory, seconds and operations of an image translated in bands of rows, beside the whole image at once.

    python -m tests.benchmarks.banded [--height 1024 --width 1024] [--generator resnet] [--rows 16] [--no-whole]

Each has a process of its own. Memory is what that process held at the peak on top of generator, image and libraries; so
it includes the result. The weights are random; where they are trained, the figures are the same.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from i2i.banded import translate_banded
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.unet import UnetGenerator
from i2i_runtime import images
from i2i_runtime.images import Array, from_float, to_float
from tests.benchmarks.training import peak_memory
from tests.benchmarks.upscale import apart, draw

GENERATORS: dict[str, Callable[[], ImageGenerator]] = {
    "resnet": ResnetGenerator,
    "unet": lambda: UnetGenerator(norm="instance").eval(),
}


class Cost(NamedTuple):
    """What one image took; `memory` in bytes per pixel, `operations` per pixel, of convolutions (2 per product)."""

    seconds: float
    memory: float
    operations: float


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=1024, help="of the image, in pixels")
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--generator", choices=GENERATORS, default="resnet")
    parser.add_argument("--rows", type=int, action="append", help="can be repeated")
    parser.add_argument("--no-whole", action="store_true", help="leave out the whole image, which takes much memory")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    print(f"{options.generator}, {options.width}x{options.height} pixels, {options.threads} threads")
    print(f"  {'rows':>8}{'seconds':>10}{'bytes/px':>10}{'ops/px':>12}{'differs':>10}")
    with tempfile.TemporaryDirectory() as made:
        photo, whole = Path(made) / "photo.png", Path(made) / "whole.npy"
        apart(draw, photo, options.height, options.width)
        for rows in [*([] if options.no_whole else [None]), *(options.rows or [32])]:
            result = whole if rows is None else Path(made) / "banded.npy"
            cost = apart(translate, options.generator, photo, result, rows, options.threads)
            differs = np.nan if options.no_whole else float(np.abs(np.load(result) - np.load(whole)).max()) * 255
            shown = "whole" if rows is None else rows
            print(f"  {shown:>8}{cost.seconds:10.1f}{cost.memory:10.0f}{cost.operations:12.0f}{differs:10.5f}")
    print("differs: at most, in grey levels, from the whole image's result")


def translate(name: str, photo: Path, result: Path, rows: int | None, threads: int) -> Cost:
    """What it takes in this process; the result is written as float32 in [0, 1]."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    generator, image = GENERATORS[name](), to_float(images.read(photo))
    run = at_once if rows is None else in_bands(rows)
    run(generator, image[:256, :256])  # loads what torch loads late
    before, begin = peak_memory(), time.perf_counter()
    with FlopCounterMode(display=False) as counter:
        translated = run(generator, image)
    seconds, memory = time.perf_counter() - begin, peak_memory() - before
    np.save(result, translated)
    pixels = image.shape[0] * image.shape[1]
    return Cost(seconds, memory * 2**20 / pixels, counter.get_total_flops() / pixels)


@torch.inference_mode()
def at_once(generator: ImageGenerator, image: Array) -> Array:
    low, high = generator.value_range
    batch = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
    result = generator(batch * (high - low) + low)[0]
    return from_float(((result - low) / (high - low)).permute(1, 2, 0).numpy(), np.float32)


def in_bands(rows: int) -> Callable[[ImageGenerator, Array], Array]:
    return lambda generator, image: translate_banded(generator, image, rows=rows)


if __name__ == "__main__":
    main()
