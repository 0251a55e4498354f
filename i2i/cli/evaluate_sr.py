"""Command `i2i evaluate sr`: measures upscalers by the conventions of papers."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from i2i.cli.train import Device, Plugins
from i2i_runtime.files import check_output, write_atomically

if TYPE_CHECKING:
    from i2i.evaluate import UpscalingEvaluation, UpscalingScore

# As in i2i.evaluate, which imports torch.
Channel = Literal["y", "rgb", "both"]


def super_resolution(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Runs, checkpoints, .safetensors, .pth, names; none: bicubic alone.", show_default=False),
    ] = None,
    *,
    data: Annotated[Path, typer.Option(help="Folder of the high-resolution images.")],
    scale: Annotated[
        int | None, typer.Option(min=1, max=256, help="How many times larger.", show_default="the models'")
    ] = None,
    low: Annotated[
        Path | None, typer.Option(help="Folder of low-resolution images of the same names.", show_default="bicubic")
    ] = None,
    channel: Annotated[Channel, typer.Option(help="Measure on y (luma), rgb or both.")] = "both",
    border: Annotated[
        int | None, typer.Option(min=0, max=2**15, help="Pixels left out at each side.", show_default="the scale")
    ] = None,
    lpips: Annotated[bool, typer.Option("--lpips", help="LPIPS too, on AlexNet; see --lpips-weights.")] = False,
    lpips_weights: Annotated[
        Path | None,
        typer.Option(help="LPIPS on torchvision's AlexNet, VGG16 or SqueezeNet 1.1 in this file.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write what was measured to this .csv.", show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """PSNR and SSIM of upscalers, as papers count: i2i evaluate sr runs/esrgan/photos/latest --data Set5."""
    from i2i import inference, registry
    from i2i.cli.progress import ProgressLine, stop_on_signals
    from i2i.devices import choose_device
    from i2i.evaluate import BASELINE, common_scale, evaluate_upscaling, find_examples
    from i2i.metrics.lpips import Lpips

    registry.load_plugins(plugins)
    if out is not None:
        check_output(out, ".csv", option="--out", overwrite=overwrite)
    translators = {model: inference.load(model, device=device) for model in models or []}
    factor = common_scale({model: translator.card.scale for model, translator in translators.items()}, scale)
    examples = find_examples(data, low, scale=factor)
    distance = Lpips(lpips_weights, device=choose_device(device)) if lpips or lpips_weights else None
    with stop_on_signals() as stop, ProgressLine() as line:
        evaluation = evaluate_upscaling(
            translators,
            examples,
            scale=factor,
            channel=channel,
            border=border,
            lpips=distance,
            progress=line.count("images"),
            stop=stop,
        )
    origin = f"given by {low}" if low else "made by bicubic with antialiasing"
    left_out = factor if border is None else border
    print(f"x{factor}, low-resolution images {origin}, results rounded to 8 bit, {left_out} pixels of border left out")
    _print_evaluation(evaluation, [BASELINE, *translators], out)
    if stop():
        print(f"stopped after {len(evaluation.scores) // (1 + len(translators))} of {len(examples)} images")
        return stop.exit_code()
    return 3 if evaluation.failed else 0


def _print_evaluation(evaluation: "UpscalingEvaluation", models: Sequence[str], out: Path | None) -> None:
    print("\n".join(_table(evaluation, models)))
    if out is not None:
        _write_csv(out, evaluation.scores)
        print(f"written to {out}")
    if evaluation.failed:
        print("\n".join([f"{len(evaluation.failed)} failed:", *(f"  {sentence}" for _, sentence in evaluation.failed)]))


def _table(evaluation: "UpscalingEvaluation", models: Sequence[str]) -> list[str]:
    """Scores image by image, then the means, in aligned columns."""
    if not evaluation.scores:
        return ["nothing was measured"]
    measures = list(evaluation.scores[0].measures)
    rows = [["image", "model", *measures]]
    rows += [[str(score.image), score.model, *_format(score.measures)] for score in evaluation.scores]
    rows += [["mean", model, *_format(evaluation.mean(model))] for model in models]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            f"{cell:<{width}}" if column < 2 else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _format(measures: dict[str, float]) -> list[str]:
    # As in papers: two decimals for decibels, four for SSIM and LPIPS.
    return [f"{value:.{2 if name.startswith('PSNR') else 4}f}" for name, value in measures.items()]


def _write_csv(out: Path, scores: Sequence["UpscalingScore"]) -> None:
    """Write a row of full-precision measures for each image and model, atomically."""
    with write_atomically(out) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "model", *(scores[0].measures if scores else ())])
        writer.writerows([score.image.as_posix(), score.model, *score.measures.values()] for score in scores)
