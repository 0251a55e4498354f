"""An exported .onnx file as a function on images, whatever engine runs it, and the card in its metadata."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from i2i_runtime import tiles
from i2i_runtime.bands import ROWS, Subgraph, run_in_bands
from i2i_runtime.bands.plan import BANDS, from_json
from i2i_runtime.card import BaseCard, Card, NoiseCard, SegmenterCard
from i2i_runtime.files import printable, read_errors
from i2i_runtime.images import Array, from_float, to_float
from i2i_runtime.images.prepare import Prepare, preparation
from i2i_runtime.schema import parse_json
from i2i_runtime.tiles import Tiling
from i2i_runtime.translate import Banded, Progress, no_progress, translate_image

# Keys in a file's metadata that hold its card, as JSON: of an image generator, of a latent one, or of a segmenter
CARD, NOISE_CARD, SEGMENTER_CARD = "i2i_card", "i2i_noise_card", "i2i_segmenter_card"

MOST_THREADS = 1024  # of the CPU

_Kind = TypeVar("_Kind", bound=BaseCard)

# How engines say that memory ran out; they have no error class for it.
_OUT_OF_MEMORY = re.compile("failed to allocate|bad.?alloc|out of memory|bfcarena", re.IGNORECASE)


class LatentModelError(ValueError):
    """A file of a latent generator was opened where an image generator is needed."""


class TensorFacts(NamedTuple):
    """An input or output of a graph: its name, NumPy's name of its type, and its dimensions, numbers or names."""

    name: str
    type: str
    shape: Sequence[int | str]


class ModelFile(NamedTuple):
    """An exported file, read once: what is at its path later, perhaps another model, is never used.

    An engine opens `content`, which is the path only where weights lie in a file beside it, as above 2 GB.
    """

    path: Path
    content: bytes | Path
    checksum: str  # SHA-256 of the whole file, and of the weights beside it

    @classmethod
    def read(cls, path: str | Path) -> "ModelFile":
        """Read a file. Raises ValueError that names it where it cannot be read."""
        file = Path(path)
        check_file(file)
        with read_errors(file):
            content = file.read_bytes()
            digest = hashlib.sha256(content)
            beside = file.with_name(f"{file.name}.data")
            if not beside.is_file():
                return cls(file, content, digest.hexdigest())
            with open(beside, "rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return cls(file, file, digest.hexdigest())


class ExportedModel(ABC):
    """An exported image generator: called with an image of any size, or through `network` with batches.

    A subclass is an engine: `engine` is its name, `provider` what the file runs on, `device` "cpu" or "cuda". It sets
    those two and calls this constructor with the file and its metadata. `checksum` is of the whole file. Raises
    ValueError for a file without a card, and `LatentModelError` for a latent generator.
    """

    engine: str
    provider: str
    device: str
    prepare: Prepare | None = None

    def __init__(self, file: ModelFile, metadata: Mapping[str, str]) -> None:
        self.card = read_card(file.path, metadata)
        self.checksum = file.checksum
        self._plan = metadata.get(BANDS)
        self._content = file.content if self._plan is not None else b""  # for subgraphs
        self._tiling = Tiling(self.card)

    def __call__(self, image: Array) -> Array:
        """Translate one image, as `translate_image`: (H, W) or (H, W, 1|3|4), uint8, uint16 or float32 in [0, 1]."""
        fits = self.card.size is not None and image.shape[:2] == self.card.size[1:]
        tiling = Tiling(self.card, 0) if fits else self._tiling
        return translate_image(self.network, self.card, image, tiling=tiling, banded=self.banded, prepare=self.prepare)

    def preparation(self) -> Prepare:
        """The preparation of images as in training. Raises ValueError where it is not known."""
        return preparation(self.card.recipe, of_labels=bool(self.card.label_classes))

    @property
    def banded(self) -> Banded | None:
        """Large images over bands of rows, where the file has a plan for that; else None."""
        return self.run_in_bands if self._plan is not None else None

    def run_in_bands(self, image: Array, out: Array, *, rows: int = ROWS, progress: Progress = no_progress) -> None:
        """Translate in bands of rows, as `bands.run_in_bands`. Raises ValueError for a file without a plan."""
        if self._plan is None:
            raise ValueError(f"{self.card.product} can't run in bands of rows; export it again, or resize the image")
        with memory_errors():
            plan = from_json(self._plan)
            file = self._content if isinstance(self._content, bytes) else self._content.read_bytes()
            run_in_bands(file, plan, self.card, image, out, self._open_subgraph, rows=rows, progress=progress)

    def network(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, C, H, W) in [0, 1] to (N, C', scale * H, scale * W) in [0, 1]; sizes must suit the card.

        A file with uint8 input and output rounds to 8 bits both ways. Raises ValueError for a size that a file of fixed
        size does not take, and MemoryError where the device has too little memory. Safe to call from several threads.
        """
        if self.card.size is None:
            return self._run_batch(images)
        number, height, width = self.card.size
        self._check_size(*images.shape[2:])
        rows, columns = (
            tiles.reflect_indices(have, multiple_of=1, min_size=needed)
            for have, needed in zip(images.shape[2:], (height, width), strict=True)
        )
        # The last batch is filled up with the first images.
        batches = [np.arange(start, start + number) % len(images) for start in range(0, len(images), number)]
        results = [self._run_batch(images[batch][:, :, rows][..., columns]) for batch in batches]
        kept = [size * self.card.scale for size in images.shape[2:]]
        return np.concatenate(results)[: len(images), :, : kept[0], : kept[1]]

    @abstractmethod
    def tensors(self) -> tuple[list[TensorFacts], list[TensorFacts]]:
        """The inputs and the outputs of the graph."""

    @abstractmethod
    def _run_graph(self, batch: Array) -> Array:
        """The output of the graph for a C-contiguous batch of its input's type and layout; a new array."""

    @abstractmethod
    def _open_subgraph(self, file: bytes) -> Subgraph:
        """A subgraph of the file, opened in the same engine."""

    def _check_size(self, height: int, width: int) -> None:
        _, max_height, max_width = self.card.size or (0, height, width)
        # Where every pixel depends on the whole image, padding would change the picture.
        fits = (height, width) == (max_height, max_width) or self.card.overlap
        if not fits or height > max_height or width > max_width:
            raise ValueError(
                f"{self.card.product} was exported for {max_width}x{max_height} pixels only, not for {width}x{height}; "
                "resize the image, or export without --static"
            )

    def _run_batch(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        with memory_errors():
            if self.card.io == "float":
                return self._run_graph(np.ascontiguousarray(images))
            pixels = np.ascontiguousarray(from_float(images, np.uint8).transpose(0, 2, 3, 1))
            return to_float(np.ascontiguousarray(self._run_graph(pixels).transpose(0, 3, 1, 2)))


def check_file(path: Path) -> None:
    """Raises ValueError for a missing file, and for a URL."""
    if re.match(r"[a-z0-9]{2,}:/", str(path)):  # Path has taken one of two slashes
        raise ValueError(f"{printable(path)}: a model is a file on this machine, not a URL; copy it here first")
    if not path.is_file():
        raise ValueError(f"{printable(path)}: no such file")


def check_graph(file: Path, card: Card, inputs: Sequence[TensorFacts]) -> None:
    """Raises ValueError where a graph does not take the images that its card says."""
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise ValueError(f"{printable(file)}: the graph takes something else than one batch of images; export it again")
    (given,) = inputs
    is_uint8 = given.type == "uint8"
    number, *rest = given.shape
    height, width, channels = rest if is_uint8 else (*rest[1:], rest[0])
    sides = zip((number, height, width), card.size or (None,) * 3, strict=True)
    said = "any" if card.size is None else "x".join(map(str, card.size))
    facts = {
        f"io is {card.io!r}": is_uint8 == (card.io == "uint8"),
        f"in_channels is {card.in_channels}": channels == card.in_channels or not isinstance(channels, int),
        f"size is {said}": all(side == of_card for side, of_card in sides if isinstance(side, int)),
    }
    for fact, holds in facts.items():
        if not holds:
            shape = ", ".join(str(side or "?") for side in given.shape)
            graph = f"{given.name}: {given.type} ({shape})"
            raise ValueError(f"{printable(file)}: the card's {fact}, but the graph takes {graph}; export it again")


def check_threads(threads: int) -> None:
    """Raises ValueError for a number of threads that no machine has."""
    if not 0 <= threads <= MOST_THREADS:
        raise ValueError(f"threads: {threads} is refused; allowed: 0, all cores, to {MOST_THREADS}")


def refused(path: Path, engine: str, error: Exception) -> ValueError:
    """The error for a file that an engine cannot run."""
    return ValueError(f"{printable(path)}: not a file that {engine} can run ({' '.join(str(error).split())[:200]})")


def read_card(path: Path, metadata: Mapping[str, str]) -> Card:
    """The card of an image generator. Raises ValueError where there is none, `LatentModelError` for a latent one."""
    if NOISE_CARD in metadata:
        raise LatentModelError(f"{printable(path)}: makes images of noise, not of images; use sample")
    if SEGMENTER_CARD in metadata:
        raise ValueError(f"{printable(path)}: a segmenter, which gives label maps, not images; use evaluate or gate")
    if CARD not in metadata:
        raise ValueError(
            f"{printable(path)}: no card in it; a file that has one is made by: i2i export MODEL --out x.onnx"
        )
    return _read(Card, path, metadata[CARD])


def read_noise_card(path: Path, metadata: Mapping[str, str]) -> NoiseCard:
    """The card of a latent generator. Raises ValueError where there is none."""
    if NOISE_CARD not in metadata:
        read_card(path, metadata)  # raises for a file without any card
        raise ValueError(f"{printable(path)}: makes images of images, not of noise; use translate")
    return _read(NoiseCard, path, metadata[NOISE_CARD])


def read_segmenter_card(path: Path, metadata: Mapping[str, str]) -> SegmenterCard | None:
    """The card of a segmenter; None for a file of others, which has none. Raises ValueError for a damaged one."""
    return _read(SegmenterCard, path, metadata[SEGMENTER_CARD]) if SEGMENTER_CARD in metadata else None


def _read(kind: type[_Kind], path: Path, facts: str) -> _Kind:
    try:
        return kind.from_dict(parse_json(facts))
    except ValueError as error:
        raise ValueError(f"{printable(path)}: {error}") from None


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turns an engine's error for memory that ran out into a MemoryError."""
    try:
        yield
    except Exception as error:
        if not _OUT_OF_MEMORY.search(str(error)):
            raise
        raise MemoryError(str(error).partition("\n")[0]) from None
