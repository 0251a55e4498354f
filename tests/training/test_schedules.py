"""Learning-rate schedules against their closed forms."""

import math

import pytest

from i2i.training.schedules import Constant, Cosine, Linear, MultiStep

STEPS_PER_EPOCH = 1334  # of horse2zebra


@pytest.mark.parametrize(("epoch", "factor"), [(1, 1), (100, 1), (101, 100 / 101), (150, 51 / 101), (200, 1 / 101)])
def test_linear_is_the_published_schedule_of_200_epochs(epoch: int, factor: float) -> None:
    steps = 200 * STEPS_PER_EPOCH
    for step in ((epoch - 1) * STEPS_PER_EPOCH, epoch * STEPS_PER_EPOCH - 1):
        assert Linear()(step, steps) == pytest.approx(factor)


def test_linear_decays_nearly_to_zero_in_a_short_run() -> None:
    factors = [Linear()(step, 10) for step in range(10)]
    assert factors[:5] == [1] * 5 and sorted(factors, reverse=True) == factors and 0 < factors[-1] < 0.25


@pytest.mark.parametrize("options", [{"constant": 1.5}, {"constant": -0.1}, {"stairs": 0}])
def test_linear_refuses_impossible_options(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="schedule linear"):
        Linear(**options)  # type: ignore[arg-type]


def test_cosine_is_one_half_in_the_middle() -> None:
    assert [Cosine()(step, 8) for step in (0, 4, 8)] == pytest.approx([1, 0.5, 0])


def test_constant_is_one() -> None:
    assert {Constant()(step, 8) for step in range(8)} == {1.0}


@pytest.mark.parametrize("epoch", [0, 100, 249, 250, 600, 999])
def test_cosine_starts_anew_in_every_period_and_ends_at_its_floor(epoch: int) -> None:
    """Loshchilov and Hutter 2017, equation 5, with four equal periods and a floor of 1e-7 / 2e-4; as in BasicSR the
    first step of a period has the floor of the last one.
    """
    schedule = Cosine(periods=4, floor=5e-4)
    place = 1.0 if epoch == 250 else epoch % 250 / 250
    expected = 5e-4 + (1 - 5e-4) * (1 + math.cos(math.pi * place)) / 2
    assert schedule(epoch * 1000, 1_000_000) == pytest.approx(expected)
    assert schedule(1_000_000, 1_000_000) == pytest.approx(5e-4)


def test_multistep_halves_where_esrgan_does() -> None:
    schedule = MultiStep()
    steps = [0, 49_999, 50_000, 99_999, 100_000, 200_000, 300_000, 399_999]
    assert [schedule(step, 400_000) for step in steps] == [1, 1, 0.5, 0.5, 0.25, 0.125, 0.0625, 0.0625]


@pytest.mark.parametrize(
    ("kind", "options"), [(MultiStep, {"milestones": [1.5]}), (MultiStep, {"gamma": 0}), (Cosine, {"periods": 0})]
)
def test_multistep_and_cosine_refuse_impossible_options(kind: type, options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="schedule"):
        kind(**options)
