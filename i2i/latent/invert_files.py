"""Inversion of image files, with reconstructions and latents as files."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from i2i.data.geometry import fit_square
from i2i.data.reading import FieldFormat, read_image, to_tensor
from i2i.latent.invert import Inversion, Space
from i2i.metrics.psnr import psnr
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.value_range import ValueRange
from i2i_runtime import images
from i2i_runtime.files import write_atomically
from i2i_runtime.images import SUFFIXES, list_images


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
) -> Iterator[list[tuple[Path, float]]]:
    """Invert images under `root` by `find`, `batch` at a time, and save the results; yields the names of a batch with
    the PSNR of the reconstructions in dB. Files that can't be read are left out, and the reason added to `failed`.
    """
    value_range = ValueRange(*generator.value_range)
    for some, targets in read_batches(generator, root, names, batch=batch, failed=failed):
        found = find(targets)
        save(folder, some, targets, found, space=space, value_range=value_range)
        fakes, reals = (value_range.to_unit(each.cpu()).clamp(0, 1) for each in (found.images, targets))
        yield list(zip(some, psnr(fakes, reals).tolist(), strict=True))


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
    """Save each reconstruction as `NAME.png`, beside the original as `NAME-beside.png`, and last the latent, called
    `space`, with the label as `NAME.safetensors`. Each file is written atomically.
    """
    reals, fakes = (value_range.to_pixels(each) for each in (targets, found.images))
    for at, name in enumerate(names):
        reconstruction, beside, latent = (folder / each for each in results_of(name))
        reconstruction.parent.mkdir(parents=True, exist_ok=True)
        images.write(reconstruction, fakes[at])
        images.write(beside, np.hstack([reals[at], fakes[at]]))
        tensors: dict[str, Tensor] = {space: found.latents[at].cpu().contiguous()}
        if found.labels is not None:
            tensors["label"] = found.labels[at].cpu()
        with write_atomically(latent) as temporary:
            save_file(tensors, temporary)
