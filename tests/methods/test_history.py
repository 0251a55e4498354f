from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from i2i.methods.history import ImageHistory

SIZE = 5


def numbered(number: int, size: int = 4) -> Tensor:
    """A batch of one image whose pixels are all its number."""
    return torch.full((1, 3, size, size), float(number))


def returned(history: ImageHistory, numbers: range) -> list[int]:
    return [int(history(numbered(number)).mean()) for number in numbers]


def test_the_first_fakes_are_returned_and_kept() -> None:
    history = ImageHistory(SIZE)
    assert returned(history, range(SIZE)) == list(range(SIZE))
    assert [int(image.mean()) for image in history.get_extra_state()] == list(range(SIZE))


def test_half_of_later_fakes_are_swapped_for_earlier_ones() -> None:
    torch.manual_seed(0)
    history = ImageHistory(SIZE)
    found = returned(history, range(1000))
    old = [number for place, number in enumerate(found) if number != place]
    assert len(old) == pytest.approx(500, abs=60)
    assert all(number < place for place, number in enumerate(found) if number != place)
    # What is swapped out is returned once: those returned and those kept are all that were given.
    kept = [int(image.mean()) for image in history.get_extra_state()]
    assert len(kept) == SIZE
    assert sorted({*found, *kept}) == list(range(1000))
    assert len(set(found[SIZE:])) == len(found[SIZE:])


def test_every_place_of_the_pool_is_drawn() -> None:
    torch.manual_seed(0)
    history = ImageHistory(SIZE)
    returned(history, range(200))
    assert all(image.mean() > SIZE for image in history.get_extra_state())


def test_kept_fakes_do_not_change_with_the_tensors_that_were_given() -> None:
    history = ImageHistory(1)
    for number in range(1, 20):
        fake = numbered(number)
        history(fake)
        fake.zero_()
        assert history.get_extra_state()[0].mean() > 0


def test_an_earlier_fake_of_another_size_is_not_returned() -> None:
    history = ImageHistory(1)
    history(numbered(0, size=8))
    for number in range(1, 50):
        assert history(numbered(number, size=4 + 4 * (number % 2))).shape[-1] == 4 + 4 * (number % 2)


def test_a_pool_of_none_returns_what_it_is_given() -> None:
    fake = numbered(1)
    assert ImageHistory(0)(fake) is fake


def test_a_resume_goes_on_with_the_same_fakes(tmp_path: Path) -> None:
    history = ImageHistory(SIZE)
    returned(history, range(20))
    torch.save(history.state_dict(), tmp_path / "state.pt")
    resumed = ImageHistory(SIZE)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    torch.manual_seed(1)
    expected = returned(deepcopy(history), range(20, 60))
    torch.manual_seed(1)
    assert returned(resumed, range(20, 60)) == expected
