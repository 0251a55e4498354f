"""Inception score (IS) of generated images: confident and diverse predictions of a classifier; higher is better.

Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen 2016: Improved Techniques for Training GANs, section 4,
https://arxiv.org/abs/1606.03498.
"""

import numpy as np
import torch
from torch import Tensor


def inception_score(logits: Tensor, *, splits: int = 10, seed: int = 0) -> tuple[float, float]:
    """Mean and standard deviation of exp(E KL(p(y|x) || p(y))) over random splits of logits (N, classes), in float64.

    From 1 (equal predictions for all images) to the number of classes. Raises ValueError for fewer images than splits.
    """
    if logits.ndim != 2 or not 0 < splits <= len(logits):
        raise ValueError(
            f"IS: logits of shape {tuple(logits.shape)} in {splits} splits; allowed: (N, classes), and N splits at most"
        )
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(logits)))
    scores = []
    for conditional in logits[order].double().log_softmax(1).tensor_split(splits):  # log p(y|x)
        marginal = conditional.logsumexp(0) - np.log(len(conditional))  # log p(y)
        scores.append((conditional.exp() * (conditional - marginal)).sum(1).mean().exp().item())
    return float(np.mean(scores)), float(np.std(scores))
