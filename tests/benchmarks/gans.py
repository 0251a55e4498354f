"""KID and FID of GANs on the built-in world at 64 pixels, after as many minutes of one thread each.

    python -m tests.benchmarks.gans --minutes 20 --seeds 0 1 2 --weights squeezenet1_1.pth --out gans

Every method has its recipe's objective and schedule, small networks, and as many steps as fit in the minutes, by the
processor time of a few steps before; what they took is printed. KID and FID are of as many samples as there are
held-out frames, on SqueezeNet's features; those of training frames and of grey images say what figures to expect.
`--out` keeps the runs, and a sheet of samples of each.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import i2i
from i2i import evaluate
from i2i.data.world import make_world
from i2i.latent import sampler as sampling
from i2i.training.reporter import NullReporter
from i2i_runtime import images

SIZE, FRAMES, HELD_OUT = 64, 2000, 500
MEASURED = 16  # steps, of which one has a lazy R1
COMMON: dict[str, Any] = {
    "method.size": SIZE,
    "train.workers": 0,
    "train.log_every": 100,
    "train.checkpoint_every": 10**6,
    "train.sample_every": 10**6,
    "collapse.every": 0,
}


def both(**options: int) -> dict[str, Any]:
    """Options of both networks."""
    return {
        f"method.{player}.{name}": each for player in ("generator", "discriminator") for name, each in options.items()
    }


STYLE = {"method.generator.latent": 64, "method.generator.style": 64, "method.generator.mapping_layers": 2}
NOT_AUGMENTED = {"method.augment": "none", "augment.train.flip": False}
METHODS: dict[str, dict[str, Any]] = {
    "dcgan": {**both(features=32), "train.batch_size": 32, "train.ema": 0.99},
    "wgan-gp": {**both(features=32), "train.batch_size": 32, "train.ema": 0.99},
    "stylegan2": {
        **both(features=64, base=1024), **STYLE, **NOT_AUGMENTED,
        "train.batch_size": 16, "train.ema": 0.995, "method.r1_weight": 5.0,
        "method.path_weight": 0, "method.mixing": 0,
    },
    "stylegan3": {
        **both(features=32, base=512), **STYLE, **NOT_AUGMENTED,
        "method.generator.layers": 8, "method.generator.magnitude_decay": 0.99,
        "train.batch_size": 16, "train.ema": 0.995, "method.r1_weight": 5.0,
    },
    "r3gan": {
        **both(features=64, base=512, blocks=1), **NOT_AUGMENTED,
        "method.gamma": 50.0, "method.last_gamma": 25.0,
        "train.batch_size": 32, "train.ema": 0.995, "optimizer.lr": 3e-4,
    },
    "r3gan/small": {"augment.train.flip": False},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20, help="of processor time for each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--weights", type=Path, required=True, help="SqueezeNet 1.1 of torchvision")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--out", type=Path, help="keep the runs and sheets here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        out = options.out or Path(temporary)
        train, held_out = frames(out / "train", FRAMES, seed=0), frames(out / "held_out", HELD_OUT, seed=1)
        print(f"{SIZE} px, {options.minutes:g} CPU-minutes")
        for name, folder in {"training frames": train, "grey images": grey(out / "grey")}.items():
            print(f"{name}: {distances(folder, held_out, options.weights)}", flush=True)
        for seed in options.seeds:
            for name in options.only:
                folder = out / f"{name.replace('/', '-')}-{seed}"
                settings = COMMON | METHODS[name] | {"train.seed": seed, "train.precision": options.precision}
                steps = max(2, int(60 * options.minutes / seconds_per_step(name, train, settings)))
                begin = time.process_time()
                run = i2i.train(name, [train], settings | {"train.steps": steps}, run=folder, reporter=NullReporter())
                minutes = (time.process_time() - begin) / 60
                samples = sample(run, folder.with_name(f"{folder.name}-samples"), folder.with_suffix(".png"))
                shown = f"{steps} steps in {minutes:.1f} CPU-minutes"
                found = distances(samples, held_out, options.weights)
                print(f"seed {seed}  {name:<11} {found}, {shown}", flush=True)


def frames(folder: Path, count: int, *, seed: int) -> Path:
    """Real frames of the world."""
    if not folder.exists():
        make_world(folder, count=count, size=SIZE, seed=seed)
    return folder / "trainB"


def grey(folder: Path) -> Path:
    """As many grey images as there are held-out frames."""
    folder.mkdir(exist_ok=True)
    for number in range(HELD_OUT):
        images.write(folder / f"{number:05d}.png", np.full((SIZE, SIZE, 3), 128, np.uint8))
    return folder


def seconds_per_step(name: str, train: Path, settings: dict[str, Any]) -> float:
    """Processor time of a step: that of a run of some steps less that of a run of fewer, after one that pays what a
    process pays once.
    """
    spent = []
    for steps in (MEASURED, MEASURED, 2 * MEASURED):
        with tempfile.TemporaryDirectory() as folder:
            begin = time.process_time()
            i2i.train(name, [train], settings | {"train.steps": steps}, run=Path(folder) / "r", reporter=NullReporter())
            spent.append(time.process_time() - begin)
    return max(spent[2] - spent[1], 1e-3) / MEASURED


def sample(run: Path, folder: Path, sheet: Path) -> Path:
    """As many samples as there are held-out frames, and a sheet of the first."""
    sampler = sampling.load(run / "latest", device="cpu")
    folder.mkdir()
    for first in range(0, HELD_OUT, 50):
        pictures = sampler(range(first, first + 50))
        if not first:
            images.write(sheet, sampling.grid(pictures[:40], columns=10))
        for number, picture in enumerate(pictures, first):
            images.write(folder / f"{number:05d}.png", picture)
    return folder


def distances(fake: Path, real: Path, weights: Path) -> str:
    instruments = evaluate.open_instruments(["kid", "fid"], features="squeezenet1_1", weights=weights)
    result = evaluate.evaluate_folders(evaluate.ImageFolders(fake, real=real), ["kid", "fid"], instruments)
    kid, fid = result.metrics.values()
    return f"KID {kid.value:.1f} ± {kid.error:.1f}, FID {fid.value:.0f}"


if __name__ == "__main__":
    main()
