"""An endless, resumable stream of batches: what a step sees depends on (seed, step) alone, whatever the workers."""

import signal
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from i2i.data.batch import HighResolution, Pair, Unpaired

Batch = TypeVar("Batch", Pair, Unpaired, HighResolution, covariant=True)
Key = tuple[int, int]  # (epoch, index)
_ALL = slice(None)
_ORDER = 0  # the use of a random draw is part of its seed; the samples have the other ones


class Samples(Protocol[Batch]):
    """A data set whose samples are asked for by (epoch, index)."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: Key) -> Batch: ...


def steps_per_epoch(dataset: Samples[Batch], batch_size: int) -> int:
    """Whole batches in the data set; the rest waits for another epoch. Raises ValueError when there is not even one."""
    count = len(dataset)
    if not 1 <= batch_size <= count:
        raise ValueError(f"batch_size {batch_size} does not go with {count} training samples; allowed: 1 to {count}")
    return count // batch_size


def batches(
    dataset: Samples[Batch],
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    workers: int = 0,
    pin_memory: bool = False,
    shard: slice = _ALL,
) -> Iterator[Batch]:
    """Batches from step `start_step` on, without end; every epoch is a permutation drawn from (seed, epoch).

    Of each batch only `shard` is made: of several processes that train together each makes its own.

    Starting at step s gives what an uninterrupted stream gives from s on. Without workers, batches are made when they
    are asked for and `pin_memory` has no effect. Raises ValueError for a data set smaller than a batch, and while
    iterating for samples that can't be had or stacked.
    """
    keys = _Keys(len(dataset), steps_per_epoch(dataset, batch_size), batch_size, seed, start_step, shard)
    if workers == 0:
        return _unwrapped(map(_Batches(dataset).__getitems__, keys))
    loader: DataLoader[_Loaded] = DataLoader(
        _Batches(dataset),
        batch_sampler=keys,
        num_workers=workers,
        collate_fn=_as_is,
        pin_memory=pin_memory,
        worker_init_fn=_start_worker,
        # Without one, every stream would draw a number from torch's global state.
        generator=torch.Generator(),
    )
    return _unwrapped(loader)


class _Loaded(NamedTuple):
    """What comes back from a worker, whose warnings nobody sees and whose exceptions are buried in a traceback."""

    batch: tuple[Tensor, ...] | None
    error: ValueError | None
    warnings: list[str]


def _unwrapped(loader: Iterable[_Loaded]) -> Iterator[Any]:
    told: set[str] = set()
    for loaded in loader:
        for text in loaded.warnings:
            if text not in told:
                told.add(text)
                warnings.warn(text, stacklevel=2)
        if loaded.error:
            raise loaded.error
        yield loaded.batch


class _Keys(Sampler[list[Key]]):
    """The keys of the samples of a part of every batch, endlessly."""

    def __init__(self, samples: int, steps: int, batch_size: int, seed: int, start_step: int, shard: slice) -> None:
        self._samples, self._steps, self._batch_size = samples, steps, batch_size
        self._seed, self._start_step, self._shard = seed, start_step, shard

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, first = divmod(self._start_step, self._steps)
        while True:
            order = np.random.default_rng((_ORDER, self._seed, epoch)).permutation(self._samples).tolist()
            for step in range(first, self._steps):
                batch = order[step * self._batch_size : (step + 1) * self._batch_size]
                yield [(epoch, index) for index in batch[self._shard]]
            epoch, first = epoch + 1, 0


class _Batches(Dataset[_Loaded]):
    """Whole batches, stacked where they are loaded."""

    def __init__(self, dataset: Samples[Any]) -> None:
        self._dataset = dataset

    def __getitems__(self, keys: list[Key]) -> _Loaded:
        batch, failure = None, None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                samples = [self._dataset[key] for key in keys]
                batch = type(samples[0])(*map(_stacked, zip(*samples, strict=True)))
            except ValueError as error:
                failure = ValueError(str(error))  # alone: causes and tracebacks may not survive the way back
        return _Loaded(batch, failure, [str(warning.message) for warning in caught])


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    # Width before height; a seed, which has neither, differs from no other one.
    sizes = sorted({"x".join(map(str, reversed(tensor.shape[-2:]))) for tensor in tensors})
    if len(sizes) > 1:
        raise ValueError(f"images of {' and '.join(sizes)} cannot be one batch; add a crop, or use batch_size 1")
    # A batch of one, as in the papers, needs no copy.
    return torch.stack(tuple(tensors)) if len(tensors) > 1 else tensors[0].unsqueeze(0)


def _as_is(loaded: Any) -> Any:
    return loaded


def _start_worker(_: int) -> None:
    # Ctrl-C reaches the whole process group; the trainer saves and stops the workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
