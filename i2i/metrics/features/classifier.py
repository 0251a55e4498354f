"""Torchvision's classifiers as feature extractors, by the input of their last layer."""

import re
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.metrics.features.base import FeatureExtractor
from i2i.pretrained import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    LoadedWeights,
    load_frozen,
    load_or_download,
    name_with_weights,
    torchvision_weights,
)


class TorchvisionClassifier(FeatureExtractor):
    """Features before the last layer of torchvision's `model`, with its newest published weights by default.

    Images are resized whole to the square that the weights were trained for: bicubic, antialiased.
    """

    def __init__(self, *, model: str, weights: str = "", device: str = "cpu") -> None:
        from torchvision import models

        newest: Any = models.get_model_weights(model).DEFAULT
        published = torchvision_weights(model)
        loaded = load_or_download(published, weights)
        super().__init__(name_with_weights(model, published, loaded), loaded.sha256, device)
        with torch.random.fork_rng(devices=[]):
            network = models.get_model(model, weights=None, **_published_options(model))
        network = load_frozen(network, _rename_densenet(loaded), published.title)
        self._network = network.to(self.device).to(memory_format=torch.channels_last)  # twice as fast on a CPU
        self._size = newest.transforms().crop_size[0]
        self._last = [each for each in network.modules() if isinstance(each, nn.Linear | nn.Conv2d)][-1]
        self.classes = isinstance(self._last, nn.Linear)

    def extract(self, images: Tensor) -> Tensor:
        inputs: list[Tensor] = []
        # Registered for this call alone, so that no features outlive it.
        handle = self._last.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
        try:
            self._network(normalise_for_imagenet(images, self._size))
        finally:
            handle.remove()
        # A last layer that is a convolution is followed by the mean over the image (SqueezeNet).
        return inputs[0].mean((2, 3)) if inputs[0].ndim == 4 else inputs[0]

    def logits(self, features: Tensor) -> Tensor:
        if not self.classes:
            return super().logits(features)
        with torch.no_grad():
            return self._last(features.to(self.device)).cpu()


@cache
def list_classifiers() -> list[str]:
    """Names of torchvision's classifiers."""
    from torchvision import models

    return models.list_models(module=models)


def normalise_for_imagenet(images: Tensor, size: int) -> Tensor:
    """Images (N, 3, H, W) in [0, 1], resized to (N, 3, size, size) and normalised by ImageNet's mean and deviation."""
    mean, deviation = (images.new_tensor(each).view(1, 3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    if images.shape[2:] != (size, size):
        images = F.interpolate(images, (size, size), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    return (images - mean) / deviation


def _rename_densenet(weights: LoadedWeights) -> LoadedWeights:
    """Rename keys of old DenseNet files, which have norm.1 where torchvision has norm1 today."""
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)")
    if not any(old.search(key) for key in weights.state):
        return weights  # unchanged: some networks look for the version that a state dict carries
    return weights._replace(state={old.sub(r"\1", key): tensor for key, tensor in weights.state.items()})


def _published_options(model: str) -> dict[str, Any]:
    """Options of the published networks that differ from the defaults.

    GoogLeNet and Inception have auxiliary heads for training, and normalise their input differently.
    """
    if model in ("googlenet", "inception_v3"):
        return {"aux_logits": True, "init_weights": False, "transform_input": True}
    return {"image_size": 518} if model == "vit_h_14" else {}
