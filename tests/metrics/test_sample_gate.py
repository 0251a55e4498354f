"""The gate of samples, on points whose neighbours are known."""

import pytest
import torch

from i2i.metrics.precision_recall import precision_recall
from i2i.metrics.sample_gate import Verdict, judge

LINE = torch.arange(6.0)[:, None]  # real images, 1 apart; balls to the second neighbour reach 1 or, at the ends, 2


def verdicts(*fakes: float, others: tuple[tuple[float, ...], ...] = (), **options: float) -> list[str]:
    strangers = [torch.tensor(each)[:, None] for each in others]
    return [each.verdict for each in judge(torch.tensor(fakes)[:, None], LINE, strangers, neighbours=2, **options)]


def test_images_between_real_ones_are_kept_copies_and_those_outside_are_not() -> None:
    assert verdicts(2.5, 2.1, 6.9, 7.1, -1.5) == ["kept", "copy", "kept", "outside", "kept"]
    assert verdicts(2.1, 2.04, copy=0.05) == ["kept", "copy"] and verdicts(2.0, copy=0.0) == ["kept"]


def test_an_image_nearer_to_the_mean_of_another_class_is_refused_however_many_images_that_has() -> None:
    # The mean of its own class is 2.5; halfway to those of the others are 1.25 and 4.
    few, many = ((0.0,), (5.5,)), ((-1.0, 1.0) * 40, (5.0, 6.0) * 40)
    for others in (few, many):
        assert verdicts(1.5, 1.4, 0.5, 4.5, others=others, copy=0.0) == ["kept", "kept", "other class", "other class"]
    assert verdicts(1.5, 4.5, others=((40.0,),)) == ["kept", "kept"]


def test_ratio_and_nearest_are_of_the_nearest_real_image() -> None:
    (found,) = judge(torch.tensor([[2.75]]), LINE * 1.0, neighbours=2)
    assert found.nearest == 3 and found.ratio == pytest.approx(0.25)
    (far,) = judge(torch.tensor([[20.0, 0.0]]), torch.tensor([[0.0, 0.0], [10.0, 0.0], [10.0, 4.0], [0.0, 3.0]]))
    assert far.nearest == 1 and far.ratio == pytest.approx(2.5)


def test_without_copies_the_share_within_is_precision() -> None:
    random = torch.Generator().manual_seed(0)
    fake, real = 1.5 * torch.randn(200, 4, generator=random), torch.randn(100, 4, generator=random)
    within = sum(each.verdict is not Verdict.OUTSIDE for each in judge(fake, real, copy=0.0))
    assert within / 200 == pytest.approx(precision_recall(fake, real)[0])


def test_too_few_real_images_are_refused() -> None:
    with pytest.raises(ValueError, match="3 real images: too few for 3 neighbours"):
        judge(torch.zeros(1, 2), torch.randn(3, 2))
    with pytest.raises(ValueError, match="cannot be compared"):
        judge(torch.zeros(1, 3), torch.randn(5, 2))
