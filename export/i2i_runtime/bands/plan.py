"""The plan for running an exported file over bands of rows: its feature maps in the order they are computed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

BANDS = "i2i_bands"  # the key in a file's metadata that holds the plan, as JSON
# Names of fields in the JSON, where they differ: files of version 0.1 have these.
_JSON_NAMES = {
    "output": "made", "inputs": "sources", "scale": "rate", "stride": "unit", "halo": "spoilt", "elem_type": "type"
}  # fmt: skip


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
    """The inverse of `to_json`."""
    return [_feature_map(facts) for facts in json.loads(text)]


def _feature_map(facts: dict[str, Any]) -> FeatureMap:
    names = {name: key for key, name in _JSON_NAMES.items()}
    options: dict[str, Any] = {
        names.get(key, key): tuple(value) if isinstance(value, list) else value for key, value in facts.items()
    }
    return FeatureMap(**options | {"norm": options["norm"] and InstanceNorm(**options["norm"])})
