"""Images per second from file to file with every engine, against a plain loop and against the network alone.

    python -m tests.benchmarks.translate [--network unet|resnet|rrdb] [--images 64] [--threads 2] [--small]

The plain loop is what the field's test scripts do: one image after the other is read by Pillow, goes through the eager
network, and is written by Pillow as PNG. The network alone is called again and again with one image in memory, by the
same engine and with all threads. Everything is in float32 on the CPU, with random weights; where that makes results
that compress better than photographs, the plain loop profits. Each contender has a process of its own, and they take
turns, so that they share the machine's moods; figures are medians.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from itertools import count, product
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from PIL import Image

from i2i.checkpoints.card import card_of
from i2i.export import export
from i2i.inference import Translator
from i2i.networks.generators.base import ImageGenerator
from i2i.registry import generators
from i2i_runtime import engines, images
from i2i_runtime.bench import synthetic_photo
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, translate_folder
from i2i_runtime.translate import Network

ENGINES = ("torch", "onnxruntime", "openvino")
CONTENDERS = ("plain", *ENGINES)
WORK = ("files", "network")
ALONE_GOAL = 1.05  # of the network's own time, from file to file, at most


class Subject(NamedTuple):
    """A network, images of `size` pixels a side for it, and how many times as fast as the plain loop it has to be.

    `images` of a turn are a second or more, so that beginning and ending it hardly counts. There are so many `rounds`
    of turns as give a figure in minutes.
    """

    size: int
    images: int
    rounds: int
    goal: float
    small: dict[str, int]  # options of one that tries the benchmark out


SUBJECTS = {
    "unet": Subject(256, 64, 5, 2.3, {"features": 8}),
    "resnet": Subject(256, 8, 5, 1.3, {"features": 8}),
    "rrdb": Subject(128, 2, 2, 1.3, {"features": 8, "blocks": 2, "growth": 8}),
}


class Case(NamedTuple):
    """What is measured. `folder` holds the images in `source`, and the network as `network.onnx`."""

    network: str
    small: bool
    images: int
    threads: int
    workers: int
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "network.onnx"

    @property
    def source(self) -> Path:
        return self.folder / "source"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=SUBJECTS, action="append", help="can be repeated; all by default")
    parser.add_argument("--images", type=int, help="of one turn (default: 64 for unet, 8 for resnet, 2 for rrdb)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="for each network")
    parser.add_argument("--workers", type=int, default=2, help="images at once, which share the threads")
    parser.add_argument("--rounds", type=int, help="measured turns, after one to warm up (default: 5, for rrdb 2)")
    parser.add_argument("--small", action="store_true", help="few features, to try the benchmark out")
    options = parser.parse_args(arguments)
    print(f"float32, {options.threads} threads, torch {torch.__version__}")
    for name in options.network or SUBJECTS:
        with tempfile.TemporaryDirectory() as folder:
            workers = min(options.workers, options.threads)
            images_of_turn = options.images or SUBJECTS[name].images
            case = Case(name, options.small, images_of_turn, options.threads, workers, Path(folder))
            with process() as exporter:
                exporter.submit(prepare, case).result()
            report(case, measure(case, options.rounds or SUBJECTS[name].rounds))


def process() -> ProcessPoolExecutor:
    """A new one, which shares nothing with this one."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


def prepare(case: Case) -> None:
    """Write the images and the network."""
    case.source.mkdir()
    size = SUBJECTS[case.network].size
    for index in range(case.images):
        images.write(case.source / f"{index}.png", synthetic_photo(size, size, seed=index))
    generator, card = build(case)
    export(generator, card, case.file)


def build(case: Case) -> tuple[ImageGenerator, Card]:
    """The generator, the same in every process."""
    torch.set_num_threads(case.threads)
    torch.manual_seed(0)
    options = SUBJECTS[case.network].small if case.small else {}
    generator = cast(Any, generators[case.network])(**options).eval()
    return generator, card_of(generator, {"product": case.network})


def measure(case: Case, rounds: int) -> dict[tuple[str, str], float]:
    """Median seconds for an image, by contender and work; of engines that are not installed there are none."""
    names = [name for name in CONTENDERS if name in ("plain", "torch") or find_spec(name)]
    taken: dict[tuple[str, str], list[float]] = {each: [] for each in product(names, WORK)}
    with ExitStack() as processes:
        pools = {name: processes.enter_context(process()) for name in names}
        for turn in range(1 + rounds):
            for name, work in product(names, WORK[:: 1 - 2 * (turn % 2)]):  # what follows another process is slower
                seconds = taken[name, work]
                spent = pools[name].submit(perform, name, work, case).result()
                if turn:  # the first one warms up
                    seconds.append(spent)
    return {each: statistics.median(seconds) for each, seconds in taken.items()}


def perform(name: str, work: str, case: Case) -> float:
    """Seconds for an image in this process."""
    call = calls(name, case)[work]
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) / case.images


@cache
def calls(name: str, case: Case) -> dict[str, Callable[[], None]]:
    """What a contender does with all images, by name of the work."""
    if name == "plain":
        generator, _ = build(case)
        return {"files": lambda: plain_loop(generator, case), "network": lambda: eager_loop(generator, case)}
    if name == "torch":
        translator = Translator(*build(case))
        both = engine_calls(name, translator.network, translator.network, translator.card, case, workers=case.workers)
        threads = {"files": case.threads // case.workers, "network": case.threads}
        return {work: with_threads(number, both[work]) for work, number in threads.items()}
    alone, shared = (
        engines.open_model(case.file, engine=name, providers=["cpu"], threads=threads)
        for threads in (case.threads, case.threads // case.workers)
    )
    return engine_calls(name, alone.network, shared.network, shared.card, case, workers=case.workers)


def with_threads(number: int, call: Callable[[], None]) -> Callable[[], None]:
    """The call with so many threads of torch."""

    def run() -> None:
        torch.set_num_threads(number)
        call()

    return run


def engine_calls(
    name: str, alone: Network, shared: Network, card: Card, case: Case, *, workers: int
) -> dict[str, Callable[[], None]]:
    """The network `alone` in a loop, and from file to file, `shared` by so many workers."""
    batch, turns = next(batches(case)), count()

    def loop() -> None:
        for _ in range(case.images):
            alone(batch)

    def files() -> None:
        target = case.folder / f"{name}-{next(turns)}"  # a new one, as a user has it
        done = translate_folder(shared, card, case.source, target, FolderOptions(workers=workers))
        if len(done.done) != case.images:
            raise RuntimeError(f"{name}: {done}")

    return {"files": files, "network": loop}


def batches(case: Case) -> Iterator[Any]:
    """The images one by one, float32 (1, 3, H, W) in [0, 1]."""
    for file in sorted(case.source.iterdir()):
        yield np.ascontiguousarray(images.to_float(images.read(file)).transpose(2, 0, 1)[None])


@torch.no_grad()
def plain_loop(generator: ImageGenerator, case: Case) -> None:
    """As a test script does it: read, run, write."""
    low, high = generator.value_range
    target = case.folder / "plain"
    target.mkdir(exist_ok=True)
    for file in sorted(case.source.iterdir()):
        pixels = np.array(Image.open(file).convert("RGB"))
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255 * (high - low) + low
        result = (generator(image)[0].clamp(low, high) - low) / (high - low) * 255
        Image.fromarray(result.permute(1, 2, 0).round().byte().numpy()).save(target / file.name)


@torch.no_grad()
def eager_loop(generator: ImageGenerator, case: Case) -> None:
    """The network of the test script alone."""
    low, high = generator.value_range
    image = torch.from_numpy(next(batches(case))) * (high - low) + low
    for _ in range(case.images):
        generator(image)


def report(case: Case, seconds: dict[tuple[str, str], float]) -> None:
    """Print what was measured, beside the goals."""
    subject = SUBJECTS[case.network]
    name = case.network + ", small" * case.small
    print(f"\n{name}, {case.images} images of {subject.size}x{subject.size} pixels, {case.workers} workers")
    print(f"  {'':12}{'images/s':>10}{'of plain':>10}{'network alone':>15}{'of its time':>13}")
    plain = seconds["plain", "files"]
    for name, work in seconds:
        if work == "files":
            files, alone = seconds[name, "files"], seconds[name, "network"]
            print(f"  {name:12}{1 / files:10.2f}{plain / files:9.2f}x{1 / alone:15.2f}{files / alone:12.2f}x")
    best = min((name for name in ENGINES if (name, "files") in seconds), key=lambda name: seconds[name, "files"])
    speed, share = plain / seconds[best, "files"], seconds[best, "files"] / seconds[best, "network"]
    print(f"  best: {best}, {speed:.2f}x the plain loop (goal: {subject.goal}x at least),", end=" ")
    print(f"{share:.2f}x the network's time (goal: {ALONE_GOAL}x at most)")


if __name__ == "__main__":
    main()
