"""What a model promises: the facts that images need to be translated right, and where its weights come from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

Io = Literal["float", "uint8"]
Precision = Literal["float32", "float16", "int8"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """The facts that travel with a generator, whatever runs it. Raises ValueError for facts that cannot be.

    `product` is what the method calls it ("generator", "a_to_b"). The result is `scale` times as high and wide. Height
    and width must be a multiple of `multiple_of` and at least `min_size` pixels; `translate_image` pads to that. The
    tiles of a large image share `overlap` of its pixels; 0 is a network that needs the whole image. Channels are 1
    (grey), 3 (RGB) or 4 (RGBA). `value_range` is the network's own, for information: who runs it passes [0, 1] in and
    out. `test_time` says how its norms and dropout were left, `weights` is the SHA-256 of its weights.

    An exported file further says what its ends are (`io`: float NCHW in [0, 1], or uint8 NHWC), its `precision`, the
    only `size` (batch, height, width) that it takes if it takes one only, and the `proof` that it does what it should.
    """

    product: str
    in_channels: int
    out_channels: int
    scale: int = 1
    multiple_of: int = 1
    min_size: int = 1
    overlap: int = 0
    value_range: tuple[float, float] = (-1.0, 1.0)
    recipe: str = ""
    step: int = 0
    version: str = ""
    test_time: str = ""
    weights: str = ""
    io: Io = "float"
    precision: Precision = "float32"
    opset: int = 0
    size: tuple[int, int, int] | None = None
    proof: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) not in (1, 3, 4):
                raise ValueError(f"card: {name} is {getattr(self, name)!r}; legal: 1 (grey), 3 (RGB), 4 (RGBA)")
        for name, least in {"scale": 1, "multiple_of": 1, "min_size": 1, "overlap": 0}.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"card: {name} is {value!r}; legal: whole numbers from {least}")
        if self.io not in get_args(Io):
            raise ValueError(f"card: io is {self.io!r}; legal: {', '.join(get_args(Io))}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        facts = asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in facts.items()}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "Card":
        """The inverse of `to_dict`. Raises ValueError for a fact that is missing or unknown."""
        legal = [each.name for each in fields(cls)]
        unknown = sorted(set(facts) - set(legal))
        if unknown:
            raise ValueError(f"card: unknown {', '.join(unknown)}; legal: {', '.join(legal)}")
        given: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in facts.items()}
        try:
            return cls(**given)
        except TypeError as error:
            raise ValueError(f"card: {error}") from error
