"""Inception score: are the classes that a classifier sees in the images certain one by one, and many together?

Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen 2016: Improved Techniques for Training GANs, section 4,
https://arxiv.org/abs/1606.03498.
"""

import numpy as np
import torch
from torch import Tensor


def inception_score(logits: Tensor, *, splits: int = 10, seed: int = 0) -> tuple[float, float]:
    """Logits (N, classes) -> mean and standard deviation over random parts of exp(E KL(p(y|x) || p(y))); in float64.

    From 1, where all images look alike, to the number of classes. Raises ValueError for fewer images than parts.
    """
    if logits.ndim != 2 or not 0 < splits <= len(logits):
        raise ValueError(
            f"IS: logits of shape {tuple(logits.shape)} in {splits} parts; allowed: (N, classes), and N parts at most"
        )
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(logits)))
    scores = []
    for part in logits[order].double().log_softmax(1).tensor_split(splits):
        marginal = part.logsumexp(0) - np.log(len(part))
        scores.append((part.exp() * (part - marginal)).sum(1).mean().exp().item())
    return float(np.mean(scores)), float(np.std(scores))
