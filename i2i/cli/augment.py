"""`i2i augment`."""

import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2i.cli.sample import Batch, Model, Truncation
from i2i.cli.train import Device, Plugins

if TYPE_CHECKING:
    from torch import Tensor

    from i2i.metrics.features import FeatureExtractor, FolderFeatures
    from i2i.networks.generators.base import LatentGenerator


def augment(
    model: Model,
    real: Annotated[Path, typer.Argument(help="Folder of the real images of one class.")],
    out: Annotated[Path, typer.Argument(help="Folder for the samples that are kept, and a manifest of all.")],
    number: Annotated[int, typer.Option("--n", min=1, max=10**7, help="How many to keep.")] = 1000,
    label: Annotated[
        int | None,
        typer.Option("--class", min=0, max=10**6, help="Number of the class.", show_default="by the folder's name"),
    ] = None,
    others: Annotated[
        Path | None,
        typer.Option(help="Folder of all classes, one folder each: samples nearer to the mean of another are refused."),
    ] = None,
    neighbours: Annotated[
        int, typer.Option(min=1, max=1000, help="Samples must lie as near to a real image as this neighbour of it.")
    ] = 3,
    copy: Annotated[
        float,
        typer.Option(min=0, max=100, help="A copy is nearer than this part of the distance between real images."),
    ] = 0.5,
    spread: Annotated[
        float, typer.Option(min=1, max=1e6, help="Most samples nearest to one real image, in times of an even share.")
    ] = 2.0,
    features: Annotated[
        str, typer.Option(help="inception, dinov2_vits14, squeezenet1_1, ...", show_default="the run's discriminator")
    ] = "",
    weights: Annotated[Path | None, typer.Option(help="Of --features.", show_default="published ones")] = None,
    tries: Annotated[int, typer.Option(min=1, max=10**4, help="Samples drawn at most, for each to keep.")] = 20,
    seed: Annotated[int, typer.Option(min=0, max=2**62, help="Seed of the first sample.")] = 0,
    truncation: Truncation = 1.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin anew.")] = False,
    batch: Batch = 16,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Fill a class with samples that pass a gate: i2i augment runs/dcgan/digits/latest digits/8 more/8 --n 1000.

    Kept are samples within the manifold of the class's real images, in feature space, that copy none of them, and not
    too many near the same one. The manifest has every sample with its verdict. The command goes on where it was
    stopped.
    """
    from functools import partial

    from i2i import registry
    from i2i.checkpoints.card import checksum
    from i2i.checkpoints.load import load_latent
    from i2i.cli.progress import ProgressLine, stop_on_signals
    from i2i.devices import choose_device
    from i2i.latent.augment import MANIFEST, clear, read_manifest
    from i2i.latent.augment import augment as fill
    from i2i.latent.invert_files import check_apart
    from i2i.latent.sampler import Sampler
    from i2i.metrics.features import features_of_folder
    from i2i.metrics.sample_gate import Verdict, judge
    from i2i_runtime.folder.samples import claim

    registry.load_plugins(plugins)
    for folder in filter(None, (real, others)):
        check_apart(folder, out)
    with stop_on_signals() as stop, ProgressLine() as line:
        generator, origin = load_latent(model)
        label = _label_of(real, label, generator, origin)
        sampler = Sampler(generator, device=choose_device(device))
        extractor = _extractor(model, generator, label, features, weights, str(sampler.device))
        found = features_of_folder(extractor, real)
        strangers = _by_class(features_of_folder(extractor, others), others, real) if others else []
        gate = partial(judge, real=found.features, others=strangers, neighbours=neighbours, copy=copy)
        facts: dict[str, Any] = {
            "weights": checksum(generator),
            "features": extractor.checksum,
            "real": [*map(str, found.files)],
        }
        facts |= {"label": label, "truncation": truncation, "seed": seed, "neighbours": neighbours, "copy": copy}
        facts |= {"spread": spread, "others": str(others)}
        claim(out, [Path(MANIFEST)], facts, overwrite=overwrite)
        if overwrite:
            clear(out)
        count = line.count("samples kept")
        options: dict[str, Any] = {"number": number, "most": tries * number, "spread": spread, "seed": seed}
        for rows in fill(
            sampler, extractor, gate, out, found.files, label=label, truncation=truncation, batch=batch, **options
        ):
            count(sum(row.verdict is Verdict.KEPT for row in rows), number)
            if stop():
                break
        verdicts = Counter(str(row.verdict) for row in read_manifest(out))
        listed = ", ".join(f"{verdicts[verdict]:,} {verdict}" for verdict in Verdict)
        line.notify(f"{out}: {listed}, of {verdicts.total():,} samples")
        is_short = not stop() and verdicts[Verdict.KEPT] < number
        if is_short:
            line.notify(
                f"--tries {tries} are used up; train longer, or use more --neighbours, --spread, --tries, less --copy"
            )
    return stop.exit_code(3 if is_short else 0)


def _label_of(real: Path, label: int | None, generator: "LatentGenerator", facts: Mapping[str, str]) -> int | None:
    """The class to generate: as given, or that of the recipe's class with the folder's name. Raises ValueError."""
    from i2i.latent.sampler import check_label

    if label is None and generator.classes:
        names = tomllib.loads(facts.get("recipe", "")).get("data", {}).get("classes", [])
        if real.resolve().name not in names:
            raise ValueError(
                f"{real}: a name of none of the generator's classes; choose from: --class 0 to {generator.classes - 1}"
            )
        return int(names.index(real.resolve().name))
    check_label(generator, label)
    return label


def _extractor(
    model: Path, generator: "LatentGenerator", label: int | None, features: str, weights: Path | None, device: str
) -> "FeatureExtractor":
    """The extractor named, or the discriminator of the run. Raises ValueError where there is none."""
    from i2i.checkpoints import run as checkpoint
    from i2i.latent.anomaly import load_discriminator
    from i2i.latent.discriminator_features import LastFeatures
    from i2i.metrics.features import open_extractor

    if features or weights:
        return open_extractor(features or "inception", weights, device)
    if checkpoint.follow(model).is_file():
        raise ValueError(f"{model}: holds only a generator; name the run, whose discriminator judges, or --features")
    return LastFeatures(
        load_discriminator(model), size=generator.size, value_range=generator.value_range, label=label, device=device
    )


def _by_class(found: "FolderFeatures", folder: Path, real: Path) -> "list[Tensor]":
    """The features of each class of a folder, without that of the real images."""
    rows: dict[str, list[int]] = {}
    for at, name in enumerate(found.files):
        if real.resolve() not in (folder / name).resolve().parents:
            rows.setdefault(name.parts[0] if len(name.parts) > 1 else "", []).append(at)
    return [found.features[chosen] for chosen in rows.values()]
