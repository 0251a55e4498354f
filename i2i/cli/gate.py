"""`i2i gate`."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2i.cli.evaluate import Classes, ClassMap, Features, ImageNet, SegmenterMap, Weights
from i2i.cli.train import Device, Plugins
from i2i_runtime.files import check_output

if TYPE_CHECKING:
    from i2i.evaluate import GateResult
    from i2i.metrics.features import FeatureExtractor


def gate(
    translated: Annotated[Path, typer.Argument(help="Folder of translated frames.")],
    source: Annotated[Path, typer.Option(help="Folder of their sources, by the same names.")],
    labels: Annotated[Path, typer.Option(help="Folder of the sources' label maps, by the same names.")],
    segmenter: Annotated[str, typer.Option(help="Segmenter of real frames: a run, .onnx or file.py:function.")],
    keep: Annotated[Path, typer.Option(metavar="DIR", help="Empty folder for frames that fit their labels.")],
    doubtful: Annotated[Path, typer.Option(metavar="DIR", help="Empty folder for the others.")],
    outlier: Annotated[
        float, typer.Option(min=0.5, max=100, help="Doubtful: so many deviations from the median of all frames.")
    ] = 2.5,
    floor: Annotated[
        float, typer.Option(min=0, max=1, help="Doubtful: a smaller share of pixels with the class of the label map.")
    ] = 0.5,
    real: Annotated[
        Path | None, typer.Option(help="Folder of real frames, for the distance to them.", show_default=False)
    ] = None,
    features: Features = "",
    weights: Weights = None,
    classes: Classes = None,
    class_map: ClassMap = None,
    segmenter_map: SegmenterMap = None,
    imagenet: ImageNet = False,
    resize: Annotated[bool, typer.Option("--resize", help="Sources and label maps to the frames' size.")] = False,
    manifest: Annotated[
        Path | None, typer.Option(help="Write scores and decisions to this .csv.", show_default="KEEP.csv")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Draw the worst frames into this .png.", show_default="DOUBTFUL.png")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace frames of the same names, MANIFEST and SHEET.")
    ] = False,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Put aside translated frames that no longer fit their labels: i2i gate out --source sim --labels sim_labels ...

    A frame is doubtful whose pixel accuracy (by the segmenter), edge F1 (with its source) or, with --real, feature
    distance is an outlier: beyond median - 2.5 MAD of all frames. Frames are linked, or copied; none is deleted.
    """
    from i2i import evaluate, registry
    from i2i.cli.progress import ProgressLine
    from i2i_runtime import images

    registry.load_plugins(plugins)
    manifest = manifest or keep.with_name(f"{keep.resolve().name}.csv")
    sheet = sheet or doubtful.with_name(f"{doubtful.resolve().name}.png")
    evaluate.check_folders(keep, doubtful, [translated, source, labels], overwrite=overwrite)
    check_output(manifest, ".csv", option="--manifest", overwrite=overwrite)
    check_output(sheet, ".png", option="--sheet", overwrite=overwrite)
    consistency = evaluate.open_label_consistency(
        segmenter, labels, classes=classes, class_map=class_map, segmenter_map=segmenter_map, imagenet=imagenet
    )
    assert consistency is not None, "a segmenter and label maps are given"
    with ProgressLine() as line:
        result = evaluate.gate_frames(
            translated,
            source=source,
            labels=consistency,
            real=real,
            extractor=_open_extractor(real, features, weights, device),
            outlier=outlier,
            floor=floor,
            resize=resize,
            progress=line.count("frames scored"),
        )
        images.write(sheet, evaluate.draw_worst(result, source, consistency))
        evaluate.sort_frames(result, keep=keep, doubtful=doubtful, overwrite=overwrite)
        evaluate.write_manifest(result, manifest)
        for sentence in _summary(result, keep, doubtful):
            line.notify(sentence)
        line.notify(f"scores and reasons: {manifest}; the worst: {sheet}")
    return 3 if result.failed else 0


def _open_extractor(real: Path | None, features: str, weights: Path | None, device: str) -> "FeatureExtractor | None":
    """The feature extractor for the distance to real frames. Raises ValueError for features without these."""
    from i2i.devices import choose_device
    from i2i.metrics.features import open_extractor

    if real is None:
        if features or weights:
            raise ValueError("--features and --weights are for the distance to real frames; give --real DIR")
        return None
    return open_extractor(features or "inception", weights, str(choose_device(device)))


def _summary(result: "GateResult", keep: Path, doubtful: Path) -> list[str]:
    """Counts of frames by decision and reason, and the files that failed."""
    kept = sum(frame.is_kept for frame in result.frames)
    reasons = Counter(reason.rsplit(" ", 3)[0] for frame in result.frames for reason in frame.reasons)
    counted = ", ".join(f"{count} by {reason}" for reason, count in reasons.items())
    lines = [f"{bound.score}: doubtful {bound.side} {bound.limit:.3f}" for bound in result.bounds]
    lines += [f"{kept} of {len(result.frames)} frames kept in {keep}, {len(result.frames) - kept} in {doubtful}"]
    lines[-1] += f" ({counted})" * bool(counted)
    if 2 * kept < len(result.frames):
        lines.append(
            "most frames are doubtful: the segmenter may not know such images (i2i evaluate folders measures it on "
            "real ones), or lower --floor"
        )
    return lines + [f"failed: {sentence}" for sentence in result.failed]
