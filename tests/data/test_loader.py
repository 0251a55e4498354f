import os
import signal
import subprocess
import sys
from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from i2i.data.augment import Pipeline
from i2i.data.batch import HighResolution, Pair
from i2i.data.folders import find_pairs, find_single
from i2i.data.loader import batches, steps_per_epoch
from i2i.data.samples import HighResolutionImages, PairedImages, Preprocessing
from i2i_runtime import images
from i2i_runtime.signals import ENDING
from tests.waits import HANGS

COUNT = 11


class Keys:
    """Samples that are their own keys."""

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
        raise Refusal("crop", "2x2 image is smaller than size 3; resize first (a.png)")


class Process(Keys):
    """Samples that are facts of the process that loads them: its id, and 1 if it ignores signals and has one thread."""

    def __getitem__(self, key: tuple[int, int]) -> Pair:
        single = cv2.getNumThreads() <= 1 and torch.get_num_threads() == 1
        ignores = all(signal.getsignal(number) is signal.SIG_IGN for number in ENDING)
        return Pair(*torch.tensor([os.getpid(), single and ignores]).view(2, 1, 1, 1))


class Refusal(ValueError):
    """An error that cannot be unpickled."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")


def keys(dataset: Keys, steps: int, **options) -> list[list[tuple[int, int]]]:
    stream = islice(batches(dataset, **{"batch_size": 3, "seed": 0, **options}), steps)
    return [list(zip(*(field.flatten().tolist() for field in batch), strict=True)) for batch in stream]


@pytest.fixture
def pictures(tmp_path: Path) -> PairedImages:
    for index in range(COUNT):
        image = np.random.default_rng(index).integers(0, 256, (24, 48, 3)).astype(np.uint8)
        images.write(tmp_path / f"{index}.png", image)
    random = Pipeline({"resize": {"size": 20}, "crop": {"size": 16}, "flip": {}, "ColorJitter": {}, "GaussNoise": {}})
    return PairedImages(find_pairs(tmp_path, layout="side-by-side"), Preprocessing(random, random, seed=5))


def test_an_epoch_has_every_sample_at_most_once_in_its_own_order():
    steps = steps_per_epoch(Keys(), 3)
    assert steps == 3
    stream = keys(Keys(), 3 * steps)
    epochs = [list(chain(*stream[epoch * steps : (epoch + 1) * steps])) for epoch in range(3)]
    for number, epoch in enumerate(epochs):
        assert {key[0] for key in epoch} == {number}
        assert len({key[1] for key in epoch}) == 9
    assert len({tuple(index for _, index in epoch) for epoch in epochs}) == 3
    assert keys(Keys(), 3, seed=1) != stream[:3]


def test_samples_left_over_by_an_epoch_are_in_others():
    indices = {index for batch in keys(Keys(), 30) for _, index in batch}
    assert indices == set(range(COUNT))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_started_at_a_step_continues_an_uninterrupted_one(workers):
    uninterrupted = keys(Keys(), 12)
    for start in (0, 1, 3, 7):
        assert keys(Keys(), 12 - start, start_step=start, workers=workers) == uninterrupted[start:]


@pytest.mark.parametrize("workers", [0, 1])
def test_shards_of_all_ranks_are_the_whole_batches(workers):
    shards = [keys(Keys(), 5, batch_size=4, workers=workers, shard=slice(rank, None, 2)) for rank in range(2)]
    for batch, (first, second) in zip(keys(Keys(), 5, batch_size=4), zip(*shards, strict=True), strict=True):
        assert [first, second] == [batch[::2], batch[1::2]]


def test_the_order_of_an_epoch_is_seeded_as_in_version_0_1():
    order = np.random.default_rng((0, 7, 2)).permutation(COUNT)[:3]
    assert keys(Keys(), 1, seed=7, start_step=6) == [[(2, index) for index in order]]


def test_batches_are_the_same_whatever_the_workers(pictures):
    streams = [list(islice(batches(pictures, batch_size=2, seed=0, workers=workers), 8)) for workers in (0, 1, 2)]
    for expected, *others in zip(*streams, strict=True):
        assert type(expected) is Pair and expected.source.shape == (2, 3, 16, 16)
        for other in others:
            assert type(other) is Pair
            assert expected.source.equal(other.source) and expected.target.equal(other.target)


@pytest.mark.parametrize("workers, size", [(0, 3), (2, 3), (0, 1)])
def test_seeds_of_photos_are_stacked_beside_them(pictures, tmp_path, workers, size):
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


def test_workers_are_other_processes_of_one_thread_that_ignore_what_ends_jobs():
    handler = signal.getsignal(signal.SIGINT)
    stream = list(islice(batches(Process(), batch_size=3, seed=0, workers=2), 4))
    assert len({int(batch.source[0, 0]) for batch in stream} - {os.getpid()}) == 2
    assert all(bool(batch.target.all()) for batch in stream)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_killed_worker_is_found_where_its_batch_is_waited_for():
    """Not wherever the main thread is, which may be in the middle of a save."""
    stream = batches(Process(), batch_size=3, seed=0, workers=1)
    worker = int(next(stream).source[0, 0])
    os.kill(worker, signal.SIGKILL)
    os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
    with pytest.raises(RuntimeError, match="DataLoader worker"):
        list(stream)


def test_a_program_ends_while_its_workers_wait_for_work():
    """They ignore the SIGTERM that they get then."""
    program = """
from i2i.data.loader import batches
from tests.data.test_loader import Keys
stream = batches(Keys(), batch_size=3, seed=0, workers=2)
next(stream)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=HANGS)


def test_a_data_set_smaller_than_a_batch_is_refused_at_once():
    with pytest.raises(ValueError, match="batch_size 12 does not go with 11 training samples; allowed: 1 to 11"):
        batches(Keys(), batch_size=12, seed=0)


@pytest.mark.parametrize("workers", [0, 1])
def test_images_of_different_sizes_are_refused_as_a_batch(workers):
    with pytest.raises(ValueError, match=r"^images of 8x8 and 8x9 cannot be one batch; add a crop, or use"):
        next(batches(Unequal(), batch_size=8, seed=0, workers=workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_the_error_of_a_sample_arrives_with_its_message(workers):
    with pytest.raises(ValueError, match=r"^crop: 2x2 image is smaller than size 3; resize first \(a\.png\)$"):
        next(batches(Broken(), batch_size=2, seed=0, workers=workers))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_file_is_named_in_one_warning_whatever_the_workers(tmp_path, pictures, workers):
    (tmp_path / "3.png").write_bytes(b"no image")
    with pytest.warns(UserWarning, match=r"3\.png") as caught:
        list(islice(batches(pictures, batch_size=2, seed=0, workers=workers), 30))
    assert len(caught) == 1
