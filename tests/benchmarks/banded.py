"""Memory and seconds of an image translated over bands of rows in ONNX Runtime, beside the whole image in torch.

    python -m tests.benchmarks.banded [--height 1024 --width 1024] [--generator resnet] [--no-whole]

Each has a process of its own. Memory is the peak of that process on top of generator, image and libraries; it includes
the result. The weights are random; with trained ones the figures are the same.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from i2i.checkpoints.card import card_of
from i2i.export.bands import open_in_bands
from i2i.inference import Translator
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.unet import UnetGenerator
from i2i_runtime import images
from i2i_runtime.images import to_float
from i2i_runtime.translate import translate_image
from tests.benchmarks.training import peak_memory
from tests.benchmarks.upscale import apart, draw

GENERATORS: dict[str, Callable[[], ImageGenerator]] = {
    "resnet": ResnetGenerator,
    "unet": lambda: UnetGenerator(norm="instance").eval(),
}


class Cost(NamedTuple):
    """Seconds of one image, and memory in bytes per pixel."""

    seconds: float
    memory: float


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=1024, help="of the image, in pixels")
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--generator", choices=GENERATORS, default="resnet")
    parser.add_argument("--no-whole", action="store_true", help="leave out the whole image, which takes much memory")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    print(f"{options.generator}, {options.width}x{options.height} pixels, {options.threads} threads")
    print(f"  {'':>8}{'seconds':>10}{'bytes/px':>10}{'differs':>10}")
    with tempfile.TemporaryDirectory() as folder:
        photo, whole = Path(folder) / "photo.png", Path(folder) / "whole.npy"
        apart(draw, photo, options.height, options.width)
        for name in ["bands"] if options.no_whole else ["whole", "bands"]:
            result = Path(folder) / f"{name}.npy"
            cost = apart(translate, options.generator, photo, result, name == "bands", options.threads)
            differs = np.nan if options.no_whole else float(np.abs(np.load(result) - np.load(whole)).max()) * 255
            print(f"  {name:>8}{cost.seconds:10.1f}{cost.memory:10.0f}{differs:10.5f}")
    print("differs: at most, in grey levels, from the result of the whole image")


def translate(name: str, photo: Path, result: Path, in_bands: bool, threads: int) -> Cost:
    """The cost of one image in this process; the result is written as float32 in [0, 1]."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    generator, image = GENERATORS[name](), to_float(images.read(photo))
    card = card_of(generator, {"product": name, "recipe": ""})
    network = Translator(generator, card).network
    out, banded = np.empty_like(image), open_in_bands(generator, card, threads=threads)
    translate_image(network, card, image[:256, :256])  # loads what torch loads late
    before, begin = peak_memory(), time.perf_counter()
    if in_bands:
        banded(image, out)
    else:
        out = translate_image(network, card, image)
    seconds, memory = time.perf_counter() - begin, peak_memory() - before
    np.save(result, out)
    return Cost(seconds, memory * 2**20 / (image.shape[0] * image.shape[1]))


if __name__ == "__main__":
    main()
