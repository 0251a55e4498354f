"""Novelty of generated images: detects copies of training images by nearest neighbours in feature space."""

from typing import NamedTuple

from torch import Tensor

from i2i.metrics.neighbours import NearestNeighbours, nearest_neighbours


class Novelty(NamedTuple):
    """Nearest training image of each fake, and the ratio of two median nearest-neighbour distances.

    `ratio` is the median from fakes to training images, divided by that among training images: about 1 for new images,
    near 0 for copies.
    """

    nearest: NearestNeighbours
    ratio: float


def novelty(fake: Tensor, training: Tensor) -> Novelty:
    """Novelty of features (N, D) against those of the training images (M, D). Raises ValueError for M below 2."""
    nearest = nearest_neighbours(fake, training)
    among_training = nearest_neighbours(training, training, skip=1).distances.median()
    return Novelty(nearest, (nearest.distances.median() / among_training).item())
