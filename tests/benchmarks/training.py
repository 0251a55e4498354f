"""Time and memory of one full-size training step, ours against the published step written plainly, in one run.

    python -m tests.benchmarks.training [--size PIXELS] [--threads 2] [--repeats 5] [--method cyclegan|pix2pix|esrgan|…]

Both run in processes of their own and take their steps alternately, so that other load on the machine affects both.
`--against cyclegan` measures our step against ours of another method instead.
Steps are those without lazy penalties. sim2real has no plain step here: ours is measured by itself.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch.autograd import DeviceType
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from i2i import recipe, registry
from i2i.data.batch import Images, LabelledUnpaired, is_image
from i2i.methods.base import Method
from i2i.methods.generation import Generation
from i2i.methods.translation import Translation
from i2i.recipe import Recipe, components
from i2i.training.malloc import keep_freed_memory
from i2i.training.update import TrainingUpdate
from tests.plain import plain_step
from tests.vgg import write_vgg19

# Of the largest images of each method, in pixels
SIZES = {
    **dict.fromkeys(("cyclegan", "pix2pix", "cut", "fastcut", "sim2real", "stylegan2", "stylegan3"), 256),
    **{"esrgan": 128, "dcgan": 64, "wgan-gp": 64, "r3gan": 64, "biggan": 32},
}
BATCHES = {"dcgan": 128, "wgan-gp": 64, "biggan": 50, "r3gan": 2}  # as published but for R3GAN's; 1 for the others
GOALS = {
    "cyclegan": "time at most 1.00, memory at most 0.75",
    "pix2pix": "time at most 0.80",
    "esrgan": "time at most 1.00",
}
GOALS_AGAINST = {
    ("cut", "cyclegan"): "time at most 0.60, memory at most 0.55",
    ("fastcut", "cyclegan"): "time and memory at most 0.45",
    ("sim2real", "cut"): "time at most 1.20",
}
NO_PLAIN_STEP = ("sim2real",)
OVERRIDES = {
    "sim2real": ["method.classes=12", "method.segmenter_steps=0"],
    **{name: ["method.augment=none"] for name in ("r3gan", "stylegan2", "stylegan3")},
}
MATMUL_SIZE = 4096
MATMUL_FLOPS = 2 * MATMUL_SIZE**3
# Kinds of operators by parts of their names; the first match counts, and no match is "rest".
KINDS = {
    "convolutions": ("conv",),
    "norms": ("batch_norm",),
    "optimiser": ("adam",),
    "activations and padding": ("relu", "threshold", "tanh", "pad"),
    "copies and sums": ("copy_", "::cat", "::add", "fill_"),
}


class Cost(NamedTuple):
    """Time of one step. CPU-seconds are steadier than seconds where other work shares the machine."""

    seconds: float
    cpu_seconds: float


class Case(NamedTuple):
    """A training step to measure."""

    name: str  # of the method, whose general recipe is taken
    overrides: list[str]
    size: int
    threads: int


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, help="height and width of the (largest) images in pixels")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5, help="measured steps of each, after one to warm up")
    parser.add_argument("--method", choices=SIZES, action="append", help="can be repeated; all by default")
    parser.add_argument(
        "--against", choices=("cyclegan", "pix2pix", "cut"), help="measure against our step of this method"
    )
    parser.add_argument("--set", metavar="A.B=C", action="append", default=[], help="override of the measured recipe")
    options = parser.parse_args(arguments)
    os.environ["KINETO_LOG_LEVEL"] = "99"  # or every process warns that it finds no CUDA device to profile
    print(f"float32, {options.threads} threads, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        vgg19 = write_vgg19(Path(folder) / "vgg19.safetensors")
        for name in options.method or SIZES:
            overrides = [f"method.perceptual.weights={vgg19}"] if name == "esrgan" else OVERRIDES.get(name, [])
            case = Case(name, [*overrides, *options.set], options.size or SIZES[name], options.threads)
            if options.against:
                compare_methods(case, case._replace(name=options.against, overrides=[]), options.repeats)
            else:
                compare(case, options.repeats)


def compare_methods(case: Case, other: Case, repeats: int) -> None:
    """Print time and memory of a step of one method and of another, and their ratio."""
    workers = {each.name: Worker("ours", each) for each in (case, other)}
    costs = take_turns(workers, list(workers), repeats)
    rows = {name: [*_summary(costs[name]), worker.request("memory")] for name, worker in workers.items()}
    for worker in workers.values():
        worker.close()
    goal = GOALS_AGAINST.get((case.name, other.name))
    words = " ".join(case.overrides)
    print(f"\n{case.name} {words}, {case.size}x{case.size} pixels{f', goal: {goal}' if goal else ''}")
    print_rows(rows)
    print_ratio(rows[case.name], rows[other.name])


def compare(case: Case, repeats: int) -> None:
    """Print time and memory of a step of one method."""
    kinds = ("ours",) if case.name in NO_PLAIN_STEP else ("ours", "plain")
    workers = {kind: Worker(kind, case) for kind in (*kinds, "matmul")}
    # Matrix products heat the processor up, so not between the others.
    costs = {**take_turns(workers, kinds, repeats), **take_turns(workers, ["matmul"], repeats)}
    memory = {kind: workers[kind].request("memory") for kind in kinds}
    shares = workers["ours"].request("shares")
    for worker in workers.values():
        worker.close()

    goal = f", goal: {GOALS[case.name]}" if case.name in GOALS else ""
    print(f"\n{case.name}, batch {BATCHES.get(case.name, 1)}, {case.size}x{case.size} pixels{goal}")
    rows = {kind: [*_summary(costs[kind]), memory[kind]] for kind in kinds}
    print_rows(rows)
    print("  our time goes to: " + ", ".join(f"{kind} {share:.0%}" for kind, share in shares.items()))
    if "plain" not in rows:
        return
    print_ratio(rows["ours"], rows["plain"])
    if case.name not in GOALS:  # gradient penalties know no device without values, on which operations are counted
        return
    flops = count_flops(case) / 1e9
    product = MATMUL_FLOPS / 1e9 / min(cost.seconds for cost in costs["matmul"])
    speed = flops / rows["ours"][0]
    print(f"  {flops:.0f} GFLOP a step, as published; ours makes {speed:.0f} GFLOP/s,", end=" ")
    print(f"{speed / product:.0%} of the {product:.0f} that this machine reaches in a large matrix product")


def take_turns(workers: Mapping[str, "Worker"], names: Sequence[str], repeats: int) -> dict[str, list[Cost]]:
    """Costs of so many steps of each worker, after one to warm up; they take them alternately."""
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for repeat in range(1 + repeats):
        for name in names:
            cost = workers[name].request("step")
            if repeat:
                costs[name].append(cost)
    return costs


def print_rows(rows: Mapping[str, Sequence[float]]) -> None:
    """A table of seconds, CPU-seconds, fewest CPU-seconds and peak memory, by name."""
    print(f"  {'':8}{'seconds':>10}{'CPU-seconds':>14}{'at best':>10}{'peak MiB':>12}")
    for name, (seconds, cpu, best, peak) in rows.items():
        print(f"  {name:8}{seconds:10.2f}{cpu:14.2f}{best:10.2f}{peak:12.0f}")


def print_ratio(row: Sequence[float], other: Sequence[float]) -> None:
    """The last line of such a table."""
    seconds, cpu, best, peak = (one / another for one, another in zip(row, other, strict=True))
    print(f"  {'ratio':8}{seconds:10.2f}{cpu:14.2f}{best:10.2f}{peak:12.2f}")


def _summary(costs: Sequence[Cost]) -> tuple[float, float, float]:
    """Median seconds, median CPU-seconds and fewest CPU-seconds."""
    seconds, cpu_seconds = zip(*costs, strict=True)
    return statistics.median(seconds), statistics.median(cpu_seconds), min(cpu_seconds)


class Worker:
    """A process that takes training steps on request."""

    def __init__(self, kind: str, case: Case) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, kind, case), daemon=True)
        self._process.start()
        theirs.close()

    def request(self, what: str) -> Any:
        """The Cost of a "step", the "memory" at its peak in MiB, or the "shares" of a step by kind of work."""
        self._connection.send(what)
        return self._connection.recv()

    def close(self) -> None:
        self._connection.send("stop")
        self._process.join()


def _serve(connection: Connection, kind: str, case: Case) -> None:
    torch.set_num_threads(case.threads)
    before = peak_memory()
    step = _matmul() if kind == "matmul" else _training_step(kind, case)
    while (request := connection.recv()) != "stop":
        match request:
            case "memory":
                connection.send(peak_memory() - before)
            case "shares":
                connection.send(time_shares(step))
            case "step":
                wall, cpu = time.perf_counter(), time.process_time()
                step()
                connection.send(Cost(time.perf_counter() - wall, time.process_time() - cpu))


def _training_step(kind: str, case: Case) -> Callable[[], Any]:
    torch.manual_seed(0)
    chosen, method = build(case)
    batch = random_batch(method, case.size, BATCHES.get(case.name, 1))
    if kind == "plain":
        method.to(memory_format=torch.contiguous_format)
        step = plain_step(method, chosen.optimizer)
        return lambda: step(batch)
    if chosen.train.channels_last:
        method.to(memory_format=torch.channels_last)
        batch = type(batch)(*(each.to(memory_format=torch.channels_last) if is_image(each) else each for each in batch))
    keep_freed_memory()  # as a run does on a CPU
    update = TrainingUpdate(method.players(), chosen.optimizer)
    update.step = 1  # no lazy penalty
    return lambda: method.training_step(batch, update)


def _matmul() -> Callable[[], Any]:
    # oneDNN computes the convolutions; on some processors it is twice as fast as what computes torch.mm.
    onednn = torch.backends.mkldnn.is_available()
    left, right = (torch.randn(MATMUL_SIZE, MATMUL_SIZE) for _ in range(2))
    if onednn:
        left, right = left.to_mkldnn(), right.to_mkldnn()
    return torch.inference_mode()(lambda: F.linear(left, right))


def build(case: Case) -> tuple[Recipe, Method]:
    """The published recipe and its method."""
    chosen = recipe.load(recipe.find(case.name), ["unused"], case.overrides)
    return chosen, components.build(registry.methods, chosen.method).train()


def random_batch(method: Method, size: int, number: int = 1) -> Any:
    """A batch of noise in the networks' value range; sources of super-resolution are smaller by its scale."""
    kind, (low, high) = cast(Any, method.batch), method.value_range
    if isinstance(method, Generation):
        image = torch.empty(number, method.channels, size, size).uniform_(low, high)
        return Images(image, torch.zeros(number, dtype=torch.int64))
    assert isinstance(method, Translation)
    sides = (size // method.scale, size)
    fields = [torch.empty(1, n, side, side).uniform_(low, high) for n, side in zip(method.channels, sides, strict=True)]
    if kind is LabelledUnpaired:
        fields += torch.randint(cast(Any, method).classes, (2, 1, size, size), dtype=torch.uint8)
    return kind(*fields)


def peak_memory() -> float:
    """Peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def count_flops(case: Case) -> int:
    """Floating-point operations of the published step's convolutions."""
    chosen, method = build(case)
    method.to("meta")
    with torch.device("meta"):
        batch, step = random_batch(method, case.size, BATCHES.get(case.name, 1)), plain_step(method, chosen.optimizer)
        with FlopCounterMode(display=False) as counter:
            step(batch)
    return counter.get_total_flops()


def time_shares(step: Callable[[], Any]) -> dict[str, float]:
    """Share of a step's time by kind of operator, largest first; they sum to 1."""
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        step()
    spent = dict.fromkeys([*KINDS, "rest"], 0.0)
    for event in recorded.key_averages():
        if event.device_type == DeviceType.CPU:
            name = event.key.lower()
            kind = next((kind for kind, words in KINDS.items() if any(word in name for word in words)), "rest")
            spent[kind] += event.self_cpu_time_total
    total = sum(spent.values())
    return {kind: taken / total for kind, taken in sorted(spent.items(), key=lambda pair: -pair[1])}


if __name__ == "__main__":
    main()
