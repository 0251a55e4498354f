"""Latents as files: what `i2i invert` keeps of an image, and what walks and edits start from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from i2i.latent.sampler import Sampler, check_label
from i2i.latent.space import NO_NOISE, NoiseMaps, Space, layers_of, spread
from i2i.networks.generators.base import LatentGenerator
from i2i_runtime.files import write_atomically

SUFFIX = ".safetensors"
_LABEL, _NOISE = "label", "noise."  # keys of a file; the point's is the name of its space


class Latent(NamedTuple):
    """A point of a latent space, z (latent,), w (D,) or w+ (layers, D), its class where there are any, and noise maps
    (1, S, S) in place of the generator's own.
    """

    space: Space
    point: Tensor
    label: int | None = None
    noise: NoiseMaps = NO_NOISE

    def w(self, generator: LatentGenerator) -> Tensor:
        """The point w (1, ...) that the generator's `synthesise` takes."""
        point = self.point[None]
        if self.space != "z":
            return spread(point, layers_of(generator))
        return generator.map(point, None if self.label is None else torch.tensor([self.label], device=point.device))


def write(file: Path, latent: Latent) -> None:
    """Write a latent as safetensors, atomically."""
    tensors = {latent.space: latent.point} | {f"{_NOISE}{name}": level for name, level in latent.noise.items()}
    if latent.label is not None:
        tensors[_LABEL] = torch.tensor(latent.label)
    file.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(file) as temporary:
        save_file({key: tensor.cpu().contiguous() for key, tensor in tensors.items()}, temporary)


def read(file: Path, sampler: Sampler) -> Latent:
    """Read a latent for a generator. Raises ValueError for another file, and for a latent of another generator."""
    try:
        tensors = load_file(file)
    except (OSError, safetensors.SafetensorError):
        raise ValueError(f"{file}: no file of a latent, which i2i invert writes") from None
    spaces = [name for name in get_args(Space) if name in tensors]
    if len(spaces) != 1:
        raise ValueError(f"{file}: holds no latent, which is z, w or w+; i2i invert writes such files")
    generator = sampler.generator
    point, noise = tensors[spaces[0]], {key.removeprefix(_NOISE): tensors[key] for key in tensors if _NOISE in key}
    _check(file, generator, spaces[0], point, noise)
    label = int(tensors[_LABEL]) if _LABEL in tensors else None
    if generator.classes and label is None:
        raise ValueError(f"{file}: a latent without a label, which the generator needs; invert the image again")
    check_label(generator, label)
    # In version 0.1 w was a point for each layer.
    space: Space = "w+" if spaces[0] == "w" and layers_of(generator) and point.ndim == 2 else spaces[0]
    on = {name: level.to(sampler.device) for name, level in noise.items()}
    return Latent(space, point.to(sampler.device), label, on)


def _check(file: Path, generator: LatentGenerator, space: Space, point: Tensor, noise: Mapping[str, Tensor]) -> None:
    expected = shapes_of(generator)
    if tuple(point.shape) not in expected[space]:
        has = " or ".join(map(str, expected[space])) or "none"
        raise ValueError(f"{file}: its {space} is {tuple(point.shape)}, but that of the generator {has}")
    maps = {name: tuple(level.shape[1:]) for name, level in generator.noise_maps().items()}
    for name, level in noise.items():
        if maps.get(name) != tuple(level.shape):
            raise ValueError(f"{file}: its noise {name} is {tuple(level.shape)}, which is none of the generator's")


def shapes_of(generator: LatentGenerator) -> dict[Space, list[tuple[int, ...]]]:
    """The shapes of a generator's points in each space."""
    device = next(generator.parameters(), torch.empty(0)).device
    label = torch.zeros(1, dtype=torch.int64, device=device) if generator.classes else None
    with torch.no_grad():
        w = tuple(generator.map(torch.zeros(1, generator.latent, device=device), label).shape[1:])
    layered = len(w) == 2
    return {"z": [(generator.latent,)], "w": [w[1:], w] if layered else [w], "w+": [w] if layered else []}


def of_seeds(sampler: Sampler, seeds: Sequence[int], labels: Sequence[int], *, truncation: float = 1.0) -> list[Latent]:
    """The latents of seeds: points z, or where w is `linear`, points w."""
    points, linear = sampler.draw(seeds, truncation=truncation), sampler.generator.linear
    if linear:
        points = sampler.map(points, labels, truncation=truncation)
        points = points[:, 0] if layers_of(sampler.generator) else points
    return [
        Latent("w" if linear else "z", point, labels[at] if labels else None) for at, point in enumerate(points.clone())
    ]


def stack(generator: LatentGenerator, latents: Sequence[Latent]) -> tuple[Tensor, list[int], NoiseMaps]:
    """Points w (N, ...) of latents, their labels, and the noise maps (N, 1, S, S) that one of them has, with the
    generator's own for the others.
    """
    own, names = generator.noise_maps(), {name for latent in latents for name in latent.noise}
    noise = {name: torch.stack([latent.noise.get(name, own[name][0]) for latent in latents]) for name in sorted(names)}
    with torch.no_grad():
        w = torch.cat([latent.w(generator) for latent in latents])
    return w, [latent.label for latent in latents if latent.label is not None], noise
