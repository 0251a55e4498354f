"""Label maps as tensors: the value of pixels without a class, and one channel for each class."""

import torch
from torch import Tensor

IGNORE = 255  # in a label map: a pixel of no class, which does not count


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Class indices, whole numbers of any type (N, H, W), as float32 (N, classes, H, W): 1 in the channel of a pixel's
    class, 0 in the others. `IGNORE`, and any class from `classes` on, is 0 in all of them.
    """
    indices = torch.arange(classes, device=labels.device, dtype=labels.dtype).view(1, -1, 1, 1)
    return (labels.unsqueeze(1) == indices).float()
