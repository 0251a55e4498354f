"""Images per second of one core through the `second-order` degradation, against OpenCV and NumPy image by image.

    python -m tests.benchmarks.degradation [FOLDER] [--batches 4] [--repeats 5]

FOLDER holds photographs of at least 400 pixels a side, or smaller ones, which are enlarged; without one, scenes of the
built-in world are drawn. Both degrade the same images of 400 pixels with the same draws, in turn and in one thread, to
pairs of 256 pixel crops at scale 4.
"""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from i2i.data.batch import HighResolution
from i2i.data.degradation.distribution import Parameters
from i2i.data.degradation.kernels import render
from i2i.data.degradation.noise import Noise
from i2i.data.degradation.second_order import SecondOrder
from i2i.data.world import draw_scene
from i2i.training.malloc import keep_freed_memory
from i2i_runtime import images
from tests.benchmarks.loader import cpu_seconds

SIZE, CROP, SCALE, BATCH = 400, 256, 4, 12  # as published; a batch is one GPU's
MODES = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
Image = NDArray[Any]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--batches", type=int, default=4, help="how many to degrade each time")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    keep_freed_memory()  # as a run does on a CPU
    compare(photographs(options.folder), options.batches, options.repeats)


def photographs(folder: Path | None) -> list[Image]:
    """A batch of images (SIZE, SIZE, 3), float32 in [0, 1]."""
    if folder is None:
        photos = [draw_scene(size=SIZE, seed=0, index=index).real for index in range(BATCH)]
    else:
        photos = [images.read(folder / path)[..., :3] for path in images.list_images(folder)[:BATCH]]
    return [cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255 for image in photos]


def compare(high: list[Image], batches: int, repeats: int) -> None:
    """Print images per second."""
    degradation = SecondOrder(scale=SCALE, crop=CROP)
    batch = torch.from_numpy(np.stack(high)).permute(0, 3, 1, 2).contiguous()

    def batched() -> None:
        for index in range(batches):
            degradation(HighResolution(batch, torch.arange(index * BATCH, (index + 1) * BATCH)))

    def one_by_one() -> None:
        for seed in range(batches * BATCH):
            rng = np.random.default_rng(seed)
            plain_pair(high[seed % BATCH], degradation.draw(rng), rng)

    rates: dict[str, list[float]] = {"i2i": [], "OpenCV and NumPy": []}
    for repeat in range(1 + repeats):
        for name, work in (("i2i", batched), ("OpenCV and NumPy", one_by_one)):
            seconds = cpu_seconds(work)
            if repeat:  # the first one warms up
                rates[name].append(batches * BATCH / seconds)
    print(f"{batches * BATCH} images of {SIZE} pixels, crops of {CROP}, scale {SCALE}; images per second of one core:")
    for name, measured in rates.items():
        print(f"  {name:26}{statistics.median(measured):8.1f}")
    ratio = statistics.median(ours / theirs for ours, theirs in zip(*rates.values(), strict=True))
    print(f"  i2i is {ratio:.2f} times as fast (goal: at least 1)")


def plain_pair(high: Image, parameters: Parameters, rng: np.random.Generator) -> tuple[Image, Image]:
    """One pair, step by step, by OpenCV and NumPy."""
    first, second = parameters.passes
    kernels = render([first.kernel, second.kernel, parameters.final_kernel], 21).numpy()
    low = SIZE // SCALE

    def one_pass(image: Image, index: int, size: int) -> Image:
        step = parameters.passes[index]
        length = max(1, int(size * step.factor))
        blurred = cv2.filter2D(image, -1, kernels[index]) if step.kernel.size > 1 else image
        resized = cv2.resize(blurred, (length, length), interpolation=MODES[step.mode])
        return np.clip(plain_noise(resized, step.noise, rng), 0, 1)

    def resize_and_filter(image: Image) -> Image:
        resized = cv2.resize(image, (low, low), interpolation=MODES[parameters.final_mode])
        return cv2.filter2D(resized, -1, kernels[2]) if parameters.final_kernel.size > 1 else resized

    image = plain_jpeg(one_pass(plain_sharpen(high), 0, SIZE), first.jpeg_quality)
    image = one_pass(image, 1, low)
    if parameters.jpeg_last:
        image = plain_jpeg(resize_and_filter(image), second.jpeg_quality)
    else:
        image = resize_and_filter(plain_jpeg(image, second.jpeg_quality))
    source = np.clip((image * 255).round(), 0, 255) / 255
    top, left = (int(share * (low - CROP // SCALE + 1)) for share in parameters.corner)
    target = high[top * SCALE : top * SCALE + CROP, left * SCALE : left * SCALE + CROP]
    return source[top : top + CROP // SCALE, left : left + CROP // SCALE], target


def plain_sharpen(image: Image) -> Image:
    detail = image - cv2.GaussianBlur(image, (51, 51), 0)
    mask = cv2.GaussianBlur((np.abs(detail) * 255 > 10).astype(np.float32), (51, 51), 0)
    return mask * np.clip(image + 0.5 * detail, 0, 1) + (1 - mask) * image


def plain_noise(image: Image, noise: Noise, rng: np.random.Generator) -> Image:
    if noise.gaussian:
        field = rng.standard_normal((*image.shape[:2], 1 if noise.grey else 3), dtype=np.float32)
        return image + noise.strength * field
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None] if noise.grey else image
    mean = np.clip((grey * 255).round(), 0, 255) / 255
    levels = 2 ** np.ceil(np.log2(len(np.unique(mean))))
    return image + noise.strength * (rng.poisson(mean * levels) / levels - mean).astype(np.float32)


def plain_jpeg(image: Image, quality: float) -> Image:
    pixels = np.clip(image * 255, 0, 255).round().astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) / 255


if __name__ == "__main__":
    main()
