"""Structural agreement survives a change of contrast, and falls with shifts, noise and other scenes."""

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.data.world import draw_scene
from i2i.metrics.structure import (
    detect_edges,
    edge_agreement,
    gradient_structure,
    self_similarity,
    structure_distance,
)

SCENE = draw_scene(size=64, seed=0, index=0).sim


def shifted(image: np.ndarray, pixels: int) -> np.ndarray:
    """Shift to the right; the left edge is repeated."""
    return np.pad(image, ((0, 0), (pixels, 0), (0, 0)), mode="edge")[:, : image.shape[1]]


def recoloured(image: np.ndarray) -> np.ndarray:
    """Darken and halve the contrast."""
    return (image // 2 + 20).astype(np.uint8)


def noisy(image: np.ndarray, amount: float) -> np.ndarray:
    noise = amount * np.random.default_rng(0).standard_normal(image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def box(left: int = 20) -> np.ndarray:
    image = np.zeros((64, 64, 3), np.uint8)
    image[20:44, left : left + 24] = 200
    return image


def patches(images: Tensor) -> Tensor:
    """Mean colour of patches of 8 pixels, and its negative: (N, 6, 8, 8) for images of 64 pixels."""
    means = F.avg_pool2d(images, 8)
    return torch.cat([means, 1 - means], dim=1)


def test_equal_images_agree_fully() -> None:
    assert edge_agreement(SCENE, SCENE) == (1, 1, 1)
    assert gradient_structure(SCENE, SCENE) == pytest.approx(1)


def test_a_box_has_its_outline_as_edges() -> None:
    edges = detect_edges(box())
    rows, columns = np.nonzero(edges)
    assert (rows.min(), rows.max()) == pytest.approx((19.5, 43.5), abs=1)
    assert (columns.min(), columns.max()) == pytest.approx((19.5, 43.5), abs=1)
    assert 70 < edges.sum() < 110  # one pixel thick: 4 * 24


def test_a_change_of_contrast_keeps_structure() -> None:
    assert edge_agreement(recoloured(SCENE), SCENE).f1 > 0.97
    assert gradient_structure(recoloured(SCENE), SCENE) > 0.9


def test_agreement_falls_with_a_shift() -> None:
    edges = [edge_agreement(shifted(SCENE, pixels), SCENE).f1 for pixels in (0, 1, 2, 4)]
    gradients = [gradient_structure(shifted(SCENE, pixels), SCENE) for pixels in (0, 1, 2, 4)]
    assert edges == sorted(edges, reverse=True)
    assert edges[0] == 1
    assert edges[1] > 0.95  # within the tolerance
    assert edges[3] < 0.8
    assert gradients == sorted(gradients, reverse=True)
    assert gradients[3] < 0.6


def test_tolerance_is_in_pixels() -> None:
    # Of the four sides of a shifted box two are moved by three pixels, two along themselves.
    near, far = (edge_agreement(box(23), box(20), tolerance=tolerance).f1 for tolerance in (2.9, 3))
    assert far == 1
    assert near < 0.65


def test_new_edges_lower_precision_and_lost_ones_recall() -> None:
    two = box(4)
    two[20:44, 40:60] = 90
    one = box(4)
    added, lost = edge_agreement(two, one), edge_agreement(one, two)
    assert added.recall > 0.95 > 0.7 > added.precision
    assert (lost.precision, lost.recall, lost.f1) == (added.recall, added.precision, added.f1)


def test_images_without_edges_agree_and_faint_noise_has_none() -> None:
    flat = np.full((40, 40, 3), 90, np.uint8)
    assert not detect_edges(noisy(flat, 1)).any()
    assert edge_agreement(noisy(flat, 1), flat) == (1, 1, 1)
    assert edge_agreement(box(), np.zeros_like(box())) == (0, 0, 0)
    assert gradient_structure(noisy(flat, 1), flat) > 0.95


def test_gradient_structure_of_unrelated_images_is_near_zero() -> None:
    rng = np.random.default_rng(0)
    noise = (cv2.GaussianBlur(rng.integers(0, 256, (96, 96)).astype(np.uint8), (0, 0), 1) for _ in range(2))
    one, other = (cv2.cvtColor(cv2.equalizeHist(grey), cv2.COLOR_GRAY2RGB) for grey in noise)
    assert abs(gradient_structure(one, other)) < 0.15


def test_structure_distance_is_zero_for_equal_images_and_grows_with_noise() -> None:
    scene = torch.from_numpy(SCENE).permute(2, 0, 1)[None] / 255
    assert structure_distance(scene, scene, patches).item() == 0
    amounts = [0.02, 0.1, 0.5]
    noise = torch.randn(scene.shape, generator=torch.Generator().manual_seed(0))
    distances = [structure_distance(scene + amount * noise, scene, patches).item() for amount in amounts]
    assert distances == sorted(distances)
    assert distances[0] > 0


def test_structure_distance_is_the_mean_squared_difference_of_cosines() -> None:
    one = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])  # two patches at right angles
    other = torch.tensor([[[3.0, 0.0], [1.0, 0.0]]])  # two in one direction
    found = {1: one, 2: other}
    images = [torch.full((1, 3, 4, 4), float(key)) for key in found]
    assert structure_distance(*images, lambda image: found[int(image[0, 0, 0, 0])]).tolist() == [0.5]


def test_self_similarity_takes_features_as_maps_or_patches() -> None:
    features = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    similar = self_similarity(features)
    assert similar.shape == (2, 12, 12)
    torch.testing.assert_close(similar[1, 2, 7], F.cosine_similarity(features[1, :, 0, 2], features[1, :, 1, 3], dim=0))
    torch.testing.assert_close(similar, self_similarity(features.flatten(2).transpose(1, 2)))


def test_different_shapes_and_small_images_raise() -> None:
    with pytest.raises(ValueError, match="edge_agreement: images of shapes"):
        edge_agreement(SCENE, SCENE[:32])
    with pytest.raises(ValueError, match="8x9 pixels are less than its window of 11"):
        gradient_structure(SCENE[:9, :8], SCENE[:9, :8])
    with pytest.raises(ValueError, match="structure_distance: images of shapes"):
        structure_distance(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9), patches)
    with pytest.raises(ValueError, match=r"features of shape \(2, 3\)"):
        self_similarity(torch.zeros(2, 3))
