"""The program `i2i-runtime`: an exported .onnx file on a folder, a stream of frames, noise, or against the clock.

Every error is one sentence and exit code 1; `--debug` shows where it came from.
"""

import sys
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from i2i_runtime import bench, engines, stream
from i2i_runtime.conflicts import conflicts
from i2i_runtime.engines.base import ExportedModel, LatentModelError
from i2i_runtime.engines.sampler import Sampler
from i2i_runtime.folder import FolderOptions, translate_folder
from i2i_runtime.folder.samples import sample_folder
from i2i_runtime.images import is_image
from i2i_runtime.signals import describe_error, run_program, stop_on_signals

_ENGINES = {"auto": "auto, the fastest there is", "all": "all that are installed, in turns"}


def main() -> None:
    """Entry point of the program `i2i-runtime`."""
    for sentence in conflicts():
        print(f"warning: {sentence}", file=sys.stderr)
    sys.exit(run_program(_run, describe_error))


def _run(arguments: list[str]) -> int:
    chosen = _parser().parse_args(arguments)
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
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _add_translate(commands)
    _add_sample(commands)
    info = _command(commands, "info", _info, "Print the card: what the file promises and where it comes from.")
    _add_model(info)

    live = _command(
        commands,
        "stream",
        _stream,
        "Translate raw RGB24 frames on standard input to raw RGB24 frames on standard output.\n\n"
        "ffmpeg -i in.mp4 -f rawvideo -pix_fmt rgb24 - | i2i-runtime stream x.onnx --size 640x480 |\n"
        "  ffmpeg -f rawvideo -pix_fmt rgb24 -s 640x480 -r 30 -i - out.mp4",
    )
    _add_model(live)
    live.add_argument("--size", required=True, metavar="WxH", help="width and height of a frame in pixels")

    timing = _command(commands, "bench", _bench, "Measure ms and images/s, with and without reading and writing files.")
    _add_model(timing, engine="all", nargs="+")
    timing.add_argument("--size", default="256", metavar="WxH", help="pixels of an image (default: 256)")
    timing.add_argument("--batch", type=int, default=1, help="images at once, without files (default: 1)")
    timing.add_argument("--seconds", type=float, default=10, help="how long to measure each model (default: 10)")
    return parser


def _add_translate(commands: Any) -> None:
    parser = _command(commands, "translate", _translate, "Translate or upscale a folder of images.")
    _add_model(parser)
    add = parser.add_argument
    add("source", help="folder of images (or one image), also remote, such as s3://bucket/low")
    add("target", help="folder for the results, also remote: same tree, same names, same formats")
    add("--outscale", type=float, help="resample results to this many times the image's size")
    add(
        "--tile", type=int, help="most pixels of a side that the network gets at once; 0: all (default: by the network)"
    )
    add("--format", help="of the results: png, jpg, webp, bmp, tif (default: that of the image)")
    add(
        "--carry", action="append", default=[], metavar="GLOB", help="copy these files as they are, such as 'labels/**'"
    )
    add("--link", action="store_true", help="hard-link what is carried instead of copying it")
    add("--shard", metavar="I/N", help="do one of N parts of the folder, 0/N to N-1/N, each on a machine of its own")
    add("--overwrite", action="store_true", help="translate again what is there already")
    add("--mix", action="store_true", help="keep results of another model that are in the target")
    add("--batch", type=int, default=1, help="images of equal size that go through together (default: 1)")
    add("--workers", type=int, help="batches at once (default: 2 for a folder on a CPU, on half of the cores each)")


def _add_sample(commands: Any) -> None:
    what = "Make images of noise: the same seeds make the same images as in `i2i sample`."
    parser = _command(commands, "sample", _sample, what)
    add = parser.add_argument
    add("model", type=Path, help="a file that `i2i export` wrote of a generator of noise")
    add("target", type=Path, help="folder for the samples, called by their seeds; of classes a folder each")
    add("--n", type=int, default=64, help="how many (default: 64)")
    add("--seed", type=int, default=0, help="the first; each sample has its own, one after the other (default: 0)")
    add("--class", type=int, dest="label", metavar="NUMBER", help="of the class (default: all in turn)")
    add("--truncation", type=float, default=1.0, help="from 0, all typical and alike, to 1, all variety (default: 1)")
    add("--overwrite", action="store_true", help="make again what is there already")
    add("--batch", type=int, default=16, help="images that go through together (default: 16)")
    _add_onnxruntime(parser)


def _command(commands: Any, name: str, run: Callable[[Namespace], int], what: str) -> ArgumentParser:
    parser = commands.add_parser(
        name,
        help=what.partition("\n")[0],
        description=what,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


def _add_model(parser: ArgumentParser, engine: str = "auto", **options: Any) -> None:
    parser.add_argument("model", type=Path, help="a file that `i2i export` wrote", **options)
    parser.add_argument("--engine", default=engine, help=f"onnxruntime, openvino or {_ENGINES[engine]} (default)")
    _add_onnxruntime(parser)


def _add_onnxruntime(parser: ArgumentParser) -> None:
    parser.add_argument("--providers", default="auto", help="in order: cuda, cpu, tensorrt (default: auto)")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU for the network (default: all cores)")


def _how(chosen: Namespace) -> dict[str, Any]:
    return {"engine": chosen.engine, "providers": chosen.providers.split(","), "threads": chosen.threads}


def _translate(chosen: Namespace) -> int:
    workers = 1 if chosen.workers is None and is_image(Path(chosen.source)) else chosen.workers
    session, workers = engines.open_for_folder(chosen.model, **_how(chosen), workers=workers)
    print(f"{session.card.product} on {engines.describe(session)}", flush=True)
    count = _Count()
    with stop_on_signals() as stop:
        report = translate_folder(
            session.network,
            session.card,
            chosen.source,
            chosen.target,
            FolderOptions(
                tile=chosen.tile,
                outscale=chosen.outscale,
                format=chosen.format,
                carry=chosen.carry,
                link=chosen.link,
                shard=chosen.shard,
                overwrite=chosen.overwrite,
                mix=chosen.mix,
                batch=chosen.batch,
                workers=workers,
            ),
            banded=session.banded,
            progress=lambda at: count(at.finished, at.total),
            stop=stop,
        )
    print("\n".join(report.lines()))
    if stop():
        return 128 + stop.signal
    return 3 if report.failed else 0


def _sample(chosen: Namespace) -> int:
    if min(chosen.n, chosen.batch) < 1:
        raise ValueError(f"--n {chosen.n} --batch {chosen.batch} is refused; allowed: from 1")
    sampler = Sampler(chosen.model, providers=chosen.providers.split(","), threads=chosen.threads)
    print(f"{sampler.card.product} on {sampler.engine} {sampler.provider}", flush=True)
    with stop_on_signals() as stop:
        report = sample_folder(
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
    print(f"{report.made} made, {report.kept} were there already (--overwrite makes them again)")
    return 128 + stop.signal if stop() else 0


class _Count:
    """How many images are through and how fast: one line that changes on a terminal, elsewhere one in 10 seconds."""

    def __init__(self) -> None:
        self._begin = self._last = time.monotonic()
        self._live = sys.stderr.isatty()

    def __call__(self, finished: int, total: int) -> None:
        now = time.monotonic()
        is_last = finished == total
        if not is_last and now - self._last < (0.25 if self._live else 10):
            return
        self._last = now
        speed = finished / max(now - self._begin, 1e-9)
        line = f"{finished:,} of {total:,} files  {speed:,.1f}/s"
        print(line, end="\r" if self._live and not is_last else "\n", file=sys.stderr, flush=True)


def _info(chosen: Namespace) -> int:
    how = _how(chosen)
    opened: ExportedModel | Sampler
    try:
        opened = engines.open_model(chosen.model, **how)
    except LatentModelError:
        opened = Sampler(chosen.model, providers=how["providers"], threads=how["threads"])
    for key, value in opened.card.to_dict().items():
        print(f"{key:<14} {value}")
    print(f"{'runs on':<14} {opened.engine} {opened.provider}")
    return 0


def _stream(chosen: Namespace) -> int:
    size = stream.size_of(chosen.size)
    session = engines.open_model(chosen.model, **_how(chosen))
    stream.run_standard(session, session.card, size=size, engine=engines.describe(session))
    return 0


def _bench(chosen: Namespace) -> int:
    height, width = stream.size_of(chosen.size)
    contenders = []
    how = _how(chosen)
    for model in chosen.model:
        for engine in engines.expand_engine(chosen.engine, how["providers"]):
            session = engines.open_model(model, **how | {"engine": engine})
            contenders.append(bench.Contender(str(model), engines.describe(session), session.network, session.card))
    bench.bench(
        contenders,
        height=height,
        width=width,
        batch=chosen.batch,
        seconds=chosen.seconds,
        tell=lambda sentence: print(sentence, file=sys.stderr),
    )
    print("\n".join(bench.table(contenders)))
    return 0
