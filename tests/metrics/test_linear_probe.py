"""The linear probe, against closed forms and scikit-learn."""

import pytest
import torch
from sklearn.svm import LinearSVC

from i2i.metrics.linear_probe import fit_svm, linear_probe


def test_weights_of_two_points_are_those_of_the_closed_form() -> None:
    # |w|^2 / 2 + C (1 - w x)^2 for x = 2, y = 1 and x = -2, y = -1: w = 2 C x / (1 + 2 C x^2) = 4 C / (1 + 8 C)
    inputs, targets = torch.tensor([[2.0], [-2.0]]).double(), torch.tensor([[1.0], [-1.0]]).double()
    weight, bias = fit_svm(inputs, targets, strength=1.5)
    assert weight.item() == pytest.approx(6 / 13, abs=1e-6) and bias.item() == pytest.approx(0, abs=1e-6)


def test_classes_apart_are_told_and_noise_is_not() -> None:
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(120) % 3
    features = torch.randn(120, 6, generator=random) + 8 * torch.eye(6)[labels]
    assert linear_probe(features[:60], labels[:60] + 4, features[60:], labels[60:] + 4) == 1
    noise = torch.randn(300, 4, generator=random)
    labels = torch.arange(300) % 3
    assert linear_probe(noise[:150], labels[:150], noise[150:], labels[150:]) < 0.5
    with pytest.raises(ValueError, match="1 classes of images"):
        linear_probe(noise, torch.zeros(300), noise, torch.zeros(300))
    with pytest.raises(ValueError, match="no images are left to test"):
        linear_probe(noise, labels, noise[:0], labels[:0])


def test_an_overlap_is_classified_as_by_scikit_learn() -> None:
    random = torch.Generator().manual_seed(1)
    labels = torch.arange(200) % 2
    features = torch.randn(200, 5, generator=random) + labels[:, None] * torch.tensor([1.0, 0.5, 0.0, 0.0, 0.0])
    features = (features - features.mean(0)) / features.std(0)
    targets = torch.where(labels[:, None] == 1, 1.0, -1.0).double()
    weight, bias = fit_svm(features.double(), targets, strength=200.0)
    # Its C weighs the sum of losses, ours their mean; its bias is regularised as a weight of a large constant.
    other = LinearSVC(C=1.0, intercept_scaling=1e3, tol=1e-9, max_iter=100_000).fit(features.numpy(), labels.numpy())
    assert torch.allclose(weight, torch.from_numpy(other.coef_), atol=1e-3)
    assert bias.item() == pytest.approx(float(other.intercept_[0]), abs=1e-3)
