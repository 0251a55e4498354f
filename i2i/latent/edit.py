"""Edits of images in latent space: points w moved along a direction, or in some layers replaced by other points.

Style mixing after Karras, Laine, Aila 2019: A Style-Based Generator Architecture for GANs, section 3.1,
https://arxiv.org/abs/1812.04948.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from i2i.latent.latent_file import Latent, stack
from i2i.latent.sampler import Sampler, grid
from i2i.latent.space import layers_of


def move(sampler: Sampler, latent: Latent, direction: Tensor, strength: float, layers: Sequence[int] = ()) -> Latent:
    """Move a latent along a direction (D,) or (layers, D) by `strength` of its length, in some `layers` or all."""
    w = latent.w(sampler.generator)[0]
    step = strength * direction.to(w)
    if layers:
        mask = w.new_zeros(len(w), 1)
        mask[list(layers)] = 1
        step = mask * step
    return latent._replace(space="w+" if layers_of(sampler.generator) else "w", point=w + step)


def mix(sampler: Sampler, latent: Latent, other: Latent, layers: Sequence[int]) -> Latent:
    """A latent of w+ whose `layers` are those of another. Raises ValueError for a generator with one w for all."""
    w, others = (each.w(sampler.generator)[0].clone() for each in (latent, other))
    if not layers_of(sampler.generator):
        raise ValueError(f"{type(sampler.generator).__name__} has one w for all of its layers; there is nothing to mix")
    w[list(layers)] = others[list(layers)]
    return latent._replace(space="w+", point=w)


def mixing_sheet(
    sampler: Sampler, rows: Sequence[Latent], columns: Sequence[Latent], layers: Sequence[int], *, batch: int = 16
) -> NDArray[np.uint8]:
    """Draw the images of the rows with some layers of the columns', beside and below those of both as they are."""
    mixed = [each for row in rows for each in (row, *(mix(sampler, row, column, layers) for column in columns))]
    cells = pictures(sampler, [*columns, *mixed], batch=batch)
    corner = np.full_like(cells[:1], 255)
    return grid(np.concatenate([corner, cells]), columns=1 + len(columns))


def pictures(sampler: Sampler, latents: Sequence[Latent], *, batch: int = 16) -> NDArray[np.uint8]:
    """The images (N, size, size, out_channels) of latents."""
    parts = [stack(sampler.generator, latents[begin : begin + batch]) for begin in range(0, len(latents), batch)]
    return np.concatenate([sampler.picture(*part) for part in parts])


def parse_layers(words: str, layers: int) -> list[int]:
    """Numbers of layers from words such as 4-8 or 0,3-5. Raises ValueError for others than 0 to `layers` - 1."""
    if not layers:
        raise ValueError(f"layers {words}: the generator has one w for all of its layers; leave them out")
    chosen: set[int] = set()
    for word in words.split(","):
        first, dash, last = word.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"layers {words}: allowed: numbers and ranges with commas between, such as 0,4-8")
        if not int(first) <= int(last or first) < layers:
            raise ValueError(f"layers {words}: choose from 0 to {layers - 1}")
        chosen |= set(range(int(first), int(last or first) + 1))
    return sorted(chosen)
