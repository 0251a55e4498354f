"""The order in which maps are stored and measured, and when what was stored is freed."""

from collections.abc import Callable, Iterator

from torch import Tensor

from i2i.banded.maps import Map, Store
from i2i.banded.norm import InstanceNorm

Compute = Callable[[int, int], Tensor]  # a band from its first row up to another


def result_bands(result: Map, rows: int, image_height: int) -> Iterator[tuple[int, Tensor]]:
    """The result in bands of `rows`, each with its first row."""
    prepare(result, rows, image_height)
    yield from _bands(result, result.compute, rows, {read for read, _ in _reads(result, 0)})


def prepare(result: Map, rows: int, image_height: int) -> None:
    """Store and measure what must be, before the result can be computed."""
    maps = _in_order(result)
    stored = _to_store(maps, image_height)
    passes = [one for one in maps if one in stored or isinstance(one, InstanceNorm)]
    for one in stored:
        one.store = Store()
    # What is stored goes with the last pass that reads it, which may be that of the result.
    last = {read: one for one in [*passes, result] for read, _ in _reads(one, 0)}
    for one in passes:
        done_with = {read for read, reader in last.items() if reader is one}
        if isinstance(one, InstanceNorm):
            for _, band in _bands(one, one.sources[0].rows, rows, done_with):
                one.moments.merge(band)
        elif one.store is not None:
            for start, band in _bands(one, one.compute, rows, done_with):
                one.store.write(start, band)


def _in_order(result: Map) -> list[Map]:
    """The maps that the result is computed from, and itself, each after its sources."""
    found, new = {result}, [result]
    while new:
        sources = set(new.pop().sources) - found
        found |= sources
        new += sources
    return sorted(found, key=lambda one: one.depth)


def _to_store(maps: list[Map], image_height: int) -> set[Map]:
    """All costly maps but the last, and those as tall as the image or computed from it alone.

    Those are computed again for every band that is asked for, but never from one another.
    """
    stored: set[Map] = set()
    for one in [one for one in maps if one.costly][:-1]:
        behind = set(_behind(one, stored))
        cheap = not any(other.costly for other in behind - stored)
        if not cheap or (one.height < image_height and behind & stored):
            stored.add(one)
    return stored


def _behind(one: Map, stored: set[Map]) -> Iterator[Map]:
    """The maps that a band of `one` takes, stored ones and what they must be turned into."""
    for source in one.sources:
        yield source
        if source not in stored:
            yield from _behind(source, stored)


def _reads(one: Map, row: int) -> Iterator[tuple[Map, int]]:
    """The stored maps that rows from `row` on are computed from, each with its first row."""
    for source in one.sources:
        if source.store is not None:
            yield source, one.first(row)
        else:
            yield from _reads(source, one.first(row))


def _bands(one: Map, compute: Compute, rows: int, done_with: set[Map]) -> Iterator[tuple[int, Tensor]]:
    """The bands of a map from the top down; frees on the way what no later one takes of the stored maps `done_with`."""
    for start in range(0, one.height, rows):
        stop = min(start + rows, one.height)
        yield start, compute(start, stop)
        needed = {read: read.height for read in done_with}
        if stop < one.height:
            for read, row in _reads(one, stop):
                needed[read] = min(needed.get(read, read.height), row)
        for read in done_with:
            if read.store is not None:
                read.store.forget(needed[read])
