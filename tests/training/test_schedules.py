"""Learning-rate schedules against their closed forms."""

import pytest

from i2i.training.schedules import Constant, Cosine, Linear

STEPS_PER_EPOCH = 1334  # of horse2zebra


@pytest.mark.parametrize(("epoch", "factor"), [(1, 1), (100, 1), (101, 100 / 101), (150, 51 / 101), (200, 1 / 101)])
def test_linear_is_the_published_schedule_of_200_epochs(epoch: int, factor: float) -> None:
    steps = 200 * STEPS_PER_EPOCH
    for step in ((epoch - 1) * STEPS_PER_EPOCH, epoch * STEPS_PER_EPOCH - 1):
        assert Linear()(step, steps) == pytest.approx(factor)


def test_a_short_run_decays_all_the_way() -> None:
    factors = [Linear()(step, 10) for step in range(10)]
    assert factors[:5] == [1] * 5 and sorted(factors, reverse=True) == factors and 0 < factors[-1] < 0.25


@pytest.mark.parametrize("options", [{"constant": 1.5}, {"constant": -0.1}, {"stairs": 0}])
def test_impossible_shapes_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="schedule linear"):
        Linear(**options)  # type: ignore[arg-type]


def test_cosine_falls_from_one_by_a_half_in_the_middle() -> None:
    assert [Cosine()(step, 8) for step in (0, 4, 8)] == pytest.approx([1, 0.5, 0])


def test_constant_stays() -> None:
    assert {Constant()(step, 8) for step in range(8)} == {1.0}
