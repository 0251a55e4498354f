"""Whether a translation kept where things are, told without a segmenter: by edges, by gradients, by features.

All three compare an image with the source it was made of, and none minds how either is coloured.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Pixels = NDArray[np.uint8]
# (N, 3, H, W) in [0, 1] -> features of its patches: (N, patches, features) or (N, features, rows, columns)
Extractor = Callable[[Tensor], Tensor]

# As MATLAB's `edge` chooses the thresholds of Canny 1986: this share of the pixels is none, and weak ones are this
# share of strong ones.
_SMOOTHING, _NO_EDGES, _WEAK = 2**0.5, 0.7, 0.4
_FAINT = 8  # of Sobel's gradient, 2 grey levels from pixel to pixel: what a flat image has is noise
_FINER = 8  # Canny takes whole numbers of 16 bits, which have room for this much more than Sobel's 4 * 255
_WINDOW, _SIGMA = 11, 1.5  # those of SSIM, pixels
# (K2 L)^2 / 2 of SSIM, for gradients of the values in [0, 1] that Sobel makes up to 4 times as large.
_C3 = (4 * 0.03) ** 2 / 2


class EdgeAgreement(NamedTuple):
    """In [0, 1]. `precision`: of the edges in the image, how many the source has; `recall`: the other way; `f1`: both.

    New texture costs precision, lost things cost recall.
    """

    precision: float
    recall: float
    f1: float


def edge_agreement(image: Pixels, source: Pixels, *, tolerance: float = 1.0) -> EdgeAgreement:
    """How far the edges (Canny 1986) of uint8 (H, W, 3) images agree, where `tolerance` pixels apart is the same place.

    Precision and recall of Martin, Fowlkes, Malik 2004: Learning to Detect Natural Image Boundaries, IEEE TPAMI 26(5),
    but every edge pixel looks for any in reach instead of one of its own. Two images without edges agree.
    Raises ValueError for images of different shapes.
    """
    _check("edge_agreement", image, source)
    edges, true_edges = edges_of(image), edges_of(source)
    precision, recall = _met(edges, true_edges, tolerance), _met(true_edges, edges, tolerance)
    total = precision + recall
    return EdgeAgreement(precision, recall, 2 * precision * recall / total if total else 0.0)


def edges_of(image: Pixels) -> NDArray[np.bool_]:
    """The edges (Canny 1986) of uint8 (H, W, 3), (H, W); thresholds follow the image, so that contrast matters less."""
    blurred = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), _SMOOTHING)
    across, down = _gradients(blurred)
    strong = max(float(np.quantile(np.hypot(across, down), _NO_EDGES)), _FAINT)
    across, down = (np.rint(_FINER * gradient).astype(np.int16) for gradient in (across, down))
    return np.asarray(cv2.Canny(across, down, _FINER * _WEAK * strong, _FINER * strong, L2gradient=True)) > 0


def gradient_structure(image: Pixels, source: Pixels) -> float:
    """The correlation of the gradients' magnitudes of uint8 (H, W, 3) images, averaged over windows; at most 1.

    The structure term of Wang, Bovik, Sheikh, Simoncelli 2004 (SSIM, section III-B), with its window and constant, on
    gradients as in Chen, Yang, Xie 2006: Gradient-Based Structural Similarity for Image Quality Assessment, ICIP. It is
    0 for chance and 1 where both are flat. Raises ValueError for different shapes, or sides of less than 11 pixels.
    """
    _check("gradient_structure", image, source)
    if min(image.shape[:2]) < _WINDOW:
        raise ValueError(f"gradient_structure: {_size(image)} pixels are less than its window of {_WINDOW}")
    x, y = (np.hypot(*_gradients(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) / 255.0)) for each in (image, source))
    mean_x, mean_y = _averaged(x), _averaged(y)
    deviation_x, deviation_y = (
        np.sqrt(np.maximum(_averaged(each * each) - mean**2, 0)) for each, mean in ((x, mean_x), (y, mean_y))
    )
    covariance = _averaged(x * y) - mean_x * mean_y
    return float(((covariance + _C3) / (deviation_x * deviation_y + _C3)).mean())


def self_similarity(features: Tensor) -> Tensor:
    """Cosines between all patches of (N, patches, features) or (N, features, h, w) features: (N, patches, patches).

    Tumanyan, Bar-Tal, Bagon, Dekel 2022: Splicing ViT Features for Semantic Appearance Transfer,
    https://arxiv.org/abs/2201.00424. Raises ValueError for other shapes.
    """
    if features.ndim not in (3, 4):
        allowed = "(N, patches, features) or (N, features, h, w)"
        raise ValueError(f"self_similarity: features of shape {tuple(features.shape)}; allowed: {allowed}")
    patches = features if features.ndim == 3 else features.flatten(2).transpose(1, 2)
    directions = F.normalize(patches.float(), dim=2)
    return directions @ directions.transpose(1, 2)


def structure_distance(image: Tensor, source: Tensor, extractor: Extractor) -> Tensor:
    """Mean squared difference of both self-similarities, (N,), of (N, 3, H, W) images in [0, 1]; 0 for equal ones.

    L_structure of Tumanyan et al. 2022, as the mean over pairs of patches, so that image sizes do not matter. There the
    extractor gives the keys of the last layer of DINO ViT-B/8; numbers of another one do not compare with those. Raises
    ValueError for images of different shapes.
    """
    if image.shape != source.shape or image.ndim != 4:
        shapes = f"{tuple(image.shape)} and {tuple(source.shape)}"
        raise ValueError(f"structure_distance: images of shapes {shapes}; allowed: (N, 3, H, W), equal ones")
    with torch.inference_mode():
        difference = self_similarity(extractor(image)) - self_similarity(extractor(source))
        return difference.square().flatten(1).mean(1)


def _met(edges: NDArray[np.bool_], others: NDArray[np.bool_], tolerance: float) -> float:
    """The share of `edges` that have one of `others` in reach; all of none."""
    if not others.any():
        return float(not edges.any())
    if not edges.any():
        return 0.0
    distance = cv2.distanceTransform((~others).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float((distance[edges] <= tolerance).mean())


def _gradients(grey: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Across and down, by Sobel."""
    return cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1)


def _averaged(values: NDArray[Any]) -> NDArray[Any]:
    """By the Gaussian window, where the whole of it lies in the image."""
    edge = _WINDOW // 2
    return cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA)[edge:-edge, edge:-edge]


def _check(name: str, image: Pixels, source: Pixels) -> None:
    if image.shape != source.shape or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        shapes = f"{image.shape} and {source.shape}"
        raise ValueError(f"{name}: images of shapes {shapes}; allowed: uint8 (H, W, 3), equal ones")


def _size(image: Pixels) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
