from copy import deepcopy

import pytest
import torch

from i2i.data.batch import Pair
from i2i.methods.pair_pool import PairPool

SIZE, BATCH = 6, 2


def numbered(first: int) -> Pair:
    """A batch of pairs whose pixels are all their own number, the target's twice that."""
    source = torch.arange(first, first + BATCH, dtype=torch.float32)[:, None, None, None].expand(-1, 3, 4, 4)
    return Pair(source, 2 * source.repeat(1, 1, 2, 2))


def numbers(pairs: Pair) -> list[int]:
    return pairs.source[:, 0, 0, 0].int().tolist()


def given_back(pool: PairPool, first: int, last: int) -> list[list[int]]:
    return [numbers(pool(numbered(number))) for number in range(first, last, BATCH)]


def test_first_pairs_come_back_as_they_are_until_the_pool_is_full():
    assert given_back(PairPool(SIZE), 0, SIZE) == [[0, 1], [2, 3], [4, 5]]


def test_every_pair_comes_back_at_most_once_more_and_those_that_have_not_are_in_the_pool():
    pool = PairPool(SIZE)
    given_back(pool, 0, SIZE)
    back = [number for numbers in given_back(pool, SIZE, 60) for number in numbers]
    kept = Pair(*pool.get_extra_state()["pairs"])
    assert sorted(back + numbers(kept)) == list(range(60))


def test_sources_stay_with_their_targets():
    pool = PairPool(SIZE)
    for number in range(0, 40, BATCH):
        source, target = pool(numbered(number))
        assert torch.equal(2 * source.repeat(1, 1, 2, 2), target)


def test_pairs_are_drawn_evenly_from_the_whole_pool():
    torch.manual_seed(0)
    pool = PairPool(SIZE)
    given_back(pool, 0, SIZE)
    batches = 2000
    back = given_back(pool, SIZE, SIZE + BATCH * batches)
    # A pair waits until it is among the 2 of 6 that are drawn: geometric, one batch with probability 1/3.
    waits = [
        batch - (number - SIZE) // BATCH for batch, numbers in enumerate(back) for number in numbers if number >= SIZE
    ]
    for wait in (1, 2, 3):
        assert waits.count(wait) / len(waits) == pytest.approx((2 / 3) ** (wait - 1) / 3, rel=0.08)


def test_pool_does_not_keep_what_its_owner_may_change():
    pool = PairPool(SIZE)
    batch = Pair(*(image.clone() for image in numbered(0)))
    pool(batch)
    batch.source.zero_()
    assert numbers(Pair(*pool.get_extra_state()["pairs"]))[:BATCH] == [0, 1]


@pytest.mark.parametrize("before", [SIZE - BATCH, 20])
def test_resumed_pool_gives_back_what_the_uninterrupted_one_does(before, tmp_path):
    pool, resumed = PairPool(SIZE), PairPool(SIZE)
    given_back(pool, 0, before)
    torch.save(pool.state_dict(), tmp_path / "state.pt")
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    torch.manual_seed(1)
    expected = given_back(deepcopy(pool), before, 60)
    torch.manual_seed(1)
    assert given_back(resumed, before, 60) == expected


def test_pool_of_none_gives_back_what_it_gets():
    batch = numbered(0)
    assert PairPool(0)(batch) is batch


def test_pool_that_batches_do_not_fill_is_refused():
    with pytest.raises(ValueError, match=r"method.pool = 7 can't be filled by batches of 2; .*train.batch_size"):
        PairPool(7)(numbered(0))
    with pytest.raises(ValueError, match="pool = -1 is refused"):
        PairPool(-1)


def test_pairs_of_other_sizes_are_refused():
    pool = PairPool(SIZE)
    pool(numbered(0))
    with pytest.raises(ValueError, match="must have the same size"):
        pool(Pair(torch.zeros(2, 3, 5, 5), torch.zeros(2, 3, 10, 10)))
