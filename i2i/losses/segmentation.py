"""Losses of semantic segmentation, on logits."""

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.label_maps import IGNORE
from i2i.losses.precision import at_least_float32

_ENET = 1.02  # c of section 5.2


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of the pixels that count: logits (N, classes, H, W), class indices (N, H, W), 255 is ignored.

    With `weights` (classes,) the mean is weighted by those of the true classes; 0 where no pixel counts.
    """
    logits, counted = at_least_float32(logits), labels != IGNORE
    if weights is not None:
        weights = weights.to(logits.dtype)
    total = F.cross_entropy(logits, labels.long(), weights, ignore_index=IGNORE, reduction="sum")
    if weights is None:
        return total / counted.sum().clamp(min=1)
    weight = torch.where(counted, weights[labels.long().where(counted, 0)], 0).sum()
    return total / torch.where(weight > 0, weight, 1)


def balanced_weights(frequencies: Tensor) -> Tensor:
    """Weights of classes by their share of all pixels (classes,), in [0, 1]: 1 / ln(1.02 + p), from 1.4 to 50.

    Paszke et al. 2016: ENet: A Deep Neural Network Architecture for Real-Time Semantic Segmentation, section 5.2,
    https://arxiv.org/abs/1606.02147.
    """
    return 1 / torch.log(_ENET + frequencies)
