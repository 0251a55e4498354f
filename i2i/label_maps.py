"""Label maps and instance maps as tensors: pixels without a class, one channel for each class, edges of instances."""

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORE = 255  # in a label map: a pixel of no class, which does not count
# An instance map holds class * 1000 + instance, or the class alone where that has no instances (Cityscapes, Cordts
# 2016, https://arxiv.org/abs/1604.01685), in 16 bits.
INSTANCES = 1000


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Class indices, whole numbers of any type (N, H, W), as float32 (N, classes, H, W): 1 in the channel of a pixel's
    class, 0 in the others. `IGNORE`, and any class from `classes` on, is 0 in all of them.
    """
    indices = torch.arange(classes, device=labels.device, dtype=labels.dtype).view(1, -1, 1, 1)
    return (labels.unsqueeze(1) == indices).float()


def classes_of(instances: Tensor) -> Tensor:
    """Class indices of an instance map, whole numbers in floating point, of the same shape."""
    # Half is added, since some engines divide by a product with the reciprocal.
    return torch.where(instances < INSTANCES, instances, ((instances + 0.5) / INSTANCES).floor())


def instance_edges(instances: Tensor) -> Tensor:
    """Edges of an instance map (N, 1, H, W), of the same shape and type: 1 where a pixel differs from its neighbour
    above, below, left or right, else 0 (pix2pixHD, Wang 2018, section 3.3, https://arxiv.org/abs/1711.11585).
    """
    rows = (instances[..., 1:, :] != instances[..., :-1, :]).to(instances.dtype)
    columns = (instances[..., 1:] != instances[..., :-1]).to(instances.dtype)
    above, below = F.pad(rows, (0, 0, 1, 0)), F.pad(rows, (0, 0, 0, 1))
    left, right = F.pad(columns, (1, 0)), F.pad(columns, (0, 1))
    return torch.maximum(torch.maximum(above, below), torch.maximum(left, right))
