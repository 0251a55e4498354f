"""An exported generator of images from noise as a function of seeds, run by ONNX Runtime.

sampler = ExportedSampler("faces.onnx")
images = sampler(range(16), truncation=0.7)  # uint8 (16, H, W, C)
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2i_runtime.engines.base import ModelFile, TensorFacts, memory_errors, read_noise_card
from i2i_runtime.engines.onnxruntime import open_session, run_session, tensors_of
from i2i_runtime.images import Array, from_float, to_float
from i2i_runtime.seeds import check_seeds, labels_of, latents

# A file's ends, beside its image
LATENT, LABEL, TRUNCATION = "latent", "label", "truncation"


class ExportedSampler:
    """An exported generator of images from noise. Seeds, labels and truncation give the images that they give in torch,
    but for rounding to the next grey level where the file's precision is full.

    `providers` and `threads` are those of `Session`. Raises ValueError like it, and for a generator of images from
    images.
    """

    engine = "onnxruntime"

    def __init__(self, path: str | Path, *, providers: Sequence[str] = ("auto",), threads: int = 0) -> None:
        file = ModelFile.read(path)
        self._session, self.provider = open_session(file, providers, threads)
        self.card = read_noise_card(file.path, self._session.get_modelmeta().custom_metadata_map)

    def tensors(self) -> tuple[list[TensorFacts], list[TensorFacts]]:
        """The inputs and the outputs of the graph."""
        return tensors_of(self._session)

    @property
    def classes(self) -> int:
        """Number of classes; 0: it takes no labels."""
        return self.card.classes

    @property
    def weights(self) -> str:
        """Checksum of the weights, and the precision where it is reduced."""
        card = self.card
        return card.weights if card.precision == "float32" else f"{card.weights} in {card.precision}"

    def __call__(
        self, seeds: Sequence[int], labels: Sequence[int] | None = None, *, truncation: float = 1.0
    ) -> NDArray[np.uint8]:
        """Generate (N, size, size, out_channels), an image for each seed; `labels` are by default those of `labels_of`.

        A `truncation` from 0 to 1 trades variety for typical images. Raises ValueError for a seed, label or truncation
        out of its range, and MemoryError where the device has too little memory.
        """
        labels = self.labels_of(seeds) if labels is None else labels
        images = self.network(self.draw(seeds, truncation=truncation), labels, truncation=truncation)
        return from_float(images.transpose(0, 2, 3, 1), np.uint8)

    def labels_of(self, seeds: Sequence[int], label: int | None = None) -> list[int]:
        """The class of each seed: `label`, or all classes in turn; empty without classes."""
        return labels_of(seeds, label, self.card.classes)

    def draw(self, seeds: Sequence[int], *, truncation: float = 1.0) -> NDArray[np.float32]:
        """The latents (N, latent) of seeds."""
        check_seeds(seeds, truncation)
        cut = truncation if self.card.truncation == "latent" else 1.0
        return latents(seeds, self.card.latent, truncation=cut)

    def network(
        self, latents: NDArray[np.float32], labels: Sequence[int] = (), *, truncation: float = 1.0
    ) -> NDArray[np.float32]:
        """Generate images (N, C, size, size) in [0, 1] from latents (N, latent). `truncation` has an effect only in a
        file with an input for it.
        """
        given: dict[str, Array] = {LATENT: latents}
        if self.card.classes:
            given[LABEL] = np.array(labels, np.int64)
        if self.card.truncation == "input":
            given[TRUNCATION] = np.array(truncation, np.float32)
        with memory_errors():
            images = run_session(self._session, given)
        return to_float(images).transpose(0, 3, 1, 2) if self.card.io == "uint8" else images
