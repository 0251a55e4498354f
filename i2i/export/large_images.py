"""Large images through a torch generator that needs the whole image, on the device that it was loaded on."""

from contextlib import suppress
from threading import Lock

import numpy as np
import torch

from i2i.export.bands import open_in_bands
from i2i.networks.generators.base import ImageGenerator
from i2i_runtime.card import Card
from i2i_runtime.images import Array, from_float, to_float
from i2i_runtime.tiles import padded_axes
from i2i_runtime.translate import Banded, Network, Progress, no_progress


class LargeImages:
    """Fills an array from a large image: whole on a GPU while its memory suffices, else over bands of rows.

    `network` is the generator in torch, on batches. Bands run in ONNX Runtime on the same device, for which the
    generator is traced once, at the first image that needs it. On a CPU a generator that cannot run over bands of rows
    gets the whole image.
    """

    def __init__(self, generator: ImageGenerator, card: Card, network: Network, device: torch.device) -> None:
        self._generator, self._card, self._network, self._device = generator, card, network, device
        self._threads = torch.get_num_threads()
        self._in_bands: Banded | None = None
        self._lock = Lock()  # an image in bands takes all cores

    def __call__(self, image: Array, out: Array, *, progress: Progress = no_progress) -> None:
        """Translate a large image, as `Banded`. Raises ValueError, with the reason, where neither the memory suffices
        nor bands are possible.
        """
        if self._device.type != "cpu":
            with suppress(MemoryError):
                return self._run_whole(image, out)
            torch.cuda.empty_cache()  # memory that torch keeps is not free for ONNX Runtime
        with self._lock:
            if self._in_bands is None:
                self._in_bands = self._open_in_bands()
            self._in_bands(image, out, progress=progress)

    def _run_whole(self, image: Array, out: Array, *, progress: Progress = no_progress) -> None:
        rows, columns = padded_axes(self._card, *image.shape[:2])
        batch = to_float(np.ascontiguousarray(image[np.ix_(rows, columns)].transpose(2, 0, 1)))[None]
        result = self._network(batch)[0, :, : out.shape[0], : out.shape[1]]
        if not np.isfinite(result).all():
            raise ValueError(f"{self._card.product} gave values that are not finite; check its weights and precision")
        out[...] = from_float(result.transpose(1, 2, 0), out.dtype)

    def _open_in_bands(self) -> Banded:
        try:
            if self._device.type not in ("cpu", "cuda") or self._device.index:
                raise ValueError(f"ONNX Runtime is used on the CPU and the first CUDA device, not on {self._device}")
            return open_in_bands(self._generator, self._card, provider=self._device.type, threads=self._threads)
        except ValueError as error:
            if self._device.type == "cpu":
                return self._run_whole
            reason = str(error)

        def refuse(image: Array, out: Array, *, progress: Progress = no_progress) -> None:
            height, width = image.shape[:2]
            raise ValueError(
                f"{width}x{height} image: not enough memory on {self._device}, and {self._card.product} cannot run "
                f"over bands of rows there ({reason}); choose the device cpu, or a smaller image"
            )

        return refuse
