"""Peak signal-to-noise ratio (PSNR), with the luma and the border of papers on super-resolution."""

from torch import Tensor

# ITU-R BT.601, studio swing (black 16, white 235 of 255), as in MATLAB's rgb2ycbcr.
_LUMA, _BLACK = (65.481, 128.553, 24.966), 16


def psnr(image: Tensor, truth: Tensor) -> Tensor:
    """PSNR in dB of images (N, C, H, W) in [0, 1]: (N,), higher is better; infinite for equal images."""
    return -10 * (image - truth).square().flatten(1).mean(1).log10()


def luma(images: Tensor) -> Tensor:
    """Luma Y of RGB images (N, 3, H, W) in [0, 1]: (N, 1, H, W) in [16/255, 235/255], not rounded.

    Raises ValueError for other shapes.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"luma: images of shape {tuple(images.shape)}; allowed: (N, 3, H, W)")
    weights = images.new_tensor(_LUMA).view(1, 3, 1, 1)
    return ((images * weights).sum(1, keepdim=True) + _BLACK) / 255


def crop_border(images: Tensor, border: int) -> Tensor:
    """Images (N, C, H, W) without `border` pixels at each side. Raises ValueError where nothing would be left."""
    height, width = images.shape[2:]
    if border < 0 or min(height, width) <= 2 * border:
        raise ValueError(f"border: {border} pixels cannot be cut from each side of a {width}x{height} image")
    return images[..., border : height - border, border : width - border]
