"""The program `i2i-runtime`: runs an exported .onnx file on a folder, on a stream of frames, on noise, or timed.

Every error is one sentence and exit code 1; `--debug` shows where it came from.
"""

import sys
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from i2i_runtime import __version__, bench, engines, stream
from i2i_runtime.engines.base import ExportedModel, LatentModelError
from i2i_runtime.engines.conflicts import conflicts
from i2i_runtime.engines.sampler import ExportedSampler
from i2i_runtime.files import escape_controls
from i2i_runtime.folder import FolderOptions
from i2i_runtime.folder.command import run_translation, workers_for
from i2i_runtime.folder.samples import sample_folder
from i2i_runtime.interrupt import PATIENCE, ending_calls
from i2i_runtime.signals import describe_error, run_program, stop_on_signals
from i2i_runtime.stream_command import TEST_SECONDS, StreamOptions, run_stream

_FOLDER_OPTIONS = (
    "tile",
    "outscale",
    "format",
    "quality",
    "keep_hidden",
    "carry",
    "link",
    "shard",
    "overwrite",
    "mix",
    "batch",
)
_INTERVAL, _TERMINAL_INTERVAL = 10, 0.25  # seconds between two lines of progress


def main() -> None:
    """Entry point of the program `i2i-runtime`."""
    for sentence in conflicts():
        print(f"warning: {sentence}", file=sys.stderr)
    sys.exit(run_program(_run, describe_error))


def _run(arguments: list[str]) -> int:
    chosen, unknown = _parser().parse_known_args(arguments or ["--help"])
    if unknown:
        chosen.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return chosen.run(chosen)


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see {self.prog} --help)")


def _parser() -> ArgumentParser:
    parser = _Parser(
        prog="i2i-runtime",
        description="Run generators that i2i exported, without torch.",
        epilog="Add --debug to any command for the full traceback of an error.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"i2i-runtime {__version__}")
    command = partial(_add_command, parser.add_subparsers(required=True, metavar="COMMAND"))
    _add_translate(command("translate", _translate, "Translate or upscale a folder of images."))
    _add_sample(command("sample", _sample, "Generate images from noise; a seed gives the same image as `i2i sample`."))
    _add_model(command("info", _info, "Print the card of a file, and its inputs and outputs."))
    _add_stream(command("stream", _stream, _STREAM))
    _add_bench(command("bench", _bench, "Measure ms and images/s, with and without reading and writing files."))
    return parser


def _add_command(commands: Any, name: str, run: Callable[[Namespace], int], description: str) -> ArgumentParser:
    parser = commands.add_parser(
        name,
        help=description.partition("\n")[0],
        description=description,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


def _add_model(parser: ArgumentParser, engine: str = "auto", **options: Any) -> None:
    meaning = {"auto": "auto, the fastest one installed", "all": "all, every one installed"}[engine]
    parser.add_argument("model", type=Path, help="an .onnx file from `i2i export`", **options)
    parser.add_argument("--engine", default=engine, help=f"onnxruntime, openvino or {meaning} (default)")
    _add_onnxruntime(parser)


def _add_onnxruntime(parser: ArgumentParser) -> None:
    parser.add_argument("--providers", default="auto", help="cuda, cpu, tensorrt, tried in this order (default: auto)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of the network (default: all cores)")


def _add_translate(parser: ArgumentParser) -> None:
    _add_model(parser)
    add = parser.add_argument
    add("source", help="folder of images, or one image; may be a URL such as s3://bucket/low")
    add("target", help="folder for the results, with the same paths and formats; may be a URL")
    add("--outscale", type=float, help="size of a result in sizes of its image (default: the network's scale)")
    add("--tile", type=int, help="longest side in pixels that the network is given at once; 0: the whole image")
    add("--format", help="format of the results: png, jpg, webp, bmp, tif (default: that of the image)")
    add("--quality", type=int, help="quality of JPEG and WebP, 1 to 100 (default: 95, lossless WebP stays lossless)")
    _add_prepare(parser)
    add("--keep-hidden", action="store_true", help="keep colours under alpha 0, for textures whose alpha is a map")
    add("--carry", action="append", default=[], metavar="GLOB", help="copy these files unchanged, such as 'labels/**'")
    add("--link", action="store_true", help="hard-link the files of --carry instead of copying them")
    add("--shard", metavar="I/N", help="do one of N parts of the folder, 0/N to N-1/N: one for each machine")
    add("--overwrite", action="store_true", help="translate again what is there already")
    add("--mix", action="store_true", help="keep results of another model or other settings")
    add("--batch", type=int, help="images of equal size per batch (default: 1, or the file's only batch size)")
    add("--workers", type=int, help="batches at once (default: 2 for a folder on a CPU, each on half of the cores)")


def _add_prepare(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--prepare",
        choices=("none", "as-trained"),
        default="none",
        help="as-trained: resize images as those of training; results are of that size (default: none)",
    )


def _prepare(model: ExportedModel, chosen: Namespace) -> None:
    if chosen.prepare == "as-trained":
        model.prepare = model.preparation()


def _add_sample(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("model", type=Path, help="an .onnx file of a latent generator, from `i2i export`")
    add("target", type=Path, help="folder for the samples, named by their seeds, in a folder for each class")
    add("--n", type=int, default=64, help="number of samples (default: 64)")
    add("--seed", type=int, default=0, help="seed of the first sample; the next one has the next seed (default: 0)")
    add("--class", type=int, dest="label", metavar="NUMBER", help="class of all samples (default: all in turn)")
    add("--truncation", type=float, default=1.0, help="0 (all typical and alike) to 1 (all variety, the default)")
    add("--overwrite", action="store_true", help="generate again what is there already")
    add("--batch", type=int, default=16, help="images per batch (default: 16)")
    _add_onnxruntime(parser)


_STREAM = """Translate frames from standard input to standard output: Y4M, or raw RGB24 with --size.

ffmpeg -i in.mp4 -f yuv4mpegpipe -pix_fmt yuv444p - | i2i-runtime stream x.onnx | ffmpeg -i - out.mp4
ffmpeg -i in.mp4 -f rawvideo -pix_fmt rgb24 - | i2i-runtime stream x.onnx --size 640x480 |
  ffmpeg -f rawvideo -pix_fmt rgb24 -s 640x480 -r 30 -i - out.mp4"""


def _add_stream(parser: ArgumentParser) -> None:
    _add_model(parser)
    add = parser.add_argument
    add("--size", metavar="WxH", help="width and height of a raw frame; Y4M says its own")
    add("--live", action="store_true", help="translate the newest frame, and drop those that came while one was at it")
    add("--stabilise", type=float, default=0.0, help="share of the frame before along the motion, 0 (off) to 1")
    add("--timings", type=Path, metavar="FILE", help="write the times and counts of frames as JSON")
    add("--test-rate", type=float, default=0.0, metavar="FPS", help=f"time it for {TEST_SECONDS:g} s on a test picture")
    _add_prepare(parser)


def _add_bench(parser: ArgumentParser) -> None:
    _add_model(parser, engine="all", nargs="+")
    parser.add_argument("--size", default="256", metavar="WxH", help="width and height in pixels (default: 256)")
    parser.add_argument("--batch", type=int, default=1, help="images per batch, without files (default: 1)")
    parser.add_argument("--seconds", type=float, default=10, help="duration for each model (default: 10)")


def _engine_options(chosen: Namespace) -> dict[str, Any]:
    return {"engine": chosen.engine, "providers": chosen.providers.split(","), "threads": chosen.threads}


def _translate(chosen: Namespace) -> int:
    workers = workers_for(chosen.source, chosen.workers)
    model, workers = engines.open_for_folder(chosen.model, **_engine_options(chosen), workers=workers)
    _prepare(model, chosen)
    print(f"{model.card.product} on {engines.describe(model)}", flush=True)
    options = FolderOptions(**{name: getattr(chosen, name) for name in _FOLDER_OPTIONS}, workers=workers)
    count = _Count()
    return run_translation(
        model, chosen.source, chosen.target, options, notify=_notify, count=count, within=count.within
    )


def _notify(message: str) -> None:
    print(escape_controls(message), flush=True)


def _sample(chosen: Namespace) -> int:
    if min(chosen.n, chosen.batch) < 1:
        raise ValueError(f"--n {chosen.n} --batch {chosen.batch} is refused; allowed: from 1")
    sampler = ExportedSampler(chosen.model, providers=chosen.providers.split(","), threads=chosen.threads)
    print(f"{sampler.card.product} on {sampler.engine} {sampler.provider}", flush=True)
    with stop_on_signals() as stop, ending_calls(patience=PATIENCE):
        counts = sample_folder(
            sampler,
            chosen.target,
            range(chosen.seed, chosen.seed + chosen.n),
            label=chosen.label,
            truncation=chosen.truncation,
            batch=chosen.batch,
            overwrite=chosen.overwrite,
            progress=_Count(),
            stop=stop,
        )
    print(f"{counts.written} written, {counts.existing} there already (--overwrite writes them again)")
    return stop.exit_code()


class _Count:
    """Progress on standard error: files finished and their speed, on one line of a terminal or a line now and then."""

    def __init__(self) -> None:
        self._begin = self._last = time.monotonic()
        self._on_terminal, self._shown = sys.stderr.isatty(), 0

    def __call__(self, finished: int, total: int) -> None:
        speed = finished / max(time.monotonic() - self._begin, 1e-9)
        self._show(f"{finished:,} of {total:,} files  {speed:,.1f}/s", last=finished == total)

    def within(self, name: str, share: float) -> None:
        """Show how much of a large image is done."""
        self._show(f"{name}: {share:.0%}", last=False)

    def _show(self, line: str, *, last: bool) -> None:
        now = time.monotonic()
        if not last and now - self._last < (_TERMINAL_INTERVAL if self._on_terminal else _INTERVAL):
            return
        self._last = now
        room = " " * max(0, self._shown - len(line))  # over the rest of a longer line
        self._shown = len(line) if self._on_terminal and not last else 0
        print(f"{line}{room}", end="\r" if self._shown else "\n", file=sys.stderr, flush=True)


_LAYOUTS = {"float": ", NCHW from 0 to 1", "uint8": ", NHWC from 0 to 255"}  # of images


def _info(chosen: Namespace) -> int:
    options = _engine_options(chosen)
    model: ExportedModel | ExportedSampler
    try:
        model = engines.open_model(chosen.model, **options)
    except LatentModelError:
        model = ExportedSampler(chosen.model, providers=options["providers"], threads=options["threads"])
    for key, value in model.card.to_dict().items():
        print(f"{key:<14} {value}")
    print(f"{'runs on':<14} {model.engine} {model.provider}")
    for kind, ends in zip(("input", "output"), model.tensors(), strict=True):
        for each in ends:
            layout = _LAYOUTS["uint8" if each.type == "uint8" else "float"] * (len(each.shape) == 4)
            print(f"{kind:<14} {each.name}: {each.type} ({', '.join(str(side or '?') for side in each.shape)}){layout}")
    return 0


def _stream(chosen: Namespace) -> int:
    size = stream.parse_size(chosen.size) if chosen.size is not None else None
    if not 0 <= chosen.test_rate <= 1000:
        raise ValueError(f"--test-rate {chosen.test_rate:g} is refused; allowed: from 0 to 1000 frames per second")
    options = StreamOptions(size, chosen.live, chosen.stabilise, chosen.timings, chosen.test_rate)
    model = engines.open_model(chosen.model, **_engine_options(chosen))
    _prepare(model, chosen)
    run_stream(model, options)
    return 0


def _bench(chosen: Namespace) -> int:
    size = stream.parse_size(chosen.size)
    options = _engine_options(chosen)
    contenders = []
    for path in chosen.model:
        for engine in engines.expand_engine(chosen.engine, options["providers"]):
            model = engines.open_model(path, **options | {"engine": engine})
            contenders.append(bench.Contender.of(str(path), model))
    bench.run(contenders, size, batch=chosen.batch, seconds=chosen.seconds)
    return 0
