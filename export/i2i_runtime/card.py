"""What a model promises: the facts that images need to be translated right, and where its weights come from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Card:
    """The facts that travel with a generator, whatever runs it. Raises ValueError for facts that cannot be.

    `product` is what the method calls it ("generator", "a_to_b"). The result is `scale` times as high and wide. Height
    and width must be a multiple of `multiple_of` and at least `min_size` pixels; `translate_image` pads to that.
    Channels are 1 (grey), 3 (RGB) or 4 (RGBA). `value_range` is the network's own, for information: who runs it passes
    [0, 1] in and out.
    """

    product: str
    in_channels: int
    out_channels: int
    scale: int = 1
    multiple_of: int = 1
    min_size: int = 1
    value_range: tuple[float, float] = (-1.0, 1.0)
    recipe: str = ""
    step: int = 0
    version: str = ""

    def __post_init__(self) -> None:
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) not in (1, 3, 4):
                raise ValueError(f"card: {name} is {getattr(self, name)!r}; legal: 1 (grey), 3 (RGB), 4 (RGBA)")
        for name in ("scale", "multiple_of", "min_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"card: {name} is {value!r}; legal: whole numbers from 1")

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self) | {"value_range": list(self.value_range)}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "Card":
        """The inverse of `to_dict`. Raises ValueError for a fact that is missing or unknown."""
        legal = [field.name for field in fields(cls)]
        unknown = sorted(set(facts) - set(legal))
        if unknown:
            raise ValueError(f"card: unknown {', '.join(unknown)}; legal: {', '.join(legal)}")
        try:
            return cls(**(dict(facts) | {"value_range": tuple(facts.get("value_range", cls.value_range))}))
        except TypeError as error:
            raise ValueError(f"card: {error}") from error
