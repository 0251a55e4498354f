"""A trained generator as a function on images: NumPy in, NumPy out; tensor in, tensor out."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, Literal, cast, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from i2i.checkpoints.card import card_of
from i2i.checkpoints.load import list_products, load_generator
from i2i.data.augment import Pipeline
from i2i.devices import choose_device, preserve_random_state, total_memory
from i2i.download import Progress
from i2i.export.large_images import LargeImages
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import TestTime, set_test_time
from i2i.networks.peak_memory import peak_memory
from i2i.networks.reparameterised import fold
from i2i.networks.seeded_dropout import seeded_dropout
from i2i.networks.value_range import ValueRange
from i2i.registry import augmentations
from i2i_runtime import tiles
from i2i_runtime.card import Card
from i2i_runtime.images import from_float, to_float
from i2i_runtime.images.prepare import PARTS, Prepare, trained_steps
from i2i_runtime.tiles import Tiling
from i2i_runtime.translate import Banded, translate_image

__all__ = ["Translator", "list_products", "load", "share_cores"]

# Messages of torch's CPU allocator, which has no error class of its own for a lack of memory.
_ALLOCATOR = re.compile("DefaultCPUAllocator|not enough memory|can't allocate memory")


_SMALL = 3 * 2**18  # numbers of an image that fits into any memory

_RANDOM_STATE = Lock()  # torch's is global: two translators that draw take turns


class Translator:
    """A generator as a function on images of any size, which are converted to its channels and sizes and back.

    Called with a NumPy image (H, W) or (H, W, C), uint8, uint16 or float32 in [0, 1], it returns the same type; with a
    float tensor (C, H, W) or (N, C, H, W) in [0, 1], the same on the same device. Other values and shapes raise
    ValueError. The same image always gives the same result, also with dropout. Large NumPy images are cut into tiles,
    where the generator allows it; tensors are not.
    """

    engine, checksum = "torch", ""
    prepare: Prepare | None = None  # of NumPy images, before the network

    def __init__(
        self, generator: ImageGenerator, card: Card, *, device: torch.device | str = "cpu", test_time: TestTime = "eval"
    ) -> None:
        self.card, self.device = card, torch.device(device)
        self.provider = str(self.device)
        self._tiling = Tiling(card)
        self._fits = _SMALL  # numbers of the largest image whose memory was counted
        self._is_random = True  # until a forward pass on a CPU has drawn nothing
        self._generator = set_test_time(fold(generator), test_time).to(self.device)
        has_instance_norm = any(isinstance(layer, nn.InstanceNorm2d) for layer in self._generator.modules())
        if self._generator.channels_last and not has_instance_norm:
            # Up to twice as fast and two thirds of the memory, but slower with instance norm.
            self._generator.to(memory_format=torch.channels_last)
        self._large_images = LargeImages(self._generator, card, self.network, self.device)

    @overload
    def __call__(self, image: NDArray[Any]) -> NDArray[Any]: ...
    @overload
    def __call__(self, image: Tensor) -> Tensor: ...
    def __call__(self, image: NDArray[Any] | Tensor) -> NDArray[Any] | Tensor:
        return (
            self._translate_tensor(image)
            if isinstance(image, Tensor)
            else translate_image(
                self.network,
                self.card,
                image,
                tiling=self._tiling,
                banded=self.banded,
                prepare=self.prepare,
            )
        )

    def preparation(self) -> Prepare:
        """The preparation of images as in training: the recipe's `augment.test`, without crops and flips. Raises
        ValueError where a step is not known.
        """
        steps = trained_steps(self.card.recipe)
        pipeline = Pipeline({name: options for name, options in steps.items() if not _chooses_part(name)})

        def prepare(image: NDArray[Any]) -> NDArray[Any]:
            if self.card.label_classes:  # by nearest neighbour, as steps know label maps by their type
                return pipeline((image.astype(np.int32),), 0)[0].astype(image.dtype)
            if image.dtype == np.uint16:  # steps take bytes or floats
                return from_float(np.asarray(pipeline((to_float(image),), 0)[0], np.float32), np.uint16)
            return pipeline((image,), 0)[0]

        return prepare

    @property
    def banded(self) -> Banded | None:
        """How large images go through a generator that needs the whole image; None for one that takes tiles."""
        return None if self.card.overlap else self._large_images

    def network(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Forward pass of the generator: (N, C, H, W) in [0, 1] -> the same, not clipped; sizes must suit the card.

        Raises MemoryError where the device has too little memory.
        """
        self._check_memory(images.shape)
        with _memory_errors():
            return self._run(torch.from_numpy(np.ascontiguousarray(images))).cpu().numpy()

    def _check_memory(self, shape: tuple[int, ...]) -> None:
        """Raises MemoryError for a whole image that takes more than a CPU's memory: some systems end the process."""
        if self.card.overlap or self.device.type != "cpu" or math.prod(shape) <= self._fits:
            return
        try:
            needed = peak_memory(self._generator, shape)
        except (RuntimeError, NotImplementedError):  # it reads values of its tensors
            return
        if needed > (there := total_memory(self.device)):
            raise MemoryError(f"an image of {shape} takes {needed / 1e9:,.0f} GB of {there / 1e9:,.0f}")
        self._fits = math.prod(shape)

    def _run(self, images: Tensor) -> Tensor:
        value_range = ValueRange(*self._generator.value_range)
        own_numbers = seeded_dropout(self.device)
        with torch.inference_mode(), own_numbers, self._fixed_seed() if self._is_random else nullcontext():
            result = self._generator(value_range.from_unit(images.to(self.device)))
        return value_range.to_unit(result)

    @contextmanager
    def _fixed_seed(self) -> Iterator[None]:
        """A network that draws from the process's random numbers itself gets a fixed seed, too."""
        with _RANDOM_STATE, preserve_random_state(self.device):
            torch.manual_seed(0)
            before = torch.get_rng_state()
            yield
            # A network that drew nothing needs no lock the next time; only the CPU's random state can be compared.
            self._is_random = self.device.type != "cpu" or not torch.equal(before, torch.get_rng_state())

    def _translate_tensor(self, image: Tensor) -> Tensor:
        if self.prepare is not None:
            raise ValueError("prepare: tensors are not prepared; allowed: NumPy images")
        if image.ndim not in (3, 4) or not image.is_floating_point() or image.shape[-3] != self.card.in_channels:
            raise ValueError(
                f"tensor of shape {tuple(image.shape)} and {image.dtype}; allowed: float in [0, 1], "
                f"({self.card.in_channels}, H, W) or (N, {self.card.in_channels}, H, W)"
            )
        batch = image if image.ndim == 4 else image[None]
        height, width = batch.shape[2:]
        rows, columns = tiles.padded_axes(self.card, height, width)
        padded = batch[:, :, rows][..., columns].float()
        # One by one, for the statistics of each image at the published test time.
        result = torch.cat([self._run(single) for single in padded.split(1)]).clamp(0, 1)
        result = result[..., : height * self.card.scale, : width * self.card.scale].to(image.device, image.dtype)
        return result if image.ndim == 4 else result[0]


def _chooses_part(step: str) -> bool:
    return step in PARTS or getattr(augmentations[step], "role", "") in ("crop", "flip")


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Turns torch's errors for a lack of memory into MemoryError."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and not _ALLOCATOR.search(str(error)):
            raise
        raise MemoryError(str(error).partition("\n")[0]) from None


def load(
    path: str | Path,
    *,
    product: str | None = None,
    device: str = "auto",
    test_time: TestTime | None = None,
    prepare: Literal["none", "as-trained"] = "none",
    progress: Progress | None = None,
    notify: Callable[[str], None] = lambda message: None,
) -> Translator:
    """Load a generator as a function on images, from a run, a checkpoint folder, a weights file, ours or published, or
    by a name of `i2i list weights`.

    `product` names the direction where there are several (the first by default). `test_time` "published" runs batch
    norm on the image's own statistics with dropout on, "eval" does neither; by default what the method was published
    with. `prepare` "as-trained" puts NumPy images through the recipe's `augment.test`, without crops. `progress` is for
    weights that are downloaded now, `notify` for what else takes time. Raises ValueError.
    """
    generator, facts = load_generator(path, product, progress=progress, notify=notify)
    translator = translator_of(generator, facts, device=device, test_time=test_time)
    if prepare == "as-trained":
        translator.prepare = translator.preparation()
    return translator


def translator_of(
    generator: ImageGenerator, facts: Mapping[str, str], *, device: str = "auto", test_time: TestTime | None = None
) -> Translator:
    """Make a loaded generator, with the facts of its file, a function on images."""
    chosen = test_time or cast(TestTime, facts["test_time"])
    card = replace(card_of(generator, facts), test_time=chosen if _depends_on_test_time(generator) else "eval")
    return Translator(generator, card, device=choose_device(device), test_time=chosen)


def share_cores(translator: Translator, workers: int | None = None) -> int:
    """Number of threads that should call `network` at once, `workers` if given; a CPU's cores are divided among them.

    Two images at once, each on half of the cores, are done sooner than one after the other on all cores, which wait for
    each other at every layer. The division holds for the whole process.
    """
    on_cpu = translator.device.type == "cpu"
    threads = torch.get_num_threads()
    if workers is None:
        # A network that draws from the process's random numbers takes their lock.
        workers = min(2, threads) if on_cpu and not translator.card.test_time.startswith("published") else 1
    if on_cpu and workers > 1:
        torch.set_num_threads(max(1, threads // workers))
    return workers


def _depends_on_test_time(generator: nn.Module) -> bool:
    return any(isinstance(layer, nn.Dropout | nn.BatchNorm2d) for layer in generator.modules())
