"""`i2i invert`."""

import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from i2i.cli.sample import Batch, Model
from i2i.cli.train import Device, Plugins

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from i2i.cli.progress import ProgressLine, StopSignal
    from i2i.latent.distances import Distance
    from i2i.latent.invert import Inversion
    from i2i.latent.invert_files import Tune
    from i2i.latent.sampler import Sampler
    from i2i.networks.generators.base import LatentGenerator

# As in i2i.latent.space, which imports torch.
Space = Literal["z", "w", "w+"]
Source = Annotated[Path, typer.Argument(help="Folder of images (or one image).")]
Steps = Annotated[int, typer.Option(min=1, max=10**6, help="Steps of the optimiser.")]
Restarts = Annotated[
    int, typer.Option(min=1, max=256, help="Starting points for each image, of which the best counts.")
]
SpaceOption = Annotated[
    Space,
    typer.Option(help="z, the noise; w, mapped latents: closer, less typical; w+, one w for each layer: closest."),
]
Likeliest = Annotated[
    int | None,
    typer.Option("--class", min=0, max=10**6, help="Number of the images' class.", show_default="the likeliest"),
]


def invert(
    model: Model,
    source: Source,
    out: Annotated[Path, typer.Argument(help="Folder for reconstructions and latents.")],
    space: SpaceOption = "z",
    steps: Steps = 300,
    restarts: Restarts = 4,
    noise: Annotated[
        bool, typer.Option(help="Find the generator's noise maps, too, where it has any: with w and w+.")
    ] = True,
    w_weight: Annotated[
        float, typer.Option(min=0, max=1e6, help="Weight of what keeps w+ near the mean w, and its layers alike.")
    ] = 1e-3,
    tune: Annotated[
        int, typer.Option(min=0, max=10**6, help="Steps of pivotal tuning, a generator for each image; 0: none.")
    ] = 0,
    label: Likeliest = None,
    vgg: Annotated[
        Path | None,
        typer.Option(
            help="torchvision's VGG19, for a distance in its features.", show_default="if in torchvision's cache"
        ),
    ] = None,
    vgg_weight: Annotated[
        float, typer.Option(min=0, max=1e6, help="Weight of VGG19 beside pixels; 0: only pixels.")
    ] = 0.01,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the starting points.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Invert again images that were.")] = False,
    batch: Batch = 8,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> int:
    """Find the latents of images: i2i invert runs/dcgan/faces/latest photo.png inverted/.

    photo.png gives photo.safetensors, the latent; photo.png, its image; photo-beside.png, both images side by side; and
    with --tune photo-tuned.safetensors, weights that give the photo for its latent. Images are prepared as in training:
    the shorter side resized, the middle cropped. i2i edit and walk take the latents.
    """
    from i2i import registry
    from i2i.checkpoints.card import checksum
    from i2i.checkpoints.load import load_latent
    from i2i.cli.progress import ProgressLine, stop_on_signals
    from i2i.devices import choose_device
    from i2i.latent import sampler as sampling
    from i2i.latent.invert_files import check_apart, find_images, invert_files, results_of
    from i2i_runtime.folder.samples import claim

    registry.load_plugins(plugins)
    check_apart(source, out)
    failed: list[str] = []
    levels: list[float] = []
    with stop_on_signals() as stop, ProgressLine() as line:
        generator, origin = load_latent(model)
        sampler = sampling.Sampler(generator, device=choose_device(device))
        sampling.check_label(generator, label)
        root, names = find_images(source)
        distance, by = distance_of(generator, vgg, vgg_weight)
        options: dict[str, Any] = {"space": space, "steps": steps, "restarts": restarts, "label": label}
        if space != "z":
            options |= {"noise": noise and bool(generator.noise_maps()), "w_weight": w_weight}
        facts = {
            "weights": checksum(generator),
            "distance": by,
            "seed": seed,
            **options,
            **({"tune": tune} if tune else {}),
        }
        claim(out, [file for name in names for file in results_of(name)], facts, overwrite=overwrite)
        missing = [name for name in names if overwrite or not (out / name.with_suffix(".safetensors")).exists()]
        line.notify(f"nearest by {by}, on {sampler.device}")
        progress = count_steps(line, stop, math.ceil(len(missing) / batch))
        find = finder(sampler, seed, distance=distance, progress=progress, **options)
        tuner = _tuner(sampler, tune, seed, distance, count_steps(line, stop, len(missing))) if tune else None
        with suppress(Stopped):
            for done in invert_files(
                generator, find, root, missing, out, space=space, batch=batch, failed=failed, tune=tuner, facts=origin
            ):
                for name, level in done:
                    line.notify(f"{name}: {level:.1f} dB")
                    levels.append(level)
        mean = f", {sum(levels) / len(levels):.1f} dB on average" if levels else ""
        line.notify(f"{out}: {len(levels)} inverted{mean}, {len(names) - len(missing)} there already")
        notify_failed(line, failed)
    return stop.exit_code(3 if failed else 0)


def finder(sampler: "Sampler", seed: int, **options: Any) -> "Callable[[Tensor], Inversion]":
    """`invert` with these options and the same candidates at every call."""
    import torch

    from i2i.latent.invert import invert as latents_of

    return lambda images: latents_of(
        sampler.generator, images.to(sampler.device), random=torch.Generator().manual_seed(seed), **options
    )


def _tuner(
    sampler: "Sampler", steps: int, seed: int, distance: "Distance", progress: "Callable[[int, int], None]"
) -> "Tune":
    """`tune` with these options and the same points at every call."""
    import torch

    from i2i.latent.tune import tune

    return lambda latent, image: tune(
        sampler.generator,
        latent,
        image.to(sampler.device),
        distance=distance,
        steps=steps,
        random=torch.Generator().manual_seed(seed),
        progress=progress,
    )


class Stopped(Exception):
    """The command was stopped during an inversion."""


def count_steps(line: "ProgressLine", stop: "StopSignal", batches: int) -> "Callable[[int, int], None]":
    """A callback (steps done, steps) for as many inversions as there are `batches`, which shows the progress over all
    of them and raises Stopped on a signal.
    """
    show, finished = line.count("steps"), 0

    def progress(step: int, steps: int) -> None:
        nonlocal finished
        if stop():
            raise Stopped
        show(finished * steps + step, batches * steps)
        finished += step == steps

    return progress


def notify_failed(line: "ProgressLine", failed: list[str]) -> None:
    """Print one line for each image that could not be read."""
    if failed:
        line.notify("\n".join([f"{len(failed)} failed:", *(f"  {sentence}" for sentence in failed)]))


def distance_of(generator: "LatentGenerator", vgg: Path | None, weight: float) -> tuple["Distance", str]:
    """The distance to minimise, and its name, which the folder's note keeps."""
    from i2i.latent.distances import VGG_MIN_SIZE, pixel_distance, vgg_distance, weighted

    pixels = pixel_distance(generator.value_range)
    if not weight or generator.size < VGG_MIN_SIZE:
        return pixels, "pixels alone"
    features = vgg_distance(generator.value_range, vgg)
    if features is None:
        return pixels, "pixels alone (also by features with torchvision's VGG19: --vgg FILE)"
    return weighted((1.0, pixels), (weight, features)), f"pixels and features of VGG19 (weight {weight:g})"
