"""Inversion of image files, with reconstructions and latents as files."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from i2i.checkpoints.load import save_generator
from i2i.data.geometry import fit_square
from i2i.data.reading import FieldFormat, read_image, to_tensor
from i2i.latent import latent_file
from i2i.latent.invert import Inversion
from i2i.latent.latent_file import Latent
from i2i.latent.space import Space, synthesise
from i2i.metrics.psnr import psnr
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.value_range import ValueRange
from i2i_runtime import images
from i2i_runtime.images import SUFFIXES, list_images

TUNED = "-tuned.safetensors"  # end of the name of a tuned generator's weights


def find_images(source: Path) -> tuple[Path, list[Path]]:
    """A folder with the names of its images, relative to it; or the folder of one image, with its name.

    Raises ValueError where there are none, or two whose names differ only in the suffix.
    """
    if source.is_file():
        return source.parent, [Path(source.name)]
    if not source.exists():
        raise ValueError(f"{source}: no such file or folder")
    names = list_images(source)
    if not names:
        raise ValueError(f"{source}: no images in it; known suffixes: {' '.join(SUFFIXES)}")
    twice = [stem for stem, count in Counter(name.with_suffix("") for name in names).items() if count > 1]
    if twice:
        raise ValueError(f"{source}: two images are called {twice[0]}; keep one")
    return source, names


def check_apart(source: Path, folder: Path) -> None:
    """Raises ValueError where results in `folder` would replace images of `source`, or be read as such."""
    source, folder = source.resolve(), folder.resolve()
    if folder == (source.parent if source.is_file() else source) or source in folder.parents:
        raise ValueError(f"{folder}: lies among the images themselves; name a folder of its own")


def read_batches(
    generator: LatentGenerator, root: Path, names: Sequence[Path], *, batch: int, failed: list[str]
) -> Iterator[tuple[list[Path], Tensor]]:
    """Names with their images (N, C, size, size), `batch` at a time, as read by `read_for`. Files that can't be read
    are left out, and the reason added to `failed`.
    """
    for begin in range(0, len(names), batch):
        read = {}
        for name in names[begin : begin + batch]:
            try:
                read[name] = read_for(generator, root / name)
            except ValueError as error:
                failed.append(str(error))
        if read:
            yield list(read), torch.stack(list(read.values()))


def read_for(generator: LatentGenerator, file: Path) -> Tensor:
    """Read an image in the generator's format, (C, size, size) in its range: the shorter side resized, the middle
    cropped, as in training. Raises ValueError for a file that can't be read.
    """
    image = read_image(file, FieldFormat(generator.out_channels))
    return to_tensor(fit_square(image, generator.size), generator.value_range)


# The generator tuned to give an image, (C, size, size), for its latent
Tune = Callable[[Latent, Tensor], LatentGenerator]


def invert_files(
    generator: LatentGenerator,
    find: Callable[[Tensor], Inversion],
    root: Path,
    names: Sequence[Path],
    folder: Path,
    *,
    space: Space,
    batch: int,
    failed: list[str],
    tune: Tune | None = None,
    facts: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[list[tuple[Path, float]]]:
    """Invert images under `root` by `find`, `batch` at a time, and save the results; yields the names of a batch with
    the PSNR of the reconstructions in dB. Files that can't be read are left out, and the reason added to `failed`.

    With `tune` the reconstruction is that of a generator for each image, which is saved with `facts`.
    """
    value_range = ValueRange(*generator.value_range)
    for some, targets in read_batches(generator, root, names, batch=batch, failed=failed):
        found = find(targets)
        if tune:
            for at, name in enumerate(some):
                latent = latent_of(found, at, space)
                tuned = tune(latent, targets[at])
                save_generator(folder / tuned_of(name), tuned, facts)
                found.images[at] = _image(tuned, latent)
        save(folder, some, targets, found, space=space, value_range=value_range)
        fakes, reals = (value_range.to_unit(each.cpu()).clamp(0, 1) for each in (found.images, targets))
        yield list(zip(some, psnr(fakes, reals).tolist(), strict=True))


def _image(generator: LatentGenerator, latent: Latent) -> Tensor:
    w, labels, noise = latent_file.stack(generator, [latent])
    with torch.no_grad():
        return synthesise(generator, w, torch.tensor(labels, device=w.device) if labels else None, noise)[0]


def tuned_of(name: Path) -> Path:
    """Name of the weights file of a generator that is tuned to an image."""
    return name.with_name(f"{name.stem}{TUNED}")


def results_of(name: Path) -> tuple[Path, Path, Path]:
    """Names of the results of an image: its reconstruction, that beside the original, and its latent."""
    return (
        name.with_suffix(".png"),
        name.with_name(f"{name.stem}-beside.png"),
        name.with_suffix(".safetensors"),
    )


def save(
    folder: Path,
    names: Sequence[Path],
    targets: Tensor,
    found: Inversion,
    *,
    space: Space,
    value_range: ValueRange,
) -> None:
    """Save each reconstruction as `NAME.png`, beside the original as `NAME-beside.png`, and last the latent as
    `NAME.safetensors`. Each file is written atomically.
    """
    reals, fakes = (value_range.to_pixels(each) for each in (targets, found.images))
    for at, name in enumerate(names):
        reconstruction, beside, latent = (folder / each for each in results_of(name))
        reconstruction.parent.mkdir(parents=True, exist_ok=True)
        images.write(reconstruction, fakes[at])
        images.write(beside, np.hstack([reals[at], fakes[at]]))
        latent_file.write(latent, latent_of(found, at, space))


def latent_of(found: Inversion, at: int, space: Space) -> Latent:
    """The latent of one of the inverted images."""
    label = None if found.labels is None else int(found.labels[at])
    return Latent(space, found.latents[at], label, {name: level[at] for name, level in found.noise.items()})
