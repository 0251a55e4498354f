"""Measures of an image against the true one, pixel by pixel."""

from torch import Tensor

# ITU-R BT.601, studio swing: black is 16 and white 235 of 255, as MATLAB's rgb2ycbcr has it and so the papers.
_LUMA, _BLACK = (65.481, 128.553, 24.966), 16


def luma(images: Tensor) -> Tensor:
    """The Y of colour images (N, 3, H, W) in [0, 1], as papers on super-resolution measure it: (N, 1, H, W).

    It lies in [16/255, 235/255] and is not rounded. Raises ValueError for other shapes.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"luma: images of shape {tuple(images.shape)}; allowed: (N, 3, H, W)")
    weights = images.new_tensor(_LUMA).view(1, 3, 1, 1)
    return ((images * weights).sum(1, keepdim=True) + _BLACK) / 255


def cut_border(images: Tensor, border: int) -> Tensor:
    """(N, C, H, W) without `border` pixels at each side. Raises ValueError if nothing would be left."""
    height, width = images.shape[2:]
    if border < 0 or min(height, width) <= 2 * border:
        raise ValueError(f"border: {border} pixels cannot be cut from each side of a {width}x{height} image")
    return images[..., border : height - border, border : width - border]


def psnr(image: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of (N, C, H, W) images in [0, 1]: (N,); infinite where they are equal."""
    return -10 * (image - truth).square().flatten(1).mean(1).log10()
