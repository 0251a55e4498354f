"""Linear separability: how well planes in a latent space divide images by their attributes; 1 is perfect.

Karras, Laine, Aila 2019: A Style-Based Generator Architecture for GANs, section 4.2, https://arxiv.org/abs/1812.04948.
"""

import math

import torch
from torch import Tensor

from i2i.metrics.linear_probe import fit_classifier


def linear_separability(points: Tensor, scores: Tensor) -> float:
    """exp of the sum of the entropies H(Y|X) over the attributes, from 1 on; lower is better.

    `scores` (N, K) of images, above 0 where a classifier sees an attribute, belong to latents `points` (N, D). Of each
    attribute the surer half of the images counts: Y is what the classifier sees in them, X the side of a linear SVM's
    plane on which their latents lie. An attribute that all or none of them have adds nothing. Raises ValueError for
    fewer than two latents.
    """
    if len(points) < 2:
        raise ValueError(f"{len(points)} latents; linear separability needs two or more")
    total = 0.0
    for score in scores.T:
        sure = score.abs().topk(len(score) // 2).indices
        seen = score[sure] > 0
        if seen.any() and not seen.all():
            side = fit_classifier(points[sure], seen[:, None], strength=len(sure))  # C is 1 for each latent
            total += conditional_entropy(seen, side(points[sure])[:, 0] > 0)
    return math.exp(total)


def conditional_entropy(y: Tensor, x: Tensor) -> float:
    """H(Y|X) in nats of two observed truth values (N,)."""
    joint = torch.stack([(y == a) & (x == b) for a in (True, False) for b in (True, False)]).double().mean(1).view(2, 2)
    given = joint / joint.sum(0).clamp_min(torch.finfo(torch.float64).tiny)
    return -torch.xlogy(joint, given).sum().item()
