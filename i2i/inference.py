"""A trained generator as a function on images: NumPy in, NumPy out; tensor in, tensor out."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, cast, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from i2i.checkpoints.card import card_of
from i2i.checkpoints.load import list_products, load_generator
from i2i.data.download import Progress
from i2i.devices import choose_device, kept_random_numbers
from i2i.export.large_images import LargeImages
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.layers import TestTime, set_test_time
from i2i.networks.value_range import ValueRange
from i2i_runtime import tiles
from i2i_runtime.card import Card
from i2i_runtime.tiles import Tiling
from i2i_runtime.translate import Banded, translate_image

__all__ = ["Translator", "list_products", "load", "share_cores"]

# How the allocator of CPUs says that it is out of memory; it has no error class of its own.
_ALLOCATOR = re.compile("DefaultCPUAllocator|not enough memory|can't allocate memory")


class Translator:
    """A generator that takes any image: converted to the channels and sizes that it wants, and back.

    Called with a NumPy image (H, W) or (H, W, C), uint8, uint16 or float32 in [0, 1], it returns the same type; with a
    float tensor (C, H, W) or (N, C, H, W) in [0, 1], the same on the same device. Other values and shapes raise
    ValueError. The same image always gives the same result, also with dropout on. Large NumPy images go through in
    tiles, where the generator can take them; tensors whole.
    """

    engine = "torch"

    def __init__(
        self, generator: ImageGenerator, card: Card, *, device: torch.device | str = "cpu", test_time: TestTime = "eval"
    ) -> None:
        self.card, self.device = card, torch.device(device)
        self.provider = str(self.device)
        self._tiling = Tiling(card)
        self._one_at_a_time = Lock()  # random numbers are the whole process's
        self._draws = True  # random numbers, as far as is known
        self._generator = set_test_time(generator, test_time).to(self.device)
        if not any(isinstance(layer, nn.InstanceNorm2d) for layer in self._generator.modules()):
            # Up to twice as fast with channels last, and in two thirds of the memory; instance norm is slower with it.
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
            else translate_image(self.network, self.card, image, tiling=self._tiling, banded=self.banded)
        )

    @property
    def banded(self) -> Banded | None:
        """How large images go through a generator that needs the whole image; None for one that takes tiles."""
        return None if self.card.overlap else self._large_images

    def network(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, C, H, W) in [0, 1] to the same but not clipped, as an exported model does it; sizes must suit the card.

        Raises MemoryError where the device has too little memory.
        """
        with _memory_errors():
            return self._run(torch.from_numpy(np.ascontiguousarray(images))).cpu().numpy()

    def _run(self, images: Tensor) -> Tensor:
        value_range = ValueRange(*self._generator.value_range)
        with torch.inference_mode(), self._own_random_numbers() if self._draws else nullcontext():
            result = self._generator(value_range.from_unit(images.to(self.device)))
        return value_range.to_unit(result)

    @contextmanager
    def _own_random_numbers(self) -> Iterator[None]:
        """Dropout at test time draws from a seed of its own: a picture does not depend on the ones before it."""
        with self._one_at_a_time, kept_random_numbers(self.device):
            torch.manual_seed(0)
            before = torch.get_rng_state()
            yield
            # What drew nothing need not wait for others the next time. Other devices have random numbers of their own.
            self._draws = self.device.type != "cpu" or not torch.equal(before, torch.get_rng_state())

    def _translate_tensor(self, image: Tensor) -> Tensor:
        if image.ndim not in (3, 4) or not image.is_floating_point() or image.shape[-3] != self.card.in_channels:
            raise ValueError(
                f"tensor of shape {tuple(image.shape)} and {image.dtype}; allowed: float in [0, 1], "
                f"({self.card.in_channels}, H, W) or (N, {self.card.in_channels}, H, W)"
            )
        batch = image if image.ndim == 4 else image[None]
        height, width = batch.shape[2:]
        rows, columns = tiles.padded_axes(self.card, height, width)
        padded = batch[:, :, rows][..., columns].float()
        # One by one: with batch norm at its published test time the statistics are an image's own.
        result = torch.cat([self._run(single) for single in padded.split(1)]).clamp(0, 1)
        result = result[..., : height * self.card.scale, : width * self.card.scale].to(image.device, image.dtype)
        return result if image.ndim == 4 else result[0]


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Raises MemoryError instead of the errors that torch has for it."""
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
    progress: Progress | None = None,
    notify: Callable[[str], None] = lambda message: None,
) -> Translator:
    """The generator of a run, of a checkpoint folder, of a file, ours or published, or of a name in `i2i list weights`.

    `product` names the direction where there are several (the first by default). `test_time` "published" runs batch
    norm on the image's own statistics with dropout on, "eval" does neither; by default what the method was published
    with. `progress` and `notify` are for weights that are downloaded now. Raises ValueError.
    """
    generator, facts = load_generator(path, product, progress=progress, notify=notify)
    return translator_of(generator, facts, device=device, test_time=test_time)


def translator_of(
    generator: ImageGenerator, facts: Mapping[str, str], *, device: str = "auto", test_time: TestTime | None = None
) -> Translator:
    """Make a loaded generator, with the facts of its file, a function on images."""
    chosen = test_time or cast(TestTime, facts["test_time"])
    card = replace(card_of(generator, facts), test_time=chosen if _depends_on_test_time(generator) else "eval")
    return Translator(generator, card, device=choose_device(device), test_time=chosen)


def share_cores(translator: Translator, workers: int | None = None) -> int:
    """How many threads should call `network` at once, `workers` if that is given; each gets its share of a CPU.

    Two images beside each other are done sooner than one after the other on all cores, where threads wait for the last
    of them at every layer. The share holds for the whole process.
    """
    on_cpu = translator.device.type == "cpu"
    threads = torch.get_num_threads()
    if workers is None:
        # With dropout they would take turns.
        workers = min(2, threads) if on_cpu and not translator.card.test_time.startswith("published") else 1
    if on_cpu and workers > 1:
        torch.set_num_threads(max(1, threads // workers))
    return workers


def _depends_on_test_time(generator: nn.Module) -> bool:
    return any(isinstance(layer, nn.Dropout | nn.BatchNorm2d) for layer in generator.modules())
