"""Linear probe: accuracy of a linear classifier of features; higher is better.

Radford, Metz, Chintala 2016: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks, section 5.1, https://arxiv.org/abs/1511.06434: a regularised linear L2-SVM.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

_STEPS = 200  # of L-BFGS, which ends before where it has converged


def linear_probe(
    train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, *, strength: float = 1.0
) -> float:
    """Accuracy on test features (M, D) of an L2-SVM, one class against the rest, fitted to features (N, D).

    Features are standardised by those of training; `strength` (C) weighs errors against margins. Raises ValueError for
    fewer than two classes, and for no test.
    """
    classes = train_labels.unique()
    if len(classes) < 2:
        raise ValueError(f"{len(classes)} classes of images; a linear probe needs two or more")
    if not len(test):
        raise ValueError("no images are left to test a linear probe on; it needs five or more of a class")
    scores = fit_classifier(train, train_labels[:, None] == classes, strength=strength)
    return (classes[scores(test).argmax(1)] == test_labels).double().mean().item()


def fit_classifier(features: Tensor, is_in: Tensor, *, strength: float) -> Callable[[Tensor], Tensor]:
    """Scores (M, K) of features (M, D), above 0 where they belong to a class, by an L2-SVM for each class fitted to
    features (N, D) that belong to it or not, bool (N, K); all are standardised by those that it was fitted to.
    """
    mean, deviation = features.double().mean(0), features.double().std(0).clamp_min(1e-8)
    targets = torch.where(is_in, 1.0, -1.0).double()
    weight, bias = fit_svm((features.double() - mean) / deviation, targets, strength=strength)
    return lambda others: (others.double() - mean) / deviation @ weight.T + bias


def fit_svm(inputs: Tensor, targets: Tensor, *, strength: float) -> tuple[Tensor, Tensor]:
    """Weights (K, D) and biases (K,) that minimise |w|^2 / 2 + C times the mean squared hinge loss of inputs (N, D) and
    targets -1 or 1 (N, K), in their dtype.
    """
    weight = inputs.new_zeros(targets.shape[1], inputs.shape[1]).requires_grad_()
    bias = inputs.new_zeros(targets.shape[1]).requires_grad_()
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=_STEPS, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        hinge = F.relu(1 - targets * (inputs @ weight.T + bias)).square().mean(0).sum()
        total = 0.5 * weight.square().sum() + strength * hinge
        total.backward()
        return total

    optimiser.step(loss)
    return weight.detach(), bias.detach()
