"""Image pool of generated images: Shrivastava et al., "Learning from Simulated and Unsupervised Images through
Adversarial Training", 2017, section 2.3. https://arxiv.org/abs/1612.07828
"""

from typing import Any

import torch
from torch import Tensor, nn


class ImageHistory(nn.Module):
    """Image pool (replay buffer) of the last fakes, so that a discriminator sees older ones too: each fake is, with
    probability 1/2, swapped for one of `size` earlier ones (CycleGAN section 4: 50).

    Draws from torch's global generator on the CPU. The images survive a resume as extra state. With `size` 0 the fakes
    are returned as they are.
    """

    def __init__(self, size: int = 50) -> None:
        super().__init__()
        self.size = size
        self._images: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        """Detached fakes (N, C, H, W) -> as many of the same shape; an earlier one of another size is not returned."""
        return torch.stack([self._swap(image) for image in images]) if self.size else images

    def _swap(self, image: Tensor) -> Tensor:
        if len(self._images) < self.size:
            self._images.append(image.clone())
            return image
        if torch.rand(()) < 0.5:
            return image
        chosen = int(torch.randint(self.size, ()))
        old, self._images[chosen] = self._images[chosen].to(image), image.clone()  # after a resume it is on the CPU
        return old if old.shape == image.shape else image

    def get_extra_state(self) -> list[Tensor]:
        return self._images

    def set_extra_state(self, state: Any) -> None:
        self._images = list(state)
