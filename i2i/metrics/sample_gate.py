"""A gate for generated images: those within the manifold of real images that copy none of them.

The manifold is that of improved precision: Kynkaanniemi, Karras, Laine, Lehtinen, Aila 2019: Improved Precision and
Recall Metric for Assessing Generative Models, section 2, https://arxiv.org/abs/1904.06991.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import torch
from torch import Tensor

from i2i.metrics.neighbours import centre, k_nearest, squared_distances


class Verdict(StrEnum):
    """What a gate says of an image; all but KEPT are reasons for a refusal. `judge` looks at each image by itself;
    CROWDED is for whoever counts how many lie near the same real one.
    """

    KEPT = "kept"
    COPY = "copy"
    OUTSIDE = "outside"
    OTHER_CLASS = "other class"
    CROWDED = "crowded"


class Judgement(NamedTuple):
    """Verdict on an image, the index of the nearest real image, and the distance to it, relative to the distance of
    that one to its own nearest neighbour.
    """

    verdict: Verdict
    nearest: int
    ratio: float


def judge(
    fake: Tensor, real: Tensor, others: Sequence[Tensor] = (), *, neighbours: int = 3, copy: float = 0.5
) -> list[Judgement]:
    """Judge features (N, D) of images by those of real ones (M, D) of their class, and of each other class (L, D).

    An image is a copy where it is nearer to a real one than `copy` times the distance of that one to its own nearest
    neighbour; outside, where it is in no ball around a real image that reaches to its neighbour number `neighbours`; of
    another class, where the mean of another is nearer than that of its own: means do not depend on how many images a
    class has, as nearest neighbours do. Raises ValueError where there are not more real images than `neighbours`, and
    for features of different dimension.
    """
    if len(real) <= neighbours:
        raise ValueError(f"{len(real)} real images: too few for {neighbours} neighbours; allowed: more than those")
    fake, centred = centre(fake, real, at_least=1)
    own = k_nearest(centred, centred, neighbours + 1)[0].clamp(min=0)  # an image is the first of its own
    squared = squared_distances(fake, centred).clamp(min=0)
    nearest, index = squared.min(1)
    ratio = (nearest / own[index, 1].clamp(min=torch.finfo(torch.float64).tiny)).sqrt()
    is_inside = (squared <= own[:, neighbours]).any(1)
    means = torch.stack([centre(each, real, at_least=1)[0].mean(0) for each in (real, *others)])
    is_other = squared_distances(fake, means).argmin(1) > 0
    return [
        Judgement(_verdict(close < copy, inside, other), at, close)
        for close, inside, other, at in zip(
            ratio.tolist(), is_inside.tolist(), is_other.tolist(), index.tolist(), strict=True
        )
    ]


def _verdict(is_copy: bool, is_inside: bool, is_other: bool) -> Verdict:
    if is_other:
        return Verdict.OTHER_CLASS
    if not is_inside:
        return Verdict.OUTSIDE
    return Verdict.COPY if is_copy else Verdict.KEPT
