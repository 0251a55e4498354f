"""Command `i2i evaluate`: measures a run, any two folders, or upscalers."""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2i.cli.evaluate_probe import probe
from i2i.cli.evaluate_separability import separability
from i2i.cli.evaluate_sr import super_resolution
from i2i.cli.evaluate_utility import utility
from i2i.cli.group import CommandGroup
from i2i.cli.train import Device, Plugins
from i2i.registry import did_you_mean
from i2i_runtime.files import check_output

if TYPE_CHECKING:
    from i2i.cli.progress import ProgressLine
    from i2i.evaluate import EvaluationResult, Instruments, LabelConsistency

Metrics = Annotated[
    str | None,
    typer.Option(
        help="Names with commas: fid, kid, is, precision, recall, density, coverage, psnr, ssim, ms-ssim, l1, lpips, "
        "diversity, novelty, dependence, labels, structure, flicker, eq-t, eq-r, ppl.",
        show_default="what fits and is at hand",
    ),
]
Features = Annotated[str, typer.Option(help="inception, dinov2_vits14, squeezenet1_1, ...", show_default="inception")]
Weights = Annotated[Path | None, typer.Option(help="Of --features.", show_default="published ones, from the cache")]
LpipsWeights = Annotated[
    Path | None, typer.Option(help="torchvision's AlexNet, VGG16 or SqueezeNet 1.1.", show_default="AlexNet, if cached")
]
SegmenterOption = Annotated[
    str | None, typer.Option(help="Segmenter: a run, .onnx or file.py:function.", show_default=False)
]
LabelMaps = Annotated[
    Path | None, typer.Option("--labels", help="Folder of the sources' label maps.", show_default=False)
]
Classes = Annotated[Path | None, typer.Option(help="Names of the classes, one a line.", show_default="numbers")]
ClassMap = Annotated[
    Path | None, typer.Option(help="What label maps mean (.json, .toml, .csv).", show_default="classes by number")
]
SegmenterMap = Annotated[
    Path | None, typer.Option(help="What the segmenter's classes mean.", show_default="classes by number")
]
ImageNet = Annotated[bool, typer.Option("--imagenet", help="The segmenter takes ImageNet's mean and deviation.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write all of it to this file.", show_default=False)]


Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace metrics of other data or settings that the file has.")
]

_RUN = "RUN"  # in capitals, as a folder may well be called run
_NEARLY = 0.75  # share of letters that a misspelt command has of it


class RunOrCommand(CommandGroup):
    """Command group whose first word is a run unless it is the name of a command, or nearly one and no file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            commands = [name for name in self.commands if name != _RUN]
            if difflib.get_close_matches(args[0], commands, cutoff=_NEARLY) and not Path(args[0]).exists():
                ctx.fail(f"{args[0]}: no run and no command of that name; {did_you_mean(args[0], commands)}")
            args = [_RUN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=RunOrCommand)


@app.callback()
def main() -> None:
    """Measure a run, any two folders of images, or upscalers: i2i evaluate runs/cyclegan/horse2zebra.

    A word that is no command is a run.
    """


@app.command(_RUN)
def evaluate_run(
    model: Annotated[Path, typer.Argument(help="A run, a checkpoint, a file of weights, an .onnx, or a name.")],
    data: Annotated[
        list[str] | None,
        typer.Argument(help="A known data set, one folder, or two.", show_default="what the run holds out"),
    ] = None,
    metrics: Metrics = None,
    features: Features = "",
    weights: Weights = None,
    lpips_weights: LpipsWeights = None,
    segmenter: SegmenterOption = None,
    labels: LabelMaps = None,
    classes: Classes = None,
    class_map: ClassMap = None,
    segmenter_map: SegmenterMap = None,
    imagenet: ImageNet = False,
    product: Annotated[
        str | None, typer.Option(help="Which generator, for example b_to_a.", show_default="the first")
    ] = None,
    samples: Annotated[int, typer.Option(min=2, max=10**7, help="Images at most.")] = 1000,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Of samples from noise, and of what metrics draw.")
    ] = 0,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the images that are measured.", show_default=False)
    ] = None,
    json: Json = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Measure a run on its held-out images: i2i evaluate runs/cyclegan/horse2zebra --metrics kid.

    Images go through the run's test pipeline. Results are also written to the run's evaluation.json, for i2i report,
    beside other metrics of the same data and settings.
    """
    from i2i import evaluate, registry
    from i2i.cli.progress import ProgressLine, stop_on_signals

    registry.load_plugins(plugins)
    if json is not None:
        check_output(json, ".json", option="--json", overwrite=True)  # what it holds is merged
    names = _split_names(metrics)
    consistency = _open_labels(segmenter, labels, classes, class_map, segmenter_map, imagenet)
    with stop_on_signals() as stop, ProgressLine() as line:
        instruments = _open_instruments(names, features, weights, lpips_weights, consistency, device, seed, line)
        result = evaluate.evaluate_run(
            model,
            data or [],
            names,
            instruments,
            product=product,
            samples=samples,
            keep=keep,
            json=json,
            overwrite=overwrite,
            device=device,
            notify=line.notify,
            stop=stop,
        )
        return stop.exit_code() if result is None else print_result(result, line)


@app.command("folders")
def evaluate_folders(
    generated: Annotated[Path, typer.Argument(help="Folder of the images to measure.")],
    real: Annotated[
        Path | None, typer.Argument(help="Folder of real ones; of the same names: the truth.", show_default=False)
    ] = None,
    source: Annotated[
        Path | None, typer.Option(help="What they were made of, by the same names.", show_default=False)
    ] = None,
    training: Annotated[Path | None, typer.Option(help="Images trained on, for novelty.", show_default=False)] = None,
    metrics: Metrics = None,
    features: Features = "",
    weights: Weights = None,
    lpips_weights: LpipsWeights = None,
    segmenter: SegmenterOption = None,
    labels: LabelMaps = None,
    classes: Classes = None,
    class_map: ClassMap = None,
    segmenter_map: SegmenterMap = None,
    imagenet: ImageNet = False,
    resize: Annotated[bool, typer.Option("--resize", help="Sources and label maps to the images' size.")] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of what metrics draw.")] = 0,
    json: Json = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Measure any folder of images against another: i2i evaluate folders zebras/ testB/ --metrics kid,fid."""
    from i2i import evaluate, registry
    from i2i.cli.progress import ProgressLine

    registry.load_plugins(plugins)
    names = _split_names(metrics)
    folders = evaluate.ImageFolders(generated, real=real, source=source, training=training, resize=resize)
    facts: dict[str, str | int] = {
        "generated": str(generated),
        "data": str(real or ""),
        "listing": evaluate.listing_of_folders([each for each in (generated, real, source, training) if each]),
        "seed": seed,
        "resize": int(resize),
    }
    if json is not None:
        check_output(json, ".json", option="--json", overwrite=True)  # what it holds is merged
        evaluate.check_mergeable(json, facts, overwrite=overwrite)
    consistency = _open_labels(segmenter, labels, classes, class_map, segmenter_map, imagenet)
    with ProgressLine() as line:
        instruments = _open_instruments(names, features, weights, lpips_weights, consistency, device, seed, line)
        result = evaluate.evaluate_folders(folders, names, instruments)
        result.facts = facts
        if json is not None:
            line.notify(evaluate.write_merged(result, json, overwrite=overwrite))
        return print_result(result, line)


app.command("sr")(super_resolution)
app.command("utility")(utility)
app.command("probe")(probe)
app.command("separability")(separability)


def _split_names(metrics: str | None) -> list[str] | None:
    return None if metrics is None else [name.strip().lower() for name in metrics.split(",") if name.strip()]


def _open_labels(
    segmenter: str | None,
    folder: Path | None,
    classes: Path | None,
    class_map: Path | None,
    segmenter_map: Path | None,
    imagenet: bool,
) -> "LabelConsistency | None":
    from i2i.evaluate import open_label_consistency

    return open_label_consistency(
        segmenter, folder, classes=classes, class_map=class_map, segmenter_map=segmenter_map, imagenet=imagenet
    )


def _open_instruments(
    names: list[str] | None,
    features: str,
    weights: Path | None,
    lpips_weights: Path | None,
    labels: "LabelConsistency | None",
    device: str,
    seed: int,
    line: "ProgressLine",
) -> "Instruments":
    from i2i.devices import choose_device
    from i2i.evaluate import open_instruments

    instruments = open_instruments(
        names,
        features=features,
        weights=weights,
        lpips_weights=lpips_weights,
        labels=labels,
        device=str(choose_device(device)),
    )
    instruments.progress, instruments.seed = line.count, seed
    return instruments


def print_result(result: "EvaluationResult", line: "ProgressLine") -> int:
    """Print the result, and return the exit code."""
    for sentence in result.lines():
        line.notify(sentence)
    return 3 if result.failed else 0
