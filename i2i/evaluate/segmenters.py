"""Segmenters from wherever they are kept: an .onnx file, a Python function, or a run, checkpoint or weights file."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from i2i.checkpoints.card import segmenter_card_of
from i2i.checkpoints.load import load_segmenter
from i2i.devices import choose_device
from i2i.metrics.segmentation import segmenter as files
from i2i.metrics.segmentation.onnx_segmenter import argmax_of_resized
from i2i.networks.value_range import ValueRange
from i2i_runtime.images.prepare import preparation


class TorchSegmenter:
    """A segmenter of a run, a checkpoint folder or a weights file, as a function on images, which are resized to their
    size in training. Raises ValueError where it cannot be loaded, and for one that does not take RGB.
    """

    def __init__(self, path: Path, *, device: str = "auto") -> None:
        self.name, self._device = str(path), choose_device(device)
        network, facts = load_segmenter(path)
        if network.in_channels != 3:
            raise ValueError(f"segmenter {path}: takes images of {network.in_channels} channels; allowed: 3, RGB")
        card = segmenter_card_of(network, facts)
        self.classes, self.class_names = card.classes, card.names
        self._prepare = preparation(card.recipe)
        self._network = network.to(self._device).eval()

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.integer]:
        """Class indices (H, W) of an image, uint8 (H, W, 3)."""
        prepared = np.ascontiguousarray(self._prepare(image)[None])
        batch = torch.from_numpy(prepared).to(self._device).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            logits = self._network(ValueRange(*self._network.value_range).from_unit(batch))
        return argmax_of_resized(logits[0].float().cpu().numpy(), *image.shape[:2])


def open_segmenter(name: str, *, imagenet: bool = False, device: str = "auto") -> files.Segmenter:
    """Open `file.onnx`, `file.py:function`, `module:function`, or a run, checkpoint folder or weights file of ours.

    `imagenet` normalises the input of an .onnx file by ImageNet's mean and deviation. Raises ValueError for other
    names, and where loading fails.
    """
    path = Path(name)
    if path.suffix.lower() != ".onnx" and (path.exists() or path.is_symlink()):
        if imagenet:
            raise ValueError(
                f"segmenter {name}: --imagenet is for .onnx files of others; this one normalises by itself"
            )
        return TorchSegmenter(path, device=device)
    mean, std = (files.IMAGENET_MEAN, files.IMAGENET_STD) if imagenet else (None, None)
    return files.load_segmenter(name, mean=mean, std=std)
