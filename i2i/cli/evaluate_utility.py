"""Command `i2i evaluate utility`: measures what translated frames teach a segmenter of real ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2i.cli.train import Device
from i2i_runtime.files import check_output

if TYPE_CHECKING:
    from i2i.evaluate import LabelledFolder


def utility(
    source: Annotated[Path, typer.Option(help="Folder of the source frames.")],
    labels: Annotated[Path, typer.Option(help="Folder of their label maps, by the same names.")],
    real: Annotated[Path, typer.Option(help="Folder of real frames to test on.")],
    real_labels: Annotated[Path, typer.Option(help="Folder of the label maps of --real.")],
    translated: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="<path>", help="Folder of their translations, by the same names; repeatable.", show_default=False
        ),
    ] = None,
    real_train: Annotated[
        Path | None, typer.Option(help="Folder of other real frames to train on, the upper bound.", show_default=False)
    ] = None,
    real_train_labels: Annotated[
        Path | None, typer.Option(help="Folder of the label maps of --real-train.", show_default=False)
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Trainings on each set of frames.")] = 3,
    steps: Annotated[int, typer.Option(min=1, max=10**6, help="Steps of each training, of 8 frames.")] = 300,
    train_on: Annotated[
        str, typer.Option(metavar="SET,...", help="Train on source, translated, both, real.", show_default="all")
    ] = "source,translated,both,real",
    size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="Pixels of all frames.", show_default="128 wide, in the shape of --real"),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(help="Names of the classes, one a line.", show_default="classes.txt at the maps, or numbers"),
    ] = None,
    class_map: Annotated[
        Path | None,
        typer.Option(help="What label maps mean (.json, .toml, .csv).", show_default="classes by number"),
    ] = None,
    real_class_map: Annotated[
        Path | None, typer.Option(help="What the real label maps mean.", show_default="--class-map")
    ] = None,
    merge: Annotated[str, typer.Option(metavar="A+B,...", help="Classes that count as one.", show_default="none")] = "",
    ignore_classes: Annotated[
        str, typer.Option(metavar="A,B,...", help="Classes that do not count.", show_default="none")
    ] = "",
    json: Annotated[
        Path | None, typer.Option("--json", help="Write all of it to this file.", show_default=False)
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Keep it in this run's folder, too, for i2i report.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --json, and the run's.")] = False,
    device: Device = "auto",
) -> int:
    """Train a small segmenter on source frames, on translated ones, on both, and test each on real frames.

    i2i evaluate utility --source sim --labels sim_labels --translated out --real real --real-labels real_labels. With
    real frames to train on also the upper bound, and whether their segmenter recognises the translations.
    """
    from i2i.cli.progress import ProgressLine, stop_on_signals
    from i2i.devices import choose_device
    from i2i.evaluate import LabelledFolder, evaluate_utility, open_utility_frames, write_utility

    outputs = _outputs(json, run, overwrite)
    real_map = real_class_map or class_map
    with stop_on_signals() as stop, ProgressLine() as line:
        frames = open_utility_frames(
            LabelledFolder(source, labels, class_map),
            _by_name(translated or []),
            LabelledFolder(real, real_labels, real_map),
            _training_folder(real_train, real_train_labels, real_map),
            classes=classes,
            merge=_split(merge),
            ignore=_split(ignore_classes),
            size=_size(size),
            progress=line.count("frames read"),
        )
        for sentence in frames.left_out:
            line.notify(f"left out: {sentence}")
        result = evaluate_utility(
            frames,
            steps=steps,
            seeds=seeds,
            train_on=_split(train_on),
            device=choose_device(device),
            progress=line.count("training steps"),
            notify=line.notify,
            stop=stop,
        )
        for sentence in result.lines():
            line.notify(sentence)
        for file in outputs if result.rows else ():
            write_utility(result, file)
            line.notify(f"written to {file}")
    return stop.exit_code(3 if frames.left_out else 0)


def _training_folder(frames: Path | None, labels: Path | None, class_map: Path | None) -> "LabelledFolder | None":
    """The real frames to train on. Raises ValueError for frames without label maps, or the reverse."""
    from i2i.evaluate import LabelledFolder

    if (frames is None) != (labels is None):
        raise ValueError("--real-train and --real-train-labels go with one another; give both or neither")
    return LabelledFolder(frames, labels, class_map) if frames and labels else None


def _outputs(json: Path | None, run: Path | None, overwrite: bool) -> list[Path]:
    """The files to write. Raises ValueError for a run that is none, and as `check_output`."""
    from i2i.evaluate.utility import UTILITY_FILE
    from i2i.recipe import RECIPE

    if run is not None and not (run / RECIPE).is_file():
        raise ValueError(f"--run {run}: no run, whose folder has a {RECIPE}")
    if json is not None:
        check_output(json, ".json", option="--json", overwrite=overwrite)
    if run is not None:
        check_output(run / UTILITY_FILE, ".json", option="--run", overwrite=overwrite)
    return [*([json] if json else []), *([run / UTILITY_FILE] if run else [])]


def _by_name(folders: list[Path]) -> dict[str, Path]:
    """Translations by the names of their folders; one alone is `translated`. Raises ValueError for two of one name."""
    if len(folders) == 1:
        return {"translated": folders[0]}
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names) or set(names) & {"source", "real"}:
        names = [str(folder) for folder in folders]
    if len(set(names)) < len(names):
        raise ValueError("--translated: the same folder twice; name each once")
    return dict(zip(names, folders, strict=True))


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and 16 <= int(width) <= 8192 and 16 <= int(height) <= 8192):
        raise ValueError(f"--size {text}: allowed: width and height in pixels from 16 to 8192, such as 128x96")
    return int(width), int(height)
