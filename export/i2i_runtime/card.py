"""The card of a model: the facts that running it takes (channels, scale, sizes), and where its weights come from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, get_args

from i2i_runtime.schema import from_facts

Io = Literal["float", "uint8"]
Precision = Literal["float32", "float16", "int8"]
Truncation = Literal["latent", "input"]

# Fields that version 0.1 does not know: left out where they say nothing, so that it reads the file.
_LATER_FIELDS = ("keeps_grey", "trained_size", "label_classes", "instance_maps", "tile_step")
LARGEST_SIDE = 2**16  # pixels of an image
_LONGEST_NAME = 200  # characters
_LARGEST_SIZE = 2**15  # pixels, or images of a batch


@dataclass(frozen=True, kw_only=True)
class BaseCard:
    """The facts that travel with any generator, whatever engine runs it. Raises ValueError for impossible ones.

    `product` is the method's name for it ("generator", "a_to_b"). Channels are 1 (grey), 3 (RGB) or 4 (RGBA).
    `value_range` is the network's own, for information: outside it is [0, 1]. `test_time` says how batch norm and
    dropout behave ("published" or "eval"), `weights` is the SHA-256 of the weights.

    Of an exported file, `io` is the type of its input and output (float NCHW in [0, 1], or uint8 NHWC), `precision`
    that of its weights, and `proof` the measured differences to the network in torch.
    """

    product: str
    out_channels: int
    value_range: tuple[float, float] = (-1.0, 1.0)
    recipe: str = ""
    step: int = 0
    version: str = ""
    test_time: str = ""
    weights: str = ""
    io: Io = "float"
    precision: Precision = "float32"
    opset: int = 0
    proof: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        self._check_channels("out_channels")
        if self.io not in get_args(Io):
            raise ValueError(f"card: io is {self.io!r}; choose from: {', '.join(get_args(Io))}")
        if self.product in ("", ".", "..") or set(self.product) & set("/\\\0") or len(self.product) > _LONGEST_NAME:
            raise ValueError(f"card: product is {self.product[:_LONGEST_NAME]!r}; allowed: a name, not a path")

    def _check_channels(self, name: str) -> None:
        if getattr(self, name) not in (1, 3, 4):
            raise ValueError(f"card: {name} is {getattr(self, name)!r}; choose from: 1 (grey), 3 (RGB), 4 (RGBA)")

    def _check_range(self, **ranges: tuple[int, int]) -> None:
        """Raises ValueError for a field that is not a whole number from the first to the second of its numbers."""
        for name, (smallest, largest) in ranges.items():
            value = getattr(self, name)
            if not isinstance(value, int) or not smallest <= value <= largest:
                raise ValueError(f"card: {name} is {value!r}; allowed: whole numbers from {smallest} to {largest}")

    def to_dict(self) -> dict[str, Any]:
        """The facts as a dictionary that JSON can hold."""
        facts = asdict(self)
        for name in _LATER_FIELDS:
            if not facts.get(name):
                facts.pop(name, None)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in facts.items()}

    @classmethod
    def from_dict(cls, facts: Any) -> Self:
        """The card of facts from `to_dict`. Raises ValueError for a fact that is missing, unknown, of another type or
        beyond its range.
        """
        return from_facts(cls, facts, "card")


@dataclass(frozen=True, kw_only=True)
class Card(BaseCard):
    """The card of an image generator, from images to images.

    The result is `scale` times as high and wide. The network takes heights and widths that are a multiple of
    `multiple_of` and at least `min_size` pixels; `translate_image` pads to that. The tiles of a large image overlap by
    `overlap` of its pixels; 0 is a network that needs the whole image. They begin at multiples of `tile_step`, 0 for
    those of `multiple_of`: a network of windows that pads images itself takes more sizes than tiles. A network that
    `keeps_grey` restores images: what it makes of a grey one is grey. One with `label_classes` takes label maps: class
    indices in one channel, or `instance_maps`, class * 1000 + instance in 16 bits. `trained_size` is the median height
    and width of the images that it was trained on, before they were prepared. An exported file may take one `size`
    (batch, height, width) only.
    """

    in_channels: int
    scale: int = 1
    multiple_of: int = 1
    min_size: int = 1
    overlap: int = 0
    tile_step: int = 0
    keeps_grey: bool = False
    trained_size: tuple[int, int] | None = None
    label_classes: int = 0
    instance_maps: bool = False
    size: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        self._check_channels("in_channels")
        super().__post_init__()
        self._check_range(scale=(1, 256), multiple_of=(1, 4096), min_size=(1, 4096), overlap=(0, 2**16))
        self._check_range(label_classes=(0, 254), tile_step=(0, 4096))
        if self.tile_step % self.multiple_of:
            raise ValueError(f"card: tile_step is {self.tile_step}; allowed: multiples of {self.multiple_of}")
        for each in self.trained_size or ():
            if not 1 <= each <= LARGEST_SIDE:
                raise ValueError(f"card: trained_size has {each}; allowed: whole numbers from 1 to {LARGEST_SIDE}")
        for each in self.size or ():
            if not 1 <= each <= _LARGEST_SIZE:
                raise ValueError(f"card: size has {each}; allowed: whole numbers from 1 to {_LARGEST_SIZE}")


@dataclass(frozen=True, kw_only=True)
class NoiseCard(BaseCard):
    """The card of a latent generator, from noise to images.

    Images of `size` pixels, height and width, come from `latent` normally distributed numbers and, where there are
    `classes`, a label below their number. `truncation` says how variety is traded for typical images: by truncating and
    scaling the latent ("latent"), or by an input of that name, 1 where it isn't given ("input").
    """

    latent: int
    size: int
    classes: int = 0
    truncation: Truncation = "latent"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_range(latent=(1, 2**16), size=(1, _LARGEST_SIZE), classes=(0, 10**6))
        if self.truncation not in get_args(Truncation):
            raise ValueError(f"card: truncation is {self.truncation!r}; choose from: {', '.join(get_args(Truncation))}")


@dataclass(frozen=True, kw_only=True)
class SegmenterCard(BaseCard):
    """The card of a segmenter, from images to logits (N, `classes`, H, W); a label map has one channel.

    `names` are those of the classes in order, where they are known. Images have a height and a width of at least
    `min_size` pixels.
    """

    out_channels: int = 1
    in_channels: int
    classes: int
    names: tuple[str, ...] = ()
    min_size: int = 1

    def __post_init__(self) -> None:
        self._check_channels("in_channels")
        super().__post_init__()
        self._check_range(classes=(2, 255), min_size=(1, 4096))
        if len(self.names) not in (0, self.classes):
            raise ValueError(f"card: {len(self.names)} names of classes; allowed: {self.classes}, or none")
