"""Edited images as files: one for each strength, with its latent, and a sheet of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from i2i.latent import latent_file
from i2i.latent.edit import move, pictures
from i2i.latent.invert_files import TUNED
from i2i.latent.latent_file import Latent
from i2i.latent.sampler import Sampler
from i2i.latent.sheet import titled_sheet
from i2i_runtime import images


def find_latents(source: Path) -> tuple[Path, list[Path]]:
    """A folder with the names of the latents in it, relative to it; or the folder of one, with its name. Tuned
    generators beside them are none.
    """
    if source.is_file():
        return source.parent, [Path(source.name)] * (source.suffix == latent_file.SUFFIX)
    found = (file.relative_to(source) for file in source.rglob(f"*{latent_file.SUFFIX}") if source.is_dir())
    return source, sorted(name for name in found if not name.name.endswith(TUNED))


def edit_files(
    sampler: Sampler,
    latents: Iterator[tuple[Path, Latent]],
    folder: Path,
    direction: Tensor,
    strengths: Sequence[float],
    *,
    layers: Sequence[int] = (),
    overwrite: bool = False,
) -> Iterator[tuple[Path, bool]]:
    """Move named latents along a direction (D,) or (layers, D) by each of the strengths, and write the images, the
    latents, and a sheet; yields each name, and whether it was edited now, or had all of these.
    """
    for name, latent in latents:
        *files, sheet = (folder / each for each in results_of(name, strengths))
        is_new = overwrite or not all(file.exists() for file in (*files, sheet))
        if is_new:
            moved = [move(sampler, latent, direction, strength, layers) for strength in strengths]
            edited = pictures(sampler, moved)
            for at, picture in enumerate(edited):
                images.write(files[2 * at], picture)
                latent_file.write(files[2 * at + 1], moved[at])
            images.write(sheet, titled_sheet([f"{strength:+g}" for strength in strengths], [edited]))
        yield name, is_new


def results_of(name: Path, strengths: Sequence[float]) -> list[Path]:
    """Names of the results for a source: image and latent for each strength, and a sheet."""
    moved = [f"{name.stem}{strength:+g}{suffix}" for strength in strengths for suffix in (".png", latent_file.SUFFIX)]
    return [name.with_name(each) for each in (*moved, f"{name.stem}-sheet.png")]
