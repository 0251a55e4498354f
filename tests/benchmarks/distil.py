"""Students beside their teachers: time, and what is lost of the teacher's images.

    python -m tests.benchmarks.distil speed                 # ResNet-9 and the ladder at 256 px, round-robin, untrained
    python -m tests.benchmarks.sim2real --only sim2real --steps 600 --frames 100 --out teachers/
    python -m tests.benchmarks.distil labels teachers/0 teachers/1 teachers/2 --students 2 --weights squeezenet1_1.pth
    python -m tests.benchmarks.distil flicker teachers/0 --students 2 --temporal 0 5 --weights squeezenet1_1.pth
    python -m tests.benchmarks.distil upscaling realesrgan-x4plus photos/ Set5/ --students 6 --weights squeezenet1_1.pth

`speed` prints milliseconds per frame (8 bits to 8 bits) of networks in one engine, and how many times fewer than
ResNet-9's. `labels` trains students on the pairs of teachers that the benchmark `sim2real` has kept, and measures
both as that one does, on frames of a new world that neither has seen. `flicker` trains them with each weight of the
temporal loss, and prints warping errors of drives through a new world, as they are and stabilised. `upscaling` trains
students on crops of two thirds of the photos that the teacher has enlarged, and prints their time, and PSNR and LPIPS
to the teacher's images of the test set, down-sampled, and of crops of the other photos, beside bicubic's.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import cv2
import torch

import i2i
from i2i import evaluate
from i2i.checkpoints.card import card_of
from i2i.data.world import make_world, parse_gap
from i2i.distillation.budget import Budget
from i2i.distillation.ladder import Rung, ladder
from i2i.distillation.pairs import make_pairs
from i2i.distillation.timing import EngineChoice, Timing, time_frames
from i2i.evaluate.flicker import temporal_flicker
from i2i.export import export
from i2i.export.proof import picture
from i2i.training.reporter import NullReporter
from i2i_runtime import images
from i2i_runtime.stabilise import Stabiliser
from tests.benchmarks.sim2real import GAP, kid, measure

SMALL = ["train.workers=0", "train.log_every=100", "train.sample_every=1000000", "train.checkpoint_every=1000000"]
CROP = 48  # pixels of a photo that the teacher enlarges
DRIVES, DRIVE = 4, 24  # of `flicker`, and frames of each
FRESH = 100  # from the seed of a world to that of the one with the frames that are measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["speed", "labels", "flicker", "upscaling"])
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--students", type=int, nargs="+", help="numbers in the ladder, from 0")
    parser.add_argument("--size", type=int, default=256, help="pixels, of `speed`")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--weights", type=Path, help="SqueezeNet 1.1 of torchvision, for KID and LPIPS")
    parser.add_argument("--temporal", type=float, nargs="+", default=[0.0, 5.0], help="weights, of `flicker`")
    parser.add_argument("--stabilise", type=float, default=0.7, help="of `flicker`")
    parser.add_argument("--set", nargs="+", default=[], dest="settings", help="of the students' recipe")
    parser.add_argument("--out", type=Path, help="keep files here")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as temporary:
        options.out = options.out or Path(temporary)
        options.out.mkdir(parents=True, exist_ok=True)
        {"speed": speed, "labels": labels, "flicker": flicker, "upscaling": upscaling}[options.part](options)


def speed(options: argparse.Namespace) -> None:
    """Time ResNet-9 and the students, exported with random weights, with `--int8` in 8 bits, too."""
    rungs = [Rung("resnet", {"features": 64, "blocks": 9}), *_students(1, options)]
    exports = [(rung.name, rung, False) for rung in rungs]
    exports += [(f"{rung.name}, 8 bits", rung, True) for rung in rungs[1:] if options.int8]
    files = [
        export_untrained(rung, options.out / f"{at}.onnx", int8=int8) for at, (_, rung, int8) in enumerate(exports)
    ]
    report([name for name, _, _ in exports], files, options.size, options)


def export_untrained(rung: Rung, file: Path, *, int8: bool = False) -> Path:
    generator = rung.build(source_channels=3, target_channels=3, scale=1)
    calibration = []
    if int8:
        # As large as trained ones: a student's first weights give nearly the image, in however few bits.
        torch.nn.init.normal_(generator.get_submodule("head.0").get_parameter("weight"), 0.0, 0.02)
        calibration = [picture(at, 128, 160, 3)[None] for at in range(8)]
    card, _ = export(generator, card_of(generator, {"product": "student"}), file, int8=calibration)
    if floats := card.proof.get("int8", {}).get("float_layers"):
        print(f"{rung.name}: {', '.join(floats)} in float32")
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


def labels(options: argparse.Namespace) -> None:
    """Train students of a few teachers in worlds with a gap."""
    for folder in options.paths:
        seed, out = int(folder.name), options.out / folder.name
        world, fresh = folder / "world", out / "world"
        make_world(fresh, count=100, size=64, seed=seed + FRESH, gap=parse_gap(GAP))
        make_pairs(i2i.load(folder / "sim2real" / "latest"), world / "trainA", out / "pairs")
        runs = {"teacher": folder / "sim2real"}
        for rung in _students(1, options):
            runs[rung.name] = train_translator(rung, world, out, options, f"train.seed={seed}")
        translated = {
            name: run_all(i2i.load(run / "latest"), fresh / "trainA", out / name) for name, run in runs.items()
        }
        for name, figures in measure(translated, fresh, options.weights).items():
            print(f"seed {seed}  {name:<14}", {title: round(value, 3) for title, value in figures.items()}, flush=True)


def flicker(options: argparse.Namespace) -> None:
    """Train students of a few teachers with each weight of the temporal loss, and measure them on moving worlds."""
    for folder in options.paths:
        seed, out = int(folder.name), options.out / folder.name
        world, moving = folder / "world", out / "world"
        make_world(moving, count=DRIVES, size=64, seed=seed + FRESH, gap=parse_gap(GAP), sequence=DRIVE)
        make_pairs(i2i.load(folder / "sim2real" / "latest"), world / "trainA", out / "pairs")
        runs = {"teacher": folder / "sim2real"}
        for rung in _students(1, options):
            for weight in options.temporal:
                name = f"{rung.name}, {weight:g}"
                settings = f"train.seed={seed}", f"method.temporal_weight={weight}"
                runs[name] = train_translator(rung, world, out / name, options, *settings, pairs=out / "pairs")
        for name, run in runs.items():
            for title, strength in ((name, 0.0), (f"{name}, stabilised", options.stabilise)):
                film = out / "films" / title
                run_all(i2i.load(run / "latest"), moving / "trainA", film, stabilise=strength)
                figures = {"warp error": temporal_flicker(film, moving / "trainA").flicker.warp_error}
                figures |= kid(film, moving / "trainB", options.weights)
                if run != runs["teacher"]:
                    figures |= compare(film, out / "films" / "teacher", None)
                shown = {metric: float(f"{value:.4g}") for metric, value in figures.items()}
                print(f"seed {seed}  {title:<32}", shown, flush=True)


def upscaling(options: argparse.Namespace) -> None:
    """Train students of an upscaler on crops of photos."""
    name, photos, tests = options.paths
    teacher: Any = i2i.load(str(name), device="cpu")
    scale, out = teacher.card.scale, options.out
    for number, path in enumerate(images.list_images(photos)):
        group = "low" if number % 3 else "photos"
        images.write(_in(out / group / f"{path.stem}.png"), _middle(images.read(photos / path)[..., :3], CROP))
    for path in images.list_images(tests):
        images.write(_in(out / "tests" / f"{path.stem}.png"), _smaller(images.read(tests / path)[..., :3], scale))
    make_pairs(teacher, out / "low", out / "high")
    students: dict[str, Any] = {}
    for rung in _students(scale, options):
        settings = [f"method.scale={scale}", f"augment.train.crop.size={CROP * scale * 3 // 4}"]
        run = train("distil/upscaling", [out / "low", out / "high"], rung, out, options, *settings)
        students[rung.name] = i2i.load(run / "latest", device="cpu")
    for group in ("tests", "photos"):
        expected = run_all(teacher, out / group, out / f"{group} {name.name}")
        for title, model in {"bicubic": lambda image: _bicubic(image, scale), **students}.items():
            found = compare(run_all(model, out / group, out / f"{group} {title}"), expected, options.weights)
            print(f"{title}, {group}, to the teacher:", found, flush=True)
    report([name.name, *students], [teacher, *students.values()], 64, options)


def run_all(model: Any, folder: Path, out: Path, *, stabilise: float = 0.0) -> Path:
    """The folder of a model's results for the images of a folder, by the same names; `stabilise` those of a film."""
    steady = Stabiliser(stabilise) if stabilise else lambda frame, result: result
    for path in images.list_images(folder):
        frame = images.read(folder / path)
        images.write(_in(out / path), steady(frame, model(frame)))
    return out


def compare(folder: Path, expected: Path, weights: Path | None) -> dict[str, float]:
    """Means of PSNR and, where weights are given, LPIPS."""
    names = ["psnr", "lpips"] if weights else ["psnr"]
    instruments = evaluate.open_instruments(names, lpips_weights=weights)
    result = evaluate.evaluate_folders(evaluate.ImageFolders(folder, real=expected, paired=True), names, instruments)
    return {name: round(metric.value, 4) for name, metric in result.metrics.items()}


def train_translator(
    rung: Rung, world: Path, out: Path, options: argparse.Namespace, *settings: str, pairs: Path | None = None
) -> Path:
    sources = [world / "trainA", pairs or out / "pairs", world / "trainB"]
    common = "augment.train.crop.size=64", "train.precision=bfloat16"
    return train("distil/general", sources, rung, out, options, *common, *settings)


def train(
    recipe: str, sources: list[Path], rung: Rung, folder: Path, options: argparse.Namespace, *settings: str
) -> Path:
    length = [f"train.steps={options.steps}", f"train.batch_size={options.batch}"]
    chosen = [*SMALL, *rung.overrides(), *length, *settings, *options.settings]
    return i2i.train(recipe, sources, chosen, run=folder / f"{rung.name} run", reporter=NullReporter())


def _middle(image: images.Array, side: int) -> images.Array:
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]


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
