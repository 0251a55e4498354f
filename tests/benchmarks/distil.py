"""Students beside their teachers: time, and what is lost of the teacher's images.

    python -m tests.benchmarks.distil speed                 # ResNet-9 and the ladder at 256 px, round-robin, untrained
    python -m tests.benchmarks.distil images TEACHER_OUTPUTS FRAMES REAL --weights squeezenet1_1.pth
    python -m tests.benchmarks.distil upscaling realesrgan-x4plus PHOTOS Set5

`speed` prints milliseconds per frame (8 bits to 8 bits) of networks in one engine, and how many times fewer than
ResNet-9's. `images` trains students on two thirds of the frames and prints, for the others, PSNR and SSIM to the
teacher's images, and KID of both to real ones on SqueezeNet's features. `upscaling` trains students on crops of the
photos that the teacher has enlarged, and prints their time and PSNR to the teacher's images of the test set, beside
bicubic's.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import i2i
from i2i import evaluate
from i2i.checkpoints.card import card_of
from i2i.distillation.budget import Budget
from i2i.distillation.ladder import Rung, ladder
from i2i.distillation.pairs import make_pairs
from i2i.distillation.timing import EngineChoice, Timing, time_frames
from i2i.export import export
from i2i.training.reporter import NullReporter
from i2i_runtime import images

SMALL = ["train.workers=0", "train.log_every=100", "train.sample_every=1000000", "train.checkpoint_every=1000000"]
CROP = 48  # pixels of a photo that the teacher enlarges


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["speed", "images", "upscaling"])
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--students", type=int, nargs="+", help="numbers in the ladder, from 0")
    parser.add_argument("--size", type=int, default=256, help="pixels, of `speed`")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--weights", type=Path, help="SqueezeNet 1.1 of torchvision, for KID")
    parser.add_argument("--out", type=Path, help="keep files here")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as temporary:
        options.out = options.out or Path(temporary)
        options.out.mkdir(parents=True, exist_ok=True)
        {"speed": speed, "images": translations, "upscaling": upscaling}[options.part](options)


def speed(options: argparse.Namespace) -> None:
    """Time ResNet-9 and the students, exported with random weights."""
    rungs = [Rung("resnet", {"features": 64, "blocks": 9}), *_students(1, options)]
    files = [
        export_untrained(rung, options.out / f"{at}.onnx", int8=options.int8 and at > 0)
        for at, rung in enumerate(rungs)
    ]
    report([rung.name for rung in rungs], files, options.size, options)


def export_untrained(rung: Rung, file: Path, *, int8: bool = False) -> Path:
    generator = rung.build(source_channels=3, target_channels=3, scale=1)
    calibration = [np.random.default_rng(at).random((1, 3, 64, 64), np.float32) for at in range(4)] if int8 else []
    export(
        generator, card_of(generator, {"product": "student"}), file, int8=calibration, least_psnr=0.0 if int8 else None
    )
    return file


def report(names: list[str], files: list[Any], size: int, options: argparse.Namespace) -> None:
    """Print the times of networks, and the first one's in those of each."""
    engine = EngineChoice(threads=options.threads)
    models = [engine.open(file) if isinstance(file, Path) else file for file in files]
    taken = time_frames(models, Budget("", 1e9, size, size), seconds=options.seconds)
    timings = [Timing.of(name, 0, each, "") for name, each in zip(names, taken, strict=True)]
    for each in timings:
        ratio, best = timings[0].p50 / each.p50, min(taken[0]) / min(taken[timings.index(each)])
        times = f"p50 {each.p50:8.2f} ms  p99 {each.p99:8.2f} ms"
        print(f"{each.name:<24} {times}  {ratio:6.1f} times fewer ({best:.1f} at best)", flush=True)


def translations(options: argparse.Namespace) -> None:
    """Train a student on a folder of a teacher's outputs."""
    outputs, frames, real = options.paths
    test = options.out / "test"
    names = [path for path in images.list_images(frames) if (outputs / path.with_suffix(".png")).is_file()]
    for at, name in enumerate(names):
        group = "test" if at % 3 == 0 else "train"
        for kind, path in (("frames", frames / name), ("outputs", outputs / name.with_suffix(".png"))):
            images.write(_in(options.out / group / kind / f"{at}.png"), images.read(path))
    for rung in _students(1, options):
        sources = [options.out / "train" / "frames", options.out / "train" / "outputs", real]
        run = train("distil", sources, rung, options, "augment.train.crop.size=64")
        translator, target = i2i.load(run / "latest"), options.out / f"{rung.name} test"
        for path in images.list_images(test / "frames"):
            images.write(_in(target / path), translator(images.read(test / "frames" / path)))
        pairs = evaluate.ImageFolders(target, real=test / "outputs", paired=True)
        instruments = evaluate.open_instruments(["psnr", "ssim"])
        found = evaluate.evaluate_folders(pairs, ["psnr", "ssim"], instruments).metrics
        print(
            rung.name,
            {name: round(metric.value, 4) for name, metric in found.items()},
            kid(target, real, options.weights),
        )
    print(
        "teacher", kid(test / "outputs", real, options.weights), "frames", kid(test / "frames", real, options.weights)
    )


def kid(folder: Path, real: Path, weights: Path | None) -> dict[str, float]:
    if not weights:
        return {}
    instruments = evaluate.open_instruments(["kid"], features="squeezenet1_1", weights=weights)
    result = evaluate.evaluate_folders(evaluate.ImageFolders(folder, real=real), ["kid"], instruments)
    return {name: round(metric.value, 4) for name, metric in result.metrics.items()}


def upscaling(options: argparse.Namespace) -> None:
    """Train students of an upscaler on crops of photos, and measure them on the images of a test set, down-sampled."""
    name, photos, tests = options.paths
    teacher: Any = i2i.load(str(name), device="cpu")
    scale = teacher.card.scale
    for path in images.list_images(photos):
        photo = images.read(photos / path)[..., :3]
        top, left = ((side - CROP) // 2 for side in photo.shape[:2])
        images.write(_in(options.out / "low" / f"{path.stem}.png"), photo[top : top + CROP, left : left + CROP])
    make_pairs(teacher, options.out / "low", options.out / "high")
    low = {path.stem: _smaller(images.read(tests / path)[..., :3], scale) for path in images.list_images(tests)}
    expected = {stem: teacher(image) for stem, image in low.items()}
    files: list[Any] = [teacher]
    rungs = _students(scale, options)
    for rung in rungs:
        sources = [options.out / "low", options.out / "high"]
        settings = [f"method.scale={scale}", f"augment.train.crop.size={CROP * scale * 2 // 3}"]
        run = train("distil/upscaling", sources, rung, options, *settings)
        student: Any = i2i.load(run / "latest", device="cpu")
        files.append(student)
        results = {"student": student, "bicubic": lambda image: _bicubic(image, scale)}
        for title, run_model in results.items():
            decibels = np.mean([psnr(run_model(image), expected[stem]) for stem, image in low.items()])
            print(f"{rung.name}: PSNR of {title} to the teacher {decibels:.2f} dB")
    report([str(name), *(rung.name for rung in rungs)], files, 64, options)


def train(recipe: str, sources: list[Path], rung: Rung, options: argparse.Namespace, *settings: str) -> Path:
    length = [f"train.steps={options.steps}", f"train.batch_size={options.batch}"]
    chosen = [*SMALL, *rung.overrides(), *length, *settings]
    return i2i.train(recipe, sources, chosen, run=options.out / rung.name, reporter=NullReporter())


def psnr(image: images.Array, truth: images.Array) -> float:
    return float(10 * np.log10(255**2 / np.mean((image.astype(np.float64) - truth) ** 2)))


def _smaller(image: images.Array, scale: int) -> images.Array:
    height, width = (side // scale for side in image.shape[:2])
    return cv2.resize(image[: height * scale, : width * scale], (width, height), interpolation=cv2.INTER_AREA)


def _bicubic(image: images.Array, scale: int) -> images.Array:
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def _students(scale: int, options: argparse.Namespace) -> list[Rung]:
    rungs = ladder(scale)
    return [rungs[number] for number in options.students] if options.students else list(rungs)


def _in(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


if __name__ == "__main__":
    main()
