"""A segmenter that is trained already, as a method uses it to look at images."""

import torch
from torch import Tensor

from i2i.checkpoints.load import load_segmenter
from i2i.networks.segmenters.base import Segmenter


def load_trained(file: str, *, channels: int, classes: int | None = None) -> Segmenter:
    """Load the segmenter of `method.segmenter_file`: a run, a checkpoint folder or a weights file.

    Raises ValueError for one of other images and, where `classes` are given, of other classes.
    """
    try:
        with torch.device("cpu"):  # also where networks are built without values
            segmenter, _ = load_segmenter(file)
    except ValueError as error:
        raise ValueError(f"method.segmenter_file: {error}") from error
    if segmenter.in_channels != channels:
        raise ValueError(
            f"method.segmenter_file: {file} takes images of {segmenter.in_channels} channels, not of {channels}"
        )
    if classes not in (None, segmenter.classes):
        raise ValueError(
            f"method.segmenter_file: {file} predicts {segmenter.classes} classes, but method.classes = {classes}; "
            "train one on label maps of the same classes: i2i train segmenter frames/ labels/"
        )
    return segmenter


def predict(segmenter: Segmenter, images: Tensor) -> Tensor:
    """Logits (N, classes, H, W) with running statistics, where the segmenter has batch norm, which stay as they are."""
    is_training = segmenter.training
    try:
        return segmenter.eval()(images)
    finally:
        segmenter.train(is_training)
