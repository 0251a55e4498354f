"""Pairs per second of one core through the default pipeline, against Pillow and torchvision used as published.

    python -m tests.benchmarks.loader [FOLDER] [--pairs 200] [--repeats 5]

FOLDER holds pairs as Pix2Pix takes them; without one, scenes of the built-in world are drawn at 256 pixels, two side by
side in a JPEG as in the published sets. Both loaders read the same files alternately, in one thread.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import functional

from i2i import recipe
from i2i.data.augment import Pipeline
from i2i.data.folders import PairedFiles, find_pairs
from i2i.data.loader import batches
from i2i.data.samples import PairedImages, Preprocessing
from i2i.data.world import draw_scene
from i2i_runtime import images

SIZE, CROP = 286, 256  # of the published pipeline, and of our default one
Paths = tuple[Path, Path]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--pairs", type=int, default=200, help="how many to load each time")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as drawn:
        folder = options.folder or draw(Path(drawn), options.pairs)
        compare(find_pairs(folder), options.pairs, options.repeats)


def draw(folder: Path, count: int) -> Path:
    """Side-by-side JPEGs of the built-in world's simulated and real pictures."""
    (folder / "train").mkdir()
    for index in range(count):
        scene = draw_scene(size=CROP, seed=0, index=index)
        images.write(folder / "train" / f"{index}.jpg", np.concatenate([scene.sim, scene.real], axis=1))
    return folder


def compare(files: PairedFiles, pairs: int, repeats: int) -> None:
    """Print pairs per second of each loader."""
    loaders = {
        "ours": lambda: our_loader(files, pairs),
        "plain": lambda: [plain_sample(paths, files.side_by_side) for paths in cycled(files, pairs)],
        "decoding alone, by OpenCV": lambda: [[images.read(path) for path in set(p)] for p in cycled(files, pairs)],
    }
    rates: dict[str, list[float]] = {name: [] for name in loaders}
    for repeat in range(1 + repeats):
        for name, load in loaders.items():
            seconds = cpu_seconds(load)
            if repeat:  # the first one warms up
                rates[name].append(pairs / seconds)
    print(f"{pairs} pairs, resize {SIZE}, crop {CROP}, flip; pairs a second of one core:")
    for name, measured in rates.items():
        print(f"  {name:26}{statistics.median(measured):8.0f}")
    ratio = statistics.median(ours / plain for ours, plain in zip(rates["ours"], rates["plain"], strict=True))
    print(f"  ours is {ratio:.1f} times as fast as plain (goal: at least 3)")


def cycled(files: PairedFiles, pairs: int) -> list[Paths]:
    return [files.train[index % len(files.train)] for index in range(pairs)]


def our_loader(files: PairedFiles, pairs: int) -> None:
    augment = recipe.load(recipe.find("pix2pix"), ["unused"]).augment
    preprocessing = Preprocessing(Pipeline(augment.train), Pipeline(augment.test), seed=0)
    samples = PairedImages(files, preprocessing)
    for _ in islice(batches(samples, batch_size=1, seed=0), pairs):
        pass


def plain_sample(paths: Paths, side_by_side: bool) -> tuple[Tensor, Tensor]:
    """A pair as the published code makes it: one draw, then a composed transform of each image by itself."""
    if side_by_side:
        whole = Image.open(paths[0]).convert("RGB")
        half = whole.width // 2
        pair = (whole.crop((0, 0, half, whole.height)), whole.crop((half, 0, whole.width, whole.height)))
    else:
        pair = (Image.open(paths[0]).convert("RGB"), Image.open(paths[1]).convert("RGB"))
    top, left = np.random.randint(0, SIZE - CROP + 1, 2)
    flip = np.random.rand() < 0.5
    steps = [
        transforms.Resize([SIZE, SIZE], transforms.InterpolationMode.BICUBIC),
        transforms.Lambda(lambda image: image.crop((left, top, left + CROP, top + CROP))),
        transforms.Lambda(lambda image: functional.hflip(image) if flip else image),
        transforms.ToTensor(),
        transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ]
    return transforms.Compose(steps)(pair[0]), transforms.Compose(steps)(pair[1])


def cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
