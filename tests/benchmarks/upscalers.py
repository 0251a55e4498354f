"""Quality against speed and memory: every upscaler at hand on Set5 and on held-out photos.

    python -m tests.benchmarks.upscalers [MODEL ...] [--set Set5/ ...] [--photos photos/] [--lpips squeezenet.pth]

Models are whatever `i2i translate` takes; by default the published ones of scale 4 that are on this machine and need no
download. Of `--photos` those images are measured that a run on this folder holds out from training. The table has PSNR
and SSIM on Y as papers count them, LPIPS on RGB, milliseconds of CPU time for one image of `--size` pixels a side
before enlarging, in one thread, and the memory that the network takes for it on top of its weights. Each model has a
process of its own; bicubic upscaling is the line to beat.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from i2i import inference
from i2i.checkpoints.published import PublishedGenerator
from i2i.data.folders import split_files
from i2i.evaluate.upscaling import BASELINE, UpscalingExample, evaluate_upscaling, find_examples
from i2i.metrics.lpips import Lpips
from i2i.registry import weights
from i2i_runtime.bench import synthetic_photo
from tests.benchmarks.training import peak_memory
from tests.benchmarks.upscale import in_new_process

SHARED = Path(__file__).parents[3] / "shared"
SCALE = 4  # of the published ones


class Measured(NamedTuple):
    """What a model costs, and the means of its measures by the name of a set."""

    weights: int
    milliseconds: float
    mebibytes: float
    means: dict[str, dict[str, float]]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="whatever i2i translate takes, of one scale")
    parser.add_argument(
        "--set", type=Path, action="append", dest="sets", help="folder of ground truth; can be repeated"
    )
    parser.add_argument("--photos", type=Path, help="folder of which those are measured that training holds out")
    parser.add_argument("--lpips", type=Path, help="torchvision's AlexNet, SqueezeNet 1.1 or VGG16")
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args(arguments)
    sets = {folder.name: find_examples(folder) for folder in options.sets or [SHARED / "data" / "Set5"]}
    if options.photos:
        held_out = split_files(options.photos, None).test
        sets[f"{options.photos.name}, held out"] = [UpscalingExample(Path(each.name), each) for each in held_out]
    measured: dict[str, Measured] = {}
    for model in options.models or at_hand():
        measured[model] = in_new_process(measure, model, sets, options.lpips, options.size)
        print("\n".join(table(measured, options.size)), end="\n\n", flush=True)


def at_hand() -> list[str]:
    """Names of the published upscalers whose files are on this machine."""
    known = {name: cast(PublishedGenerator, weights[name]) for name in weights}
    return [name for name, each in known.items() if each.scale == SCALE and each.here()]


def measure(model: str, sets: dict[str, list[UpscalingExample]], lpips: Path | None, size: int) -> Measured:
    """Measure a model, and bicubic with it; first its cost, since the memory of a process only grows."""
    torch.set_num_threads(1)
    translator = inference.load(model, device="cpu")
    milliseconds, mebibytes = _cost(translator, size)
    distance = Lpips(lpips) if lpips else None
    means: dict[str, dict[str, float]] = {}
    for name, examples in sets.items():
        evaluation = evaluate_upscaling({model: translator}, examples, scale=translator.card.scale, lpips=distance)
        for file, why in evaluation.failed:
            print(f"{file}: {why}")
        means |= {name: evaluation.mean(model), f"{BASELINE} {name}": evaluation.mean(BASELINE)}
    count = sum(weight.numel() for weight in translator._generator.parameters())
    return Measured(count, milliseconds, mebibytes, means)


def _cost(translator: inference.Translator, size: int) -> tuple[float, float]:
    """CPU time in milliseconds, the least of several passes, and memory in MiB, for one image."""
    photo = synthetic_photo(size, size, seed=0)[..., : translator.card.in_channels]
    image = np.ascontiguousarray(photo.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    before, times = peak_memory(), []
    begin = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begin < 5:
        started = time.process_time()
        translator.network(image)
        times.append(1000 * (time.process_time() - started))
    return min(times), peak_memory() - before


def table(measured: dict[str, Measured], size: int) -> list[str]:
    """The figures so far as Markdown, the fastest model first."""
    sets = [name for name in next(iter(measured.values())).means if not name.startswith(BASELINE)]
    head = ["model", "weights", f"ms at {size}x{size}", "MiB", *(f"{name}: PSNR, SSIM, LPIPS" for name in sets)]
    first = next(iter(measured.values())).means
    rows = [[BASELINE, "", "", "", *(_figures(first[f"{BASELINE} {name}"]) for name in sets)]]
    for model, one in sorted(measured.items(), key=lambda item: item[1].milliseconds):
        costs = [f"{one.weights / 1e6:.2f} M", f"{one.milliseconds:.1f}", f"{one.mebibytes:.0f}"]
        rows.append([model, *costs, *(_figures(one.means[name]) for name in sets)])
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _figures(means: dict[str, Any]) -> str:
    lpips = next((f", {value:.3f}" for name, value in means.items() if name.startswith("LPIPS")), "")
    return f"{means['PSNR-Y']:.2f}, {means['SSIM-Y']:.4f}{lpips}"


if __name__ == "__main__":
    main()
