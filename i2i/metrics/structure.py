"""Structural agreement of a translation with its source, whatever their colours: edges, gradients, self-similarity."""

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
PatchFeatures = Callable[[Tensor], Tensor]

# Canny's thresholds as MATLAB's `edge` chooses them: the high one leaves out this share of the pixels, the low one is
# this share of the high one.
_SMOOTHING, _NO_EDGES, _LOW = 2**0.5, 0.7, 0.4
_NOISE = 8  # Sobel gradient of 2 grey levels from pixel to pixel: the least high threshold
_FIXED_POINT = 8  # factor for Canny's int16 gradients, which have room for more than Sobel's 4 * 255
_WINDOW, _SIGMA = 11, 1.5  # those of SSIM, pixels
# (K2 L)^2 / 2 of SSIM, for gradients of values in [0, 1], of which Sobel's are up to 4.
_C3 = (4 * 0.03) ** 2 / 2


class EdgeAgreement(NamedTuple):
    """Precision, recall and F1 of edges, in [0, 1], higher is better.

    Precision is the share of the image's edges that the source has, recall the reverse; new texture lowers precision,
    lost objects lower recall.
    """

    precision: float
    recall: float
    f1: float


def edge_agreement(image: Pixels, source: Pixels, *, tolerance: float = 1.0) -> EdgeAgreement:
    """Agreement of the Canny edges of two images, uint8 (H, W, 3), up to `tolerance` pixels.

    Precision and recall of Martin, Fowlkes, Malik 2004: Learning to Detect Natural Image Boundaries, IEEE TPAMI 26(5),
    except that edge pixels may share a match. Two images without edges agree. Raises ValueError for images of different
    shapes.
    """
    _check_images("edge_agreement", image, source)
    edges, true_edges = detect_edges(image), detect_edges(source)
    precision = _share_within(edges, true_edges, tolerance)
    recall = _share_within(true_edges, edges, tolerance)
    total = precision + recall
    return EdgeAgreement(precision, recall, 2 * precision * recall / total if total else 0.0)


def detect_edges(image: Pixels) -> NDArray[np.bool_]:
    """Edges (H, W) of an image, uint8 (H, W, 3), by Canny 1986 with thresholds relative to the image's gradients."""
    blurred = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), _SMOOTHING)
    across, down = _sobel(blurred)
    high = max(float(np.quantile(np.hypot(across, down), _NO_EDGES)), _NOISE)
    across, down = (np.rint(_FIXED_POINT * gradient).astype(np.int16) for gradient in (across, down))
    return np.asarray(cv2.Canny(across, down, _FIXED_POINT * _LOW * high, _FIXED_POINT * high, L2gradient=True)) > 0


def gradient_structure(image: Pixels, source: Pixels) -> float:
    """Windowed correlation of the gradient magnitudes of two images, uint8 (H, W, 3); at most 1, higher is better.

    The structure term of SSIM (Wang, Bovik, Sheikh, Simoncelli 2004, section III-B), with its window and constant, on
    gradients as in Chen, Yang, Xie 2006: Gradient-Based Structural Similarity for Image Quality Assessment, ICIP. About
    0 for unrelated images, 1 for flat ones. Raises ValueError for different shapes, or sides of less than 11 pixels.
    """
    _check_images("gradient_structure", image, source)
    if min(image.shape[:2]) < _WINDOW:
        raise ValueError(f"gradient_structure: {_size(image)} pixels are less than its window of {_WINDOW}")
    x, y = (np.hypot(*_sobel(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) / 255.0)) for each in (image, source))
    mean_x, mean_y = _gaussian_filter(x), _gaussian_filter(y)
    deviation_x, deviation_y = (
        np.sqrt(np.maximum(_gaussian_filter(each * each) - mean**2, 0)) for each, mean in ((x, mean_x), (y, mean_y))
    )
    covariance = _gaussian_filter(x * y) - mean_x * mean_y
    return float(((covariance + _C3) / (deviation_x * deviation_y + _C3)).mean())


def self_similarity(features: Tensor) -> Tensor:
    """Cosine similarities of all patches, (N, patches, patches), of (N, patches, features) or (N, features, h, w).

    Tumanyan, Bar-Tal, Bagon, Dekel 2022: Splicing ViT Features for Semantic Appearance Transfer,
    https://arxiv.org/abs/2201.00424. Raises ValueError for other shapes.
    """
    if features.ndim not in (3, 4):
        allowed = "(N, patches, features) or (N, features, h, w)"
        raise ValueError(f"self_similarity: features of shape {tuple(features.shape)}; allowed: {allowed}")
    patches = features if features.ndim == 3 else features.flatten(2).transpose(1, 2)
    directions = F.normalize(patches.float(), dim=2)
    return directions @ directions.transpose(1, 2)


def structure_distance(image: Tensor, source: Tensor, extractor: PatchFeatures) -> Tensor:
    """Mean squared difference of self-similarities of images (N, 3, H, W) in [0, 1]: (N,), lower is better, from 0.

    L_structure of Tumanyan et al. 2022, as mean over pairs of patches, which does not depend on the image size. The
    paper's extractor gives the keys of the last layer of DINO ViT-B/8; other extractors give other values. Raises
    ValueError for images of different shapes.
    """
    if image.shape != source.shape or image.ndim != 4:
        shapes = f"{tuple(image.shape)} and {tuple(source.shape)}"
        raise ValueError(f"structure_distance: images of shapes {shapes}; allowed: (N, 3, H, W), equal ones")
    with torch.inference_mode():
        difference = self_similarity(extractor(image)) - self_similarity(extractor(source))
        return difference.square().flatten(1).mean(1)


def _share_within(edges: NDArray[np.bool_], others: NDArray[np.bool_], tolerance: float) -> float:
    """Share of `edges` with one of `others` within `tolerance` pixels; 1 where both are empty."""
    if not others.any():
        return float(not edges.any())
    if not edges.any():
        return 0.0
    distance = cv2.distanceTransform((~others).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float((distance[edges] <= tolerance).mean())


def _sobel(grey: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Sobel gradients across and down."""
    return cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1)


def _gaussian_filter(values: NDArray[Any]) -> NDArray[Any]:
    """Values averaged by the Gaussian window, where it lies wholly in the image."""
    margin = _WINDOW // 2
    return cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA)[margin:-margin, margin:-margin]


def _check_images(name: str, image: Pixels, source: Pixels) -> None:
    if image.shape != source.shape or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        shapes = f"{image.shape} and {source.shape}"
        raise ValueError(f"{name}: images of shapes {shapes}; allowed: uint8 (H, W, 3), equal ones")


def _size(image: Pixels) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
