import pytest
import torch

from i2i.label_maps import one_hot
from i2i.methods.class_balance import ClassBalance, draw


class OneRank:
    step = 0

    def all_reduce_sum(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor


class TwoRanks(OneRank):
    """A rank beside one whose label maps show class 0 alone."""

    def all_reduce_sum(self, tensor: torch.Tensor) -> torch.Tensor:
        other = torch.zeros_like(tensor)
        other[:, 0] = tensor.sum(1)
        return tensor + other


def map_of(*counts: int) -> torch.Tensor:
    """A one-hot label map of one row (1, classes, 1, W) with so many pixels of each class."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return one_hot(labels[None, None], len(counts))


def balance_after(a: torch.Tensor, b: torch.Tensor, ranks: OneRank) -> ClassBalance:
    balance = ClassBalance(a.shape[1]).double()
    for _ in range(3000):
        balance.observe(a, b, ranks)
    return balance


def test_shares_follow_the_label_maps_of_all_ranks() -> None:
    a, b = map_of(3, 1), map_of(1, 1)
    torch.testing.assert_close(balance_after(a, b, OneRank()).shares, torch.tensor([[0.75, 0.25], [0.5, 0.5]]).double())
    torch.testing.assert_close(
        balance_after(a, b, TwoRanks()).shares, torch.tensor([[0.875, 0.125], [0.75, 0.25]]).double()
    )


def test_maps_of_ignored_pixels_alone_leave_the_shares() -> None:
    balance = ClassBalance(2)
    before = balance.shares.clone()
    balance.observe(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), OneRank())
    assert torch.equal(balance.shares, before)


def test_weighted_pixels_of_b_have_the_shares_of_a() -> None:
    a, b = map_of(10, 30, 60), map_of(50, 40, 10)
    weights = balance_after(a, b, OneRank()).weights(b)
    mass = (weights * b).sum((0, 2, 3))
    torch.testing.assert_close(mass / mass.sum(), torch.tensor([0.1, 0.3, 0.6]).double(), atol=5e-3, rtol=0)


def test_a_class_that_is_rare_in_b_counts_at_most_tenfold() -> None:
    a, b = map_of(500, 500), map_of(999, 1)
    assert balance_after(a, b, OneRank()).weights(b).max() == 10


def test_patches_are_drawn_in_proportion_to_their_weights() -> None:
    values, weights = torch.arange(5), torch.tensor([0.0, 1.0, 1.0, 2.0, 6.0])
    counts = torch.stack([draw(values, weights).bincount(minlength=5) for _ in range(200)]).double()
    expected = 5 * weights.double() / weights.sum()
    assert ((counts - expected).abs() < 1).all()  # systematic: rounded up or down
    torch.testing.assert_close(counts.mean(0), expected, atol=0.15, rtol=0)


@pytest.mark.parametrize("shape", [(2, 1, 3, 4), (2, 1, 1, 1)])
def test_equal_shares_leave_every_patch_once(shape: tuple[int, ...]) -> None:
    logits, even = torch.randn(shape), one_hot(torch.arange(24).view(2, 3, 4) % 3, 3)
    drawn = ClassBalance(3).draw((logits, logits), even)
    for each in drawn:
        assert torch.equal(each.sort().values, logits.flatten().sort().values)
