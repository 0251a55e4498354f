import math

import pytest
import torch

from i2i.losses.segmentation import IGNORE, balanced_weights, cross_entropy


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels() -> torch.Tensor:
    drawn = torch.randint(0, 3, (2, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    drawn[0, :2] = IGNORE
    return drawn


def pixels(logits: torch.Tensor, labels: torch.Tensor) -> list[tuple[int, float]]:
    """The class and the negative log-probability of each pixel that counts."""
    return [
        (label, -math.log(math.exp(logits[n, label, y, x]) / sum(math.exp(each) for each in logits[n, :, y, x])))
        for n, y, x in torch.cartesian_prod(*map(torch.arange, labels.shape)).tolist()
        if (label := int(labels[n, y, x])) != IGNORE
    ]


def test_cross_entropy_is_the_mean_over_pixels_that_count(logits, labels):
    losses = [loss for _, loss in pixels(logits, labels)]
    assert len(losses) == 30
    assert cross_entropy(logits, labels).item() == pytest.approx(sum(losses) / 30, rel=1e-12)


def test_weighted_cross_entropy_is_the_weighted_mean(logits, labels):
    weights = torch.tensor([1.0, 5.0, 0.5], dtype=torch.float64)
    terms = [(weights[label].item(), loss) for label, loss in pixels(logits, labels)]
    expected = sum(weight * loss for weight, loss in terms) / sum(weight for weight, _ in terms)
    assert cross_entropy(logits, labels, weights).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weights", [None, torch.ones(3, dtype=torch.float64)])
def test_ignored_pixels_give_no_loss_and_no_gradient(logits, labels, weights):
    labels[:] = IGNORE
    loss = cross_entropy(logits.requires_grad_(), labels, weights)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None and not logits.grad.any()


def test_rare_classes_weigh_more_as_in_enet():
    weights = balanced_weights(torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64))
    assert weights.tolist() == pytest.approx([1 / math.log(1.02), 1 / math.log(1.52), 1 / math.log(2.02)], rel=1e-12)
