"""Network interpolation between two trained generators.

Wang, Yu, Wu, Gu, Liu, Dong, Loy, Qiao, Tang 2018: ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks,
section 3.4, https://arxiv.org/abs/1809.00219. Real-ESRGAN's strength of denoising is the same.
"""

import copy

import torch

from i2i.networks.generators.base import ImageGenerator


def interpolate(a: ImageGenerator, b: ImageGenerator, alpha: float) -> ImageGenerator:
    """Interpolate weights: (1 - alpha) times those of `a` (in ESRGAN trained for PSNR) plus alpha times those of `b`
    (with the GAN).

    `alpha` is in [0, 1]; at its ends the result is exactly `a` or `b`. Counters are those of `a`. Raises ValueError for
    another alpha and for networks of different architectures.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha = {alpha:g} is beyond the two networks; allowed: from 0 (the first) to 1 (the second)")
    ours, theirs = a.state_dict(), b.state_dict()
    related = isinstance(a, type(b)) or isinstance(b, type(a))
    if not related or (a.scale, a.multiple_of) != (b.scale, b.multiple_of) or _shapes(a) != _shapes(b):
        raise ValueError(
            f"networks of two architectures have nothing between them: {_describe(a)}, and {_describe(b)}; "
            "allowed: two of the same, such as an ESRGAN and the PSNR stage that it started from"
        )
    between = copy.deepcopy(a)
    between.load_state_dict(
        {
            key: torch.lerp(tensor, theirs[key], alpha) if tensor.is_floating_point() else tensor
            for key, tensor in ours.items()
        }
    )
    return between


def _shapes(generator: ImageGenerator) -> dict[str, torch.Size]:
    return {key: tensor.shape for key, tensor in generator.state_dict().items()}


def _describe(generator: ImageGenerator) -> str:
    weights = sum(weight.numel() for weight in generator.parameters())
    return f"{type(generator).__name__} x{generator.scale} with {weights:,} weights"
