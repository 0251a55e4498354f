"""What stands in an exported file about how large images go through it in bands: its maps, one after the other."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

BANDS = "i2i_bands"  # the key of a file's metadata under which the plan stands, as JSON


@dataclass(frozen=True, kw_only=True)
class Norm:
    """An instance norm: the names of its weights in the file, each (channels,), and its epsilon."""

    gamma: str
    beta: str
    epsilon: float


@dataclass(frozen=True, kw_only=True)
class Map:
    """A map: the tensor `made` that a part of the graph makes of its `sources`, other maps, and what others take of it,
    the tensor `name`, which is the same or its `norm`. The image has no sources.

    It has `rate`, a numerator and a denominator, rows and columns per row and column of the image. In a band of the
    image `unit` rows, or some times as many, make whole rows of it and of what it is made of; its first and its last
    rows, as many as `spoilt` says, come out wrong where the band was cut. `type` is ONNX's number (1 float32,
    10 float16). What is not `stored` is made again for every other map that takes it.
    """

    name: str
    made: str
    sources: tuple[str, ...]
    channels: int
    rate: tuple[int, int]
    unit: int
    spoilt: tuple[int, int]
    type: int
    stored: bool
    norm: Norm | None = None


def to_json(plan: Sequence[Map]) -> str:
    """The maps, each after its sources: the image first, the result last."""
    return json.dumps([asdict(one) for one in plan])


def from_json(text: str) -> list[Map]:
    """The inverse of `to_json`."""
    return [_map(facts) for facts in json.loads(text)]


def _map(facts: dict[str, Any]) -> Map:
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}
    return Map(**given | {"norm": given["norm"] and Norm(**given["norm"])})
