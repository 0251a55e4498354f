"""Methods that keep labels, and sim2real less each of its parts, on the built-in world with a gap in layout.

    python -m tests.benchmarks.sim2real --seeds 3 --weights squeezenet1_1.pth

Every variant has the same networks and the same number of steps of the generator. Columns: "consistency", mIoU of the
label maps of the source frames as a segmenter sees their translations that was trained on labelled real frames, which
no variant has; "utility", mIoU on real test frames of a segmenter that was trained on the translations; KID of the
translations to real test frames on SqueezeNet's features, where its weights are given.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch

import i2i
from i2i import evaluate
from i2i.data.world import make_world, parse_gap
from i2i.training.reporter import NullReporter
from i2i_runtime import images

GAP = "trees=0.6,horizon=0.1,cars=0"
SMALL = {
    "train.batch_size": 1,
    "train.workers": 0,
    "train.precision": "bfloat16",
    "train.ema": 0.99,
    "train.log_every": 500,
    "train.checkpoint_every": 10**6,
    "train.sample_every": 10**6,
    "collapse.every": 0,
    "optimizer.lr": 5e-4,
    "method.generator.blocks": 4,
    "method.generator.features": 24,
    "method.discriminator.features": 32,
}
NETWORK = {"method.generator.upsampling": "resize", "method.generator.init": "xavier"}
SIZES = {"augment.train.resize.size": 68, "augment.train.crop.size": 64, "augment.test.resize.size": 64}
SCALED = {"augment.train.scale_short.size": 68, "augment.train.crop.size": 64, "augment.test.scale_short.size": 64}
CUT = {"method.layers": [0, 4, 8, 11, 13], "method.projection": 128}
NOT_ANTIALIASED = {
    "method.generator.antialias_down": False,
    "method.generator.antialias_up": False,
    "method.discriminator.antialias": False,
}
AWARE = {"method.label_aware": True, "method.discriminator.projection": True}
SEGMENTER_STEPS = 1200
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "cyclegan": ("cyclegan", SIZES | NETWORK),
    "cut": ("cut", SIZES | NETWORK | CUT | NOT_ANTIALIASED),
    "sim2real": ("sim2real/small", SCALED),
    "less semantic": ("sim2real/small", SCALED | {"method.semantic_weight": 0}),
    "less balance": ("sim2real/small", SCALED | {"method.class_balance": False}),
    "less nce": ("sim2real/small", SCALED | {"method.nce_weight": 0}),
    "and label maps": ("sim2real/small", SCALED | AWARE),
    "less residual": ("sim2real/small", SCALED | {"method.generator.residual": False}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1500, help="of the generator")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--weights", type=Path, help="SqueezeNet 1.1 of torchvision, for KID")
    parser.add_argument("--out", type=Path, help="keep the runs and translations here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        for seed in options.seeds:
            run_seed(seed, (options.out or Path(temporary)) / str(seed), options)


def run_seed(seed: int, folder: Path, options: argparse.Namespace) -> None:
    world = folder / "world"
    if not world.exists():
        make_world(world, count=options.frames, size=64, seed=seed, gap=parse_gap(GAP))
    translated = {"source frames": world / "trainA"}
    for name in options.only:
        method, settings = VARIANTS[name]
        steps = options.steps + (SEGMENTER_STEPS if method.startswith("sim2real") else 0)
        chosen = SMALL | settings | {"train.steps": steps, "train.seed": seed}
        run = i2i.train(method, [world], chosen, run=folder / name, reporter=NullReporter())
        translated[name] = translate(run, world / "trainA", folder / f"{name} translated")
        print(f"seed {seed}: {name} trained", flush=True)
    for name, figures in measure(translated, world, options.weights).items():
        print(
            f"seed {seed}  {name:<14}" + "".join(f"  {title} {value:.3f}" for title, value in figures.items()),
            flush=True,
        )


def translate(run: Path, frames: Path, out: Path) -> Path:
    translator = i2i.load(run / "latest", product="a_to_b")
    out.mkdir()
    for path in sorted(frames.glob("*.png")):
        images.write(out / path.name, translator(images.read(path)))
    return out


def measure(translated: dict[str, Path], world: Path, weights: Path | None) -> dict[str, dict[str, float]]:
    """Figures of each folder of translations of the training frames."""
    source = evaluate.LabelledFolder(world / "trainA", world / "trainA_labels")
    test = evaluate.LabelledFolder(world / "testB", world / "testB_labels")
    train = evaluate.LabelledFolder(world / "trainB", world / "truth" / "trainB_labels")
    frames = evaluate.open_utility_frames(source, translated, test, train, size=(64, 64))
    result = evaluate.evaluate_utility(frames, seeds=1, train_on=["translated", "real"])
    figures = {}
    for name, out in translated.items():
        consistency, utility = (result.row(*row).mean_iou[0] for row in (("real", name), (name, "real")))
        figures[name] = {"consistency": consistency, "utility": utility} | kid(out, world / "testB", weights)
    return figures


def kid(out: Path, real: Path, weights: Path | None) -> dict[str, float]:
    if not weights:
        return {}
    instruments = evaluate.open_instruments(["kid"], features="squeezenet1_1", weights=weights)
    result = evaluate.evaluate_folders(evaluate.ImageFolders(out, real=real), ["kid"], instruments)
    return {name: metric.value for name, metric in result.metrics.items()}


if __name__ == "__main__":
    main()
