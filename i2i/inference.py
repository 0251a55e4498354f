"""A trained generator as a function on images: NumPy in, NumPy out; tensor in, tensor out."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i import interop, registry
from i2i.devices import choose_device
from i2i.generators.base import ImageGenerator
from i2i.layers import TestTime, set_test_time
from i2i.recipe import build
from i2i.registry import did_you_mean
from i2i.training import checkpoint
from i2i_runtime import tiles
from i2i_runtime.card import Card
from i2i_runtime.translate import translate_image


class Translator:
    """A generator that takes any image: converted to the channels and sizes that it wants, and back.

    Called with a NumPy image (H, W) or (H, W, C), uint8, uint16 or float32 in [0, 1], it returns the same type; with a
    float tensor (C, H, W) or (N, C, H, W) in [0, 1], the same on the same device. Other values and shapes raise
    ValueError. The same image always gives the same result, also with dropout on.
    """

    def __init__(
        self, generator: ImageGenerator, card: Card, *, device: torch.device | str = "cpu", test_time: TestTime = "eval"
    ) -> None:
        self.card, self.device = card, torch.device(device)
        self._generator = set_test_time(generator, test_time).to(self.device)

    @overload
    def __call__(self, image: NDArray[Any]) -> NDArray[Any]: ...
    @overload
    def __call__(self, image: Tensor) -> Tensor: ...
    def __call__(self, image: NDArray[Any] | Tensor) -> NDArray[Any] | Tensor:
        return (
            self._translate_tensor(image)
            if isinstance(image, Tensor)
            else translate_image(self.network, self.card, image)
        )

    def network(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, C, H, W) in [0, 1] to the same, as an exported model does it; sizes must suit the card."""
        return self._run(torch.from_numpy(np.ascontiguousarray(images))).cpu().numpy()

    def _run(self, images: Tensor) -> Tensor:
        low, high = self._generator.value_range
        # Dropout at test time draws from a seed of its own, so that a picture does not depend on the ones before it.
        with torch.inference_mode(), torch.random.fork_rng():
            torch.manual_seed(0)
            result = self._generator(images.to(self.device) * (high - low) + low)
        return ((result - low) / (high - low)).clamp(0, 1)

    def _translate_tensor(self, image: Tensor) -> Tensor:
        if image.ndim not in (3, 4) or not image.is_floating_point() or image.shape[-3] != self.card.in_channels:
            raise ValueError(
                f"tensor of shape {tuple(image.shape)} and {image.dtype}; legal: float in [0, 1], "
                f"({self.card.in_channels}, H, W) or (N, {self.card.in_channels}, H, W)"
            )
        batch = image if image.ndim == 4 else image[None]
        height, width = batch.shape[2:]
        rows, columns = (
            tiles.reflected(size, multiple_of=self.card.multiple_of, min_size=self.card.min_size)
            for size in (height, width)
        )
        padded = batch[:, :, rows][..., columns].float()
        # One by one: with batch norm at its published test time the statistics are an image's own.
        result = torch.cat([self._run(single) for single in padded.split(1)])
        result = result[..., : height * self.card.scale, : width * self.card.scale].to(image.device, image.dtype)
        return result if image.ndim == 4 else result[0]


def load(
    path: str | Path, *, product: str | None = None, device: str = "auto", test_time: TestTime | None = None
) -> Translator:
    """The generator of a run, of a checkpoint folder, of one `.safetensors` file, or of a published `.pth`.

    `product` names the direction where there are several (the first by default). `test_time` "published" runs batch
    norm on the image's own statistics with dropout on, "eval" does neither; by default what the method was published
    with. Raises ValueError.
    """
    path = Path(path)
    if path.is_file() and not _is_ours(path):
        generator = interop.load_published(path)
        # Batch norm was published to be used with the statistics of the image at hand.
        shown = "eval" if generator.batch_independent else "published"
        facts: Mapping[str, Any] = {"product": path.stem, "test_time": shown}
    else:
        file = path if path.is_file() else _product_file(checkpoint.find(path), product)
        weights, facts = checkpoint.load_product(file)
        generator = build(registry.generators, json.loads(facts["generator"]))
        try:
            generator.load_state_dict(weights)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{file}: the weights do not fit the generator that the file names ({reason})") from None
    card = Card(
        product=facts["product"],
        in_channels=generator.in_channels,
        out_channels=generator.out_channels,
        scale=generator.scale,
        multiple_of=generator.multiple_of,
        min_size=generator.min_size,
        value_range=generator.value_range,
        step=int(facts.get("step", 0)),
        version=facts.get("version", ""),
    )
    return Translator(
        generator, card, device=choose_device(device), test_time=test_time or facts.get("test_time", "eval")
    )


def list_products(path: Path) -> list[str]:
    """The products of a run or checkpoint, the default first; empty for a single file."""
    return [] if path.is_file() else [file.stem for file in _product_files(checkpoint.find(path))]


def _is_ours(file: Path) -> bool:
    return file.suffix == ".safetensors" and "generator" in checkpoint.load_product(file)[1]


def _product_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _product_file(folder: Path, product: str | None) -> Path:
    files = {file.stem: file for file in _product_files(folder)}
    if product is None:
        return next(iter(files.values()))
    if product not in files:
        raise ValueError(f"{folder}: no product {product!r}; {did_you_mean(product, files)}")
    return files[product]
