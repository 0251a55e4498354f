"""DiffAugment: Zhao, Liu, Lin, Zhu, Han, "Differentiable Augmentation for Data-Efficient GAN Training", 2020.
https://arxiv.org/abs/2006.10738; numbers of section 4 and of the authors' code,
https://github.com/mit-han-lab/data-efficient-gans.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from i2i.networks.augmentation.base import Augmentation, Draws

Policy = Literal["color", "translation", "cutout"]

_BRIGHTNESS = 0.5  # added or taken away at most, where black is -1 and white is 1
_CONTRAST = (0.5, 1.5)
_SATURATION = (0.0, 2.0)
_TRANSLATION = 8  # at most one part in so many of the size
_CUTOUT = 2  # one part in so many of height and width


class DiffAugment(Augmentation):
    """Random colour, translation and cutout of every image, in the order of `policy`."""

    def __init__(
        self,
        policy: Sequence[Policy],
        *,
        condition_channels: int = 0,
        value_range: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        super().__init__(condition_channels=condition_channels, value_range=value_range)
        self._policy = tuple(policy)

    def change(self, images: Tensor, copies: int) -> Tensor:
        draws = Draws(len(images), images.device, copies=copies)
        for name in self._policy:
            if name == "color":
                condition, image = images.tensor_split([self.condition_channels], dim=1)
                images = torch.cat([condition, jitter_colours(image, draws)], dim=1)
            else:
                images = _GEOMETRIC[name](images, draws)
        return images


def jitter_colours(images: Tensor, draws: Draws) -> Tensor:
    """Random brightness, then saturation (the distance from grey), then contrast (that from the mean)."""
    images = images + _as_map(draws.uniform(-_BRIGHTNESS, _BRIGHTNESS), images)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * _as_map(draws.uniform(*_SATURATION), images)
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * _as_map(draws.uniform(*_CONTRAST), images)


def translate(images: Tensor, draws: Draws) -> Tensor:
    """Move images by a whole number of pixels, at most an eighth of their size along each side; zeros follow."""
    height, width = images.shape[-2:]
    down, right = (draws.integers(-(size // _TRANSLATION), size // _TRANSLATION) for size in (height, width))
    rows = torch.arange(height, device=images.device) - down
    columns = torch.arange(width, device=images.device) - right
    is_inside = _inside(rows, height)[:, None, :, None] & _inside(columns, width)[:, None, None, :]
    images = images.gather(2, rows.clamp(0, height - 1)[:, None, :, None].expand_as(images))
    images = images.gather(3, columns.clamp(0, width - 1)[:, None, None, :].expand_as(images))
    return images * is_inside


def cut_out(images: Tensor, draws: Draws) -> Tensor:
    """Set a rectangle of half the height and width to zero; its centre is anywhere in the image."""
    inside = []
    for size in images.shape[-2:]:
        length = size // _CUTOUT
        first = draws.integers(0, size - length % 2) - length // 2
        inside.append(_inside(torch.arange(size, device=images.device) - first, length))
    rows, columns = inside
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])


_GEOMETRIC: dict[str, Callable[[Tensor, Draws], Tensor]] = {"translation": translate, "cutout": cut_out}


def _inside(positions: Tensor, length: int) -> Tensor:
    return (positions >= 0) & (positions < length)


def _as_map(numbers: Tensor, images: Tensor) -> Tensor:
    """(N, 1) as (N, 1, 1, 1) of the images' type."""
    return numbers[..., None, None].to(images.dtype)
