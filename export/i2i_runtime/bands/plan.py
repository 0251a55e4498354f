"""The plan for running an exported file over bands of rows: its feature maps in the order they are computed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from i2i_runtime.schema import from_facts, parse_json

BANDS = "i2i_bands"  # the key in a file's metadata that holds the plan, as JSON
# Names of fields in the JSON, where they differ: files of version 0.1 have these.
_JSON_NAMES = {
    "output": "made", "inputs": "sources", "scale": "rate", "stride": "unit", "halo": "spoilt", "elem_type": "type"
}  # fmt: skip

_MOST_MAPS = 10_000
_LARGEST = {"channels": 2**16, "scale": 2**16, "stride": 2**16, "rows": 2**16}
_SHOWN = 40  # characters of a name


@dataclass(frozen=True, kw_only=True)
class InstanceNorm:
    """An instance norm: the names of its weights in the file, each (channels,), and its epsilon."""

    gamma: str
    beta: str
    epsilon: float


@dataclass(frozen=True, kw_only=True)
class FeatureMap:
    """A feature map: what one subgraph computes from earlier feature maps, its `inputs`. The image has none.

    The subgraph gives the tensor `output`. Later subgraphs read the tensor `name`: the same one, or its instance norm.
    `scale` is rows (and columns) per row of the image, as numerator and denominator. A band of the image must begin
    and end at multiples of `stride`, the total stride of the subgraph. `halo` is how many rows at the top and the
    bottom of a band are wrong because of the cut. `elem_type` is ONNX's number (1 float32, 10 float16). A feature map
    that is not `stored` is computed again for every other one that reads it.
    """

    name: str
    output: str
    inputs: tuple[str, ...]
    channels: int
    scale: tuple[int, int]
    stride: int
    halo: tuple[int, int]
    elem_type: int
    stored: bool
    norm: InstanceNorm | None = None


def to_json(plan: Sequence[FeatureMap]) -> str:
    """The plan as JSON: the image first, the result last, each feature map after its inputs."""
    facts = [asdict(feature_map) for feature_map in plan]
    return json.dumps([{_JSON_NAMES.get(key, key): value for key, value in each.items()} for each in facts])


def from_json(text: str) -> list[FeatureMap]:
    """The inverse of `to_json`. Raises ValueError for what is no plan: each feature map has inputs from before it."""
    try:
        facts = parse_json(text)
        if not isinstance(facts, list) or not 2 <= len(facts) <= _MOST_MAPS:
            raise ValueError(f"it is no list of 2 to {_MOST_MAPS} feature maps")
        names = {name: key for key, name in _JSON_NAMES.items()}
        plan: list[FeatureMap] = []
        for each in facts:
            if not isinstance(each, dict):
                raise ValueError("a feature map is no table")
            options = {names.get(key, key): value for key, value in each.items()}
            plan.append(from_facts(FeatureMap, options, "a feature map"))
            _check(plan)
    except ValueError as error:
        raise ValueError(f"the plan for bands of rows in the file is damaged: {error}; export it again") from None
    return plan


def _check(plan: list[FeatureMap]) -> None:
    """Raises ValueError for a last feature map of a plan that cannot be computed."""
    *before, last = plan
    names = {feature_map.name for feature_map in before}
    if last.name in names or (not before and last.inputs) or not names.issuperset(last.inputs):
        raise ValueError(f"{last.name[:_SHOWN]!r} is not computed from earlier feature maps")
    if before and not last.inputs:
        raise ValueError(f"{last.name[:_SHOWN]!r} has no inputs")
    counts = {"channels": last.channels, "scale": min(last.scale), "stride": last.stride, "rows": max(last.scale)}
    if wrong := [name for name, count in counts.items() if not 1 <= count <= _LARGEST[name]]:
        raise ValueError(f"{last.name[:_SHOWN]!r} has {wrong[0]} = {counts[wrong[0]]}")
    if not all(0 <= rows <= _LARGEST["rows"] for rows in last.halo):
        raise ValueError(f"{last.name[:_SHOWN]!r} has halo = {last.halo}")
