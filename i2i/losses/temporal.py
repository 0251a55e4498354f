"""Temporal loss: where a frame moves, its translation is to move with it, and to change in nothing else.

Eilertsen, Mantiuk, Unger 2019: Single-Frame Regularization for Temporally Stable CNNs,
https://arxiv.org/abs/1902.10424, section 3, the transform invariance: the next frame is the same one after a small
random motion, which is known exactly, so that no films are needed.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

# The largest motions: shares of the image side and of its size, and radians
_SHIFT, _ZOOM, _TURN = 0.03, 0.03, 0.02


def temporal_difference(
    translate: Callable[[Tensor], Tensor], source: Tensor, translation: Tensor, motion: Tensor
) -> Tensor:
    """Mean absolute difference of the moved translation and the translation of the moved source, as one number.

    `translation`, which may be larger, is that of `source`, both (N, C, H, W); `motion` is as of `draw_motion`. Pixels
    that come into view do not count.
    """
    difference = _moved(translation, motion) - translate(_moved(source, motion))
    inside = (_grid(translation, motion).abs() <= 1).all(3).unsqueeze(1).to(difference.dtype)
    return (difference.abs() * inside).mean() / inside.mean()


def draw_motion(count: int) -> Tensor:
    """Motions (count, 2, 3) as of `F.affine_grid`, by torch's random numbers on the CPU: shift, zoom and rotation."""
    draws = ((2,), 2 * _SHIFT), ((), _ZOOM), ((), _TURN)  # coordinates run from -1 to 1: the whole side is 2
    shift, zoom, turn = ((2 * torch.rand(count, *size) - 1) * most for size, most in draws)
    rotation = torch.stack([turn.cos(), -turn.sin(), turn.sin(), turn.cos()], 1).view(count, 2, 2)
    return torch.cat([rotation * (1 + zoom)[:, None, None], shift[..., None]], 2)


def _moved(images: Tensor, motion: Tensor) -> Tensor:
    grid = _grid(images, motion)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _grid(images: Tensor, motion: Tensor) -> Tensor:
    motion = motion.to(images.device, images.dtype, non_blocking=True)
    return F.affine_grid(motion, list(images.shape), align_corners=False)
