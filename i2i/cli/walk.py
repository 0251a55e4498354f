"""`i2i walk`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2i.cli.latents import latents_of
from i2i.cli.sample import Model, Truncation
from i2i.cli.train import Device, Plugins
from i2i_runtime.files import check_output

if TYPE_CHECKING:
    from i2i.latent.latent_file import Latent
    from i2i.latent.sampler import Sampler

_FILM_FRAMES, _SHEET_FRAMES = 60, 10
_FILMS = (".mp4", ".mkv", ".mov")


def walk(
    model: Model,
    out: Annotated[Path, typer.Argument(help="A film (.mp4, .mkv, .mov), or a sheet of its frames (.png).")],
    start: Annotated[
        str | None, typer.Option("--from", metavar="SEED|FILE", help="Seed or latent to begin at.", show_default=False)
    ] = None,
    to: Annotated[
        list[str],
        typer.Option(metavar="SEED|FILE", help="Where to go; repeated, the walk goes on: --from 3 --to 9 --to 3."),
    ] = [],  # noqa: B006
    frames: Annotated[
        int | None,
        typer.Option(
            min=2, max=10**6, help="From one seed to the next, with both.", show_default="60, or 10 on a sheet"
        ),
    ] = None,
    rate: Annotated[int, typer.Option(min=1, max=1000, help="Frames per second.")] = 30,
    add: Annotated[
        list[str], typer.Option(metavar="SEEDS", help="Arithmetic: a seed, or the mean of several (1,4,5). Repeatable.")
    ] = [],  # noqa: B006
    subtract: Annotated[list[str], typer.Option(metavar="SEEDS", help="As --add, with the other sign.")] = [],  # noqa: B006
    labels: Annotated[
        str | None,
        typer.Option("--class", metavar="A,B", help="Class of all, or of each seed.", show_default="the seeds'"),
    ] = None,
    truncation: Truncation = 1.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
    device: Device = "auto",
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Interpolate between samples: i2i walk runs/dcgan/faces/latest faces.mp4 --from 3 --to 9.

    Or add and subtract their latents, on one sheet: i2i walk RUN faces.png --add 1,4,5 --subtract 2,7,8 --add 3,6,9.
    Seeds are those of i2i sample, files of latents those of i2i invert and edit.
    """
    from i2i import registry
    from i2i.cli.progress import ProgressLine
    from i2i.latent import sampler as sampling
    from i2i.latent.film import check_can_film

    registry.load_plugins(plugins)
    film = out.suffix.lower() in _FILMS
    _check(out, film, start, to, [*add, *subtract])
    check_output(out, ".png", *_FILMS, overwrite=overwrite)
    if film:
        check_can_film()
    with ProgressLine() as line:
        sampler = sampling.load(model, device=device)
        classes = _parse_numbers(labels, "--class") if labels else []
        if start is None:
            _arithmetic(sampler, out, add, subtract, classes, truncation)
        else:
            stops = latents_of(sampler, [start, *to], _labels_of(1 + len(to), classes), truncation=truncation)
            _walk(sampler, out, stops, frames or (_FILM_FRAMES if film else _SHEET_FRAMES), rate if film else None)
        line.notify(f"{out} (on {sampler.device})")


def _check(out: Path, film: bool, start: str | None, to: list[str], terms: list[str]) -> None:
    if terms and (start is not None or to):
        raise ValueError("--from and --to are a walk, --add and --subtract are arithmetic; choose one of both")
    if terms and film:
        raise ValueError(f"{out}: arithmetic gives a sheet; name a .png")
    if not terms and (start is None or not to):
        raise ValueError(
            "name two seeds or more, for example: --from 3 --to 9; or add some: --add 1 --subtract 2 --add 3"
        )


def _parse_numbers(words: str, option: str) -> list[int]:
    if not all(word.isdecimal() for word in words.split(",")):
        raise ValueError(f"{option} {words}: allowed: whole numbers from 0, with commas between, such as 1,4,5")
    return [int(word) for word in words.split(",")]


def _labels_of(stops: int, classes: list[int]) -> "list[int | None]":
    """The label of each stop of a walk, from one class for all, one for each, or none."""
    if not classes:
        return [None] * stops
    if len(classes) not in (1, stops):
        raise ValueError(
            f"--class names {len(classes)} classes for {stops} stops; allowed: one for all, or one for each"
        )
    return [*classes] if len(classes) == stops else [*classes] * stops


def _walk(sampler: "Sampler", out: Path, stops: "list[Latent]", frames: int, rate: int | None) -> None:
    """Write a film at a `rate`, or without one a sheet."""
    import numpy as np

    from i2i.latent.film import write_film
    from i2i.latent.sampler import grid
    from i2i.latent.walk import walk_between
    from i2i_runtime import images

    pictures = walk_between(sampler, stops, frames=frames)
    if rate is not None:
        write_film(out, pictures, rate=rate)
    else:
        sheet = np.stack(list(pictures))
        images.write(out, grid(sheet, columns=min(len(sheet), _SHEET_FRAMES)))


def _arithmetic(
    sampler: "Sampler", out: Path, add: list[str], subtract: list[str], classes: list[int], truncation: float
) -> None:
    import torch

    from i2i.latent.walk import combine
    from i2i.networks.value_range import ValueRange
    from i2i.training.sheet import draw_sheet
    from i2i_runtime import images

    if len(classes) > 1:
        raise ValueError(f"--class names {len(classes)} classes; arithmetic is within one")
    plus, minus = (
        [_parse_numbers(words, option) for words in given]
        for option, given in (("--add", add), ("--subtract", subtract))
    )
    terms, result = combine(sampler, plus, minus, classes[0] if classes else None, truncation=truncation)
    letters = [chr(ord("a") + at) for at in range(len(terms))]
    titles = [f"{letter}: {words}" for letter, words in zip(letters, [*add, *subtract], strict=True)]
    titles.append(" + ".join(letters[: len(add)]) + "".join(f" - {letter}" for letter in letters[len(add) :]))
    row = {
        title: torch.from_numpy(picture).permute(2, 0, 1)[None]
        for title, picture in zip(titles, [*terms, result], strict=True)
    }
    images.write(out, draw_sheet([row], ValueRange(0, 255)))
