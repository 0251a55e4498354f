"""Training of a small segmenter on frames in memory, to measure what these frames teach."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from i2i.data.augment import Pipeline
from i2i.devices import preserve_random_state
from i2i.evaluate.labelled_frames import LabelledFrames
from i2i.evaluate.pairs import Pixels
from i2i.losses.segmentation import cross_entropy
from i2i.metrics.segmentation.iou import Counts, confusion_matrix
from i2i.networks.segmenters.base import Segmenter
from i2i.networks.segmenters.unet import UnetSegmenter
from i2i.networks.value_range import ValueRange
from i2i.recipe import Optimizer
from i2i.training.schedules import Cosine
from i2i.training.update import TrainingUpdate

BATCH = 8
_ADAM = {"name": "adam", "lr": 2e-3, "betas": [0.9, 0.999]}
# Colours vary more than those of a simulator do; geometry stays, but for the side of the street.
_JITTER = {"brightness": [0.7, 1.3], "contrast": [0.7, 1.3], "saturation": [0.7, 1.3], "hue": [-0.05, 0.05]}
_AUGMENT: dict[str, Any] = {"flip": {}, "ColorJitter": _JITTER}


def fit_segmenter(
    frames: LabelledFrames,
    classes: int,
    *,
    steps: int,
    seed: int,
    device: torch.device,
    progress: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> Segmenter | None:
    """Train the default U-Net on frames by cross-entropy: batches of 8, Adam, a cosine from a rate of 2e-3 to 0.

    Weights, order and augmentation (flips, colours) depend on the seed alone. `progress` is called after each step;
    where `stop` returns True, training ends and there is no segmenter.
    """
    with preserve_random_state(device):
        torch.manual_seed(seed)
        segmenter = UnetSegmenter(classes=classes).to(device).to(memory_format=torch.channels_last)
    update = TrainingUpdate({"segmenter": segmenter}, Optimizer.model_validate(_ADAM))
    rate = Cosine()
    for step, (images, labels) in zip(range(steps), _batches(frames, seed, device), strict=False):
        if stop():
            return None
        update.begin_step(step, rate(step, steps))
        update("segmenter", cross_entropy=cross_entropy(segmenter(images), labels))
        progress()
    update.check_finite()
    return segmenter.eval()


def confusion_of(segmenter: Segmenter, frames: LabelledFrames, *, device: torch.device) -> Counts:
    """Confusion matrix of the segmenter's predictions over all frames, as `confusion_matrix` counts."""
    counts = np.zeros((segmenter.classes, segmenter.classes + 1), np.int64)
    with torch.inference_mode():
        for image, truth in zip(*frames, strict=True):
            predicted = segmenter(_to_tensor(image[None], device)).argmax(1)[0].cpu().numpy()
            counts += confusion_matrix(predicted, truth, classes=segmenter.classes)
    return counts


def _batches(frames: LabelledFrames, seed: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Augmented batches without end; every frame is drawn once before one is drawn again."""
    rng, pipeline = np.random.default_rng(seed), Pipeline(_AUGMENT)
    order: list[int] = []
    while True:
        while len(order) < BATCH:
            order += rng.permutation(len(frames.images)).tolist()
        drawn, order = order[:BATCH], order[BATCH:]
        # Pipelines know label maps as int32 (height, width, 1).
        maps = frames.labels[drawn, :, :, None].astype(np.int32)
        pairs = [pipeline(pair, rng) for pair in zip(frames.images[drawn], maps, strict=True)]
        images, labels = (np.stack(each) for each in zip(*pairs, strict=True))
        yield _to_tensor(images, device), torch.from_numpy(labels[..., 0]).to(device)


def _to_tensor(images: Pixels, device: torch.device) -> Tensor:
    """Images, uint8 (N, H, W, 3), in the value range of segmenters: float32 (N, 3, H, W), channels-last."""
    batch = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255
    return ValueRange(*Segmenter.value_range).from_unit(batch)
