import os
import signal
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest
import torch

from i2i.data.augment import Pipeline
from i2i.data.batch import HighResolution, Pair
from i2i.data.folders import find_pairs, find_single
from i2i.data.loader import batches, steps_per_epoch
from i2i.data.samples import HighResolutionImages, PairedImages, Preprocessing
from i2i_runtime import images

COUNT = 11


class Keys:
    """Samples that show nothing but the key they were asked for with."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, key: tuple[int, int]) -> Pair:
        return Pair(*torch.tensor(key).view(2, 1, 1, 1))


class Unequal(Keys):
    def __getitem__(self, key: tuple[int, int]) -> Pair:
        size = 8 + key[1] % 2
        return Pair(torch.zeros(3, size, 8), torch.zeros(3, size, 8))


class Broken(Keys):
    def __getitem__(self, key: tuple[int, int]) -> Pair:
        raise ValueError("crop: 2x2 image is smaller than size 3; resize first (a.png)")


class Process(Keys):
    def __getitem__(self, key: tuple[int, int]) -> Pair:
        deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        return Pair(*torch.tensor([os.getpid(), deaf]).view(2, 1, 1, 1))


def keys(dataset: Keys, steps: int, **options) -> list[list[tuple[int, int]]]:
    stream = islice(batches(dataset, **{"batch_size": 3, "seed": 0, **options}), steps)
    return [list(zip(*(field.flatten().tolist() for field in batch), strict=True)) for batch in stream]


@pytest.fixture
def pictures(tmp_path: Path) -> PairedImages:
    for index in range(COUNT):
        image = np.random.default_rng(index).integers(0, 256, (24, 48, 3)).astype(np.uint8)
        images.write(tmp_path / f"{index}.png", image)
    random = Pipeline({"resize": {"size": 20}, "crop": {"size": 16}, "flip": {}, "ColorJitter": {}, "GaussNoise": {}})
    return PairedImages(find_pairs(tmp_path), Preprocessing(random, random, seed=5))


def test_an_epoch_shows_every_sample_at_most_once_in_another_order():
    steps = steps_per_epoch(Keys(), 3)
    assert steps == 3
    stream = keys(Keys(), 3 * steps)
    epochs = [list(chain(*stream[epoch * steps : (epoch + 1) * steps])) for epoch in range(3)]
    for number, epoch in enumerate(epochs):
        assert {key[0] for key in epoch} == {number}
        assert len({key[1] for key in epoch}) == 9
    assert len({tuple(index for _, index in epoch) for epoch in epochs}) == 3
    assert keys(Keys(), 3, seed=1) != stream[:3]


def test_what_an_epoch_drops_comes_in_others():
    shown = {index for batch in keys(Keys(), 30) for _, index in batch}
    assert shown == set(range(COUNT))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_started_later_is_the_rest_of_an_uninterrupted_one(workers):
    whole = keys(Keys(), 12)
    for start in (0, 1, 3, 7):
        assert keys(Keys(), 12 - start, start_step=start, workers=workers) == whole[start:]


def test_batches_are_the_same_whatever_the_workers(pictures):
    streams = [list(islice(batches(pictures, batch_size=2, seed=0, workers=workers), 8)) for workers in (0, 1, 2)]
    for expected, *others in zip(*streams, strict=True):
        assert type(expected) is Pair and expected.source.shape == (2, 3, 16, 16)
        for other in others:
            assert type(other) is Pair
            assert expected.source.equal(other.source) and expected.target.equal(other.target)


@pytest.mark.parametrize("workers, size", [(0, 3), (2, 3), (0, 1)])
def test_seeds_of_single_images_are_stacked_beside_them(pictures, tmp_path, workers, size):
    crop = Pipeline({"crop": {"size": 16}})
    dataset = HighResolutionImages(find_single(tmp_path), Preprocessing(crop, crop, seed=5))
    batch = next(iter(batches(dataset, batch_size=size, seed=0, workers=workers)))
    assert type(batch) is HighResolution
    assert batch.image.shape == (size, 3, 16, 16) and batch.seed.shape == (size,) and batch.seed.dtype == torch.int64
    of_seed = {int(dataset[0, index].seed): dataset[0, index].image for index in range(len(dataset))}
    assert all(image.equal(of_seed[int(seed)]) for image, seed in zip(*batch, strict=True))


@pytest.mark.parametrize("workers", [0, 1])
def test_loading_leaves_the_global_random_state_alone(pictures, workers):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    list(islice(batches(pictures, batch_size=2, seed=0, workers=workers), 2))
    assert torch.get_rng_state().equal(before)


def test_workers_are_other_processes_deaf_to_ctrl_c():
    handler = signal.getsignal(signal.SIGINT)
    stream = list(islice(batches(Process(), batch_size=3, seed=0, workers=2), 4))
    assert len({int(batch.source[0, 0]) for batch in stream} - {os.getpid()}) == 2
    assert all(bool(batch.target.all()) for batch in stream)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_data_set_smaller_than_a_batch_is_refused_at_once():
    with pytest.raises(ValueError, match="batch_size 12 does not go with 11 training samples; allowed: 1 to 11"):
        batches(Keys(), batch_size=12, seed=0)


@pytest.mark.parametrize("workers", [0, 1])
def test_images_of_other_sizes_are_no_batch(workers):
    with pytest.raises(ValueError, match=r"^images of 8x8 and 8x9 cannot be one batch; add a crop, or use"):
        next(batches(Unequal(), batch_size=8, seed=0, workers=workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_sample_raises_arrives_as_the_sentence_it_was(workers):
    with pytest.raises(ValueError, match=r"^crop: 2x2 image is smaller than size 3; resize first \(a\.png\)$"):
        next(batches(Broken(), batch_size=2, seed=0, workers=workers))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_file_is_named_once_and_here_whatever_the_workers(tmp_path, pictures, workers):
    (tmp_path / "3.png").write_bytes(b"no image")
    with pytest.warns(UserWarning, match=r"3\.png") as caught:
        list(islice(batches(pictures, batch_size=2, seed=0, workers=workers), 30))
    assert len(caught) == 1
