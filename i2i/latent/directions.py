"""Directions of a latent space along which images change: by closed-form factorisation, or by principal components.

Shen, Zhou 2021: Closed-Form Factorization of Latent Semantics in GANs (SeFa), section 3,
https://arxiv.org/abs/2007.06600. Härkönen, Hertzmann, Lehtinen, Paris 2020: GANSpace: Discovering Interpretable GAN
Controls, section 2, https://arxiv.org/abs/2004.02546.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from i2i.latent.space import layers_of, statistics_of
from i2i.networks.generators.base import LatentGenerator
from i2i_runtime.files import write_atomically
from i2i_runtime.seeds import latents

By = Literal["sefa", "pca"]

_SAMPLES = 10_000  # points w whose principal components are found


def find_directions(
    generator: LatentGenerator, number: int, *, by: By = "sefa", layers: Sequence[int] = (), samples: int = _SAMPLES
) -> Tensor:
    """Find directions (number, D) of w, most change first, each as long as one standard deviation of w along it.

    `layers` are those of w+ that are factorised and moved: directions are then (number, layers, D), 0 in all others.
    Raises ValueError where there are fewer, and for a generator that has no such directions.
    """
    vectors = sefa(generator, layers) if by == "sefa" else principal_components(generator, samples)
    if not 1 <= number <= len(vectors):
        raise ValueError(f"{number} directions are refused; allowed: 1 to {len(vectors)}, the dimensions of w")
    vectors = _with_sign(vectors[:number])
    vectors = vectors * _deviations(generator, vectors)[:, None]
    if not layers:
        return vectors
    moved = vectors.new_zeros(number, layers_of(generator), vectors.shape[1])
    moved[:, list(layers)] = vectors[:, None]
    return moved


def sefa(generator: LatentGenerator, layers: Sequence[int] = ()) -> Tensor:
    """Unit vectors (D, D) that the layers that take w first change most: the eigenvectors of A^T A, largest eigenvalue
    first (equation 8). A has the weights of these layers, or of some `layers` of w+, scaled to a norm of 1 for each
    output, as in the authors' code.
    """
    weights = generator.latent_weights()
    if not weights:
        raise ValueError(f"{type(generator).__name__} names no weights that take w; choose from: --by pca")
    chosen = torch.cat([weights[layer] for layer in layers or range(len(weights))]).double()
    chosen = chosen / chosen.norm(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    return torch.linalg.eigh(chosen.T @ chosen).eigenvectors.T.flip(0).float()


def principal_components(generator: LatentGenerator, samples: int = _SAMPLES) -> Tensor:
    """Principal components (D, D) of points w, unit vectors, largest variance first. Raises ValueError for a generator
    whose w is its z, in which all directions vary alike.
    """
    w = _points(generator, samples)
    if w.shape[1:] == (generator.latent,) and _maps_each_number_alone(generator):
        name = type(generator).__name__
        raise ValueError(f"{name} has no mapping network, so all directions vary alike; choose from: --by sefa")
    return torch.linalg.eigh(torch.cov(w.double().T)).eigenvectors.T.flip(0).float()


def write_direction(file: Path, direction: Tensor) -> None:
    """Write a direction as .npy, atomically."""
    with write_atomically(file) as temporary, temporary.open("wb") as stream:
        np.save(stream, direction.cpu().numpy())


def read_direction(file: Path, generator: LatentGenerator) -> Tensor:
    """Read a direction (D,) or (layers, D) from a .npy for a generator. Raises ValueError for another file or shape."""
    try:
        direction = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise ValueError(f"{file}: no .npy of a direction; i2i directions writes such files") from None
    w = statistics_of(generator, 2).mean
    allowed = [tuple(w.shape)] + [(layers, *w.shape) for layers in [layers_of(generator)] if layers]
    if not isinstance(direction, np.ndarray) or direction.shape not in allowed or direction.dtype.kind not in "fiu":
        shapes = " or ".join(map(str, allowed))
        raise ValueError(f"{file}: an array of {getattr(direction, 'shape', 'several')}; allowed: {shapes}, numbers")
    return torch.from_numpy(direction.astype(np.float32)).to(w.device)


def _points(generator: LatentGenerator, samples: int) -> Tensor:
    """Points w (N, D) of seeds, of all classes in turn."""
    z = torch.from_numpy(latents(range(samples), generator.latent)).to(next(generator.parameters()))
    label = torch.arange(samples, device=z.device) % generator.classes if generator.classes else None
    with torch.no_grad():
        w = generator.map(z, label)
    return w[:, 0] if w.ndim == 3 else w


def _maps_each_number_alone(generator: LatentGenerator) -> bool:
    """True where w is z, or a function of each of its numbers: no other number changes with the first."""
    z = torch.zeros(2, generator.latent).to(next(generator.parameters()))
    z[1, 0] = 1
    with torch.no_grad():
        first, second = generator.map(z, torch.zeros(2, dtype=torch.int64, device=z.device))
    return bool(torch.equal(first[1:], second[1:]))


def _deviations(generator: LatentGenerator, vectors: Tensor) -> Tensor:
    """Standard deviations (N,) of w along unit vectors (N, D)."""
    return (_points(generator, 1000) @ vectors.to(next(generator.parameters())).T).std(0, unbiased=False)


def _with_sign(vectors: Tensor) -> Tensor:
    """Vectors whose largest number is positive, as a decomposition leaves the sign open."""
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return vectors * largest.sign()
