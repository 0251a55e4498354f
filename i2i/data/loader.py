"""An endless, resumable stream of batches: what a step trains on depends on (seed, step) alone, not on the workers."""

import atexit
import multiprocessing
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Protocol, TypeVar

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from i2i.data.batch import HighResolution, Images, LabelledUnpaired, Pair, PairAndReal, Segmentation, Unpaired
from i2i.data.random_streams import RandomStream
from i2i.registry import ImportedPlugins
from i2i_runtime.signals import ENDING

Batch = TypeVar(
    "Batch", Pair, PairAndReal, Unpaired, LabelledUnpaired, Segmentation, HighResolution, Images, covariant=True
)
Key = tuple[int, int]  # (epoch, index)
_WHOLE = slice(None)


class MapDataset(Protocol[Batch]):
    """A map-style data set whose samples have keys (epoch, index)."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: Key) -> Batch: ...


def steps_per_epoch(dataset: MapDataset[Batch], batch_size: int) -> int:
    """The number of full batches in the data set. Raises ValueError where there is none.

    The samples left over differ from epoch to epoch.
    """
    count = len(dataset)
    if not 1 <= batch_size <= count:
        raise ValueError(f"batch_size {batch_size} does not go with {count} training samples; allowed: 1 to {count}")
    return count // batch_size


def batches(
    dataset: MapDataset[Batch],
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    workers: int = 0,
    pin_memory: bool = False,
    shard: slice = _WHOLE,
) -> Iterator[Batch]:
    """Batches from step `start_step` on, without end; every epoch is a permutation drawn from (seed, epoch).

    Starting at step s continues an uninterrupted stream at s. Of each batch only the samples of `shard` are loaded, one
    rank's. Without workers, batches are loaded on access and `pin_memory` has no effect. Raises ValueError for a data
    set smaller than a batch, and on iteration for samples that cannot be loaded or stacked.
    """
    keys = _BatchKeys(len(dataset), steps_per_epoch(dataset, batch_size), batch_size, seed, start_step, shard)
    if workers == 0:
        return _unwrap(map(_Batches(dataset).__getitems__, keys))
    loader: DataLoader[_LoadedBatch] = DataLoader(
        _Batches(dataset),
        batch_sampler=keys,
        num_workers=workers,
        collate_fn=_identity,
        pin_memory=pin_memory,
        worker_init_fn=_start_worker,
        # Without a generator, every stream would draw a number from torch's global state.
        generator=torch.Generator(),
    )
    return _unwrap(_start(loader))


class _LoadedBatch(NamedTuple):
    """A worker's result, with its warnings, which would be lost, and its error, which would come as a traceback."""

    batch: tuple[Tensor, ...] | None
    error: ValueError | None
    warnings: list[str]


def _start(loader: DataLoader[_LoadedBatch]) -> Iterator[_LoadedBatch]:
    earlier = multiprocessing.active_children()
    with _deaths_do_not_interrupt():
        loaded = iter(loader)
    workers = [worker for worker in multiprocessing.active_children() if worker not in earlier]
    # At exit they get SIGTERM, which they ignore, and are waited for. This comes first.
    atexit.register(_kill, workers)
    try:
        yield from loaded
    except (OSError, EOFError) as error:  # of the connection; a worker's own errors come with its batch
        raise RuntimeError(f"DataLoader worker is gone ({error or 'end of its data'})") from error


@contextmanager
def _deaths_do_not_interrupt() -> Iterator[None]:
    """Take back torch's handler that raises the death of a worker wherever the main thread is, in the middle of a save.

    Where the worker's batch is waited for, its death is found as well.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGCHLD"):
        yield  # torch sets none
        return
    handler = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, handler)


def _kill(workers: list[BaseProcess]) -> None:
    for worker in workers:
        worker.kill()


def _unwrap(results: Iterable[_LoadedBatch]) -> Iterator[Any]:
    warned: set[str] = set()
    for loaded in results:
        for text in loaded.warnings:
            if text not in warned:
                warned.add(text)
                warnings.warn(text, stacklevel=2)
        if loaded.error:
            raise loaded.error
        yield loaded.batch


class _BatchKeys(Sampler[list[Key]]):
    """The keys of the samples of a shard of every batch, without end."""

    def __init__(self, samples: int, steps: int, batch_size: int, seed: int, start_step: int, shard: slice) -> None:
        self._samples, self._steps, self._batch_size = samples, steps, batch_size
        self._seed, self._start_step, self._shard = seed, start_step, shard

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, first = divmod(self._start_step, self._steps)
        while True:
            order = RandomStream.EPOCH_ORDER.generator(self._seed, epoch).permutation(self._samples).tolist()
            for step in range(first, self._steps):
                batch = order[step * self._batch_size : (step + 1) * self._batch_size]
                yield [(epoch, index) for index in batch[self._shard]]
            epoch, first = epoch + 1, 0


class _Batches(Dataset[_LoadedBatch]):
    """Batches by the keys of their samples, stacked by the worker that loads them."""

    def __init__(self, dataset: MapDataset[Any]) -> None:
        self._dataset = dataset

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker that is no fork unpickles in this order, and the steps of the data set may be a plugin's.
        return _unpickled, (ImportedPlugins(), self._dataset)

    def __getitems__(self, keys: list[Key]) -> _LoadedBatch:
        batch, failure = None, None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                samples = [self._dataset[key] for key in keys]
                batch = type(samples[0])(*map(_stack, zip(*samples, strict=True)))
            except ValueError as error:
                failure = ValueError(str(error))  # as a class that can be unpickled, without causes and traceback
        return _LoadedBatch(batch, failure, [str(warning.message) for warning in caught])


def _unpickled(_: ImportedPlugins, dataset: MapDataset[Any]) -> _Batches:
    return _Batches(dataset)


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    # Width before height. Seeds and labels have no dimensions, so these never differ.
    sizes = sorted({"x".join(map(str, reversed(tensor.shape[-2:]))) for tensor in tensors})
    if len(sizes) > 1:
        raise ValueError(f"images of {' and '.join(sizes)} cannot be one batch; add a crop, or use batch_size 1")
    # A batch of one, as in the papers, needs no copy.
    return torch.stack(tuple(tensors)) if len(tensors) > 1 else tensors[0].unsqueeze(0)


def _identity(loaded: Any) -> Any:
    return loaded


def _start_worker(_: int) -> None:
    # Such a signal reaches the whole process group; the trainer saves and stops the workers itself.
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
