"""Any classifier of torchvision as a feature extractor: what its last layer is given."""

import re
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.losses.perceptual import IMAGENET_DEVIATION, IMAGENET_MEAN
from i2i.metrics.features.base import Extractor
from i2i.metrics.pretrained import Published, Weights, load, named, obtain


class Classifier(Extractor):
    """The features before the last layer of torchvision's `model`, with its newest published weights.

    The whole image is seen, resized to the square that the weights were made for: bicubic, antialiased.
    """

    def __init__(self, *, model: str, weights: str = "", device: str = "cpu") -> None:
        from torchvision import models

        newest: Any = models.get_model_weights(model).DEFAULT
        published = Published(f"torchvision's {model}", newest.url, newest.url.rpartition("-")[2].removesuffix(".pth"))
        found = obtain(published, weights)
        super().__init__(named(model, published, found), found.sha256, device)
        with torch.random.fork_rng(devices=[]):
            network = models.get_model(model, weights=None, **_as_trained(model))
        network = load(network, _renamed(found), published.title)
        self._network = network.to(self.device).to(memory_format=torch.channels_last)  # twice as fast on a CPU
        self._size = newest.transforms().crop_size[0]
        self._last = [each for each in network.modules() if isinstance(each, nn.Linear | nn.Conv2d)][-1]
        self.classes = isinstance(self._last, nn.Linear)

    def look(self, images: Tensor) -> Tensor:
        seen: list[Tensor] = []
        # Registered for this call alone, so that no features outlive it.
        handle = self._last.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        try:
            self._network(imagenet(images, self._size))
        finally:
            handle.remove()
        # A last layer that is a convolution is followed by the mean over the image (SqueezeNet).
        return seen[0].mean((2, 3)) if seen[0].ndim == 4 else seen[0]

    def logits(self, features: Tensor) -> Tensor:
        if not self.classes:
            return super().logits(features)
        with torch.no_grad():
            return self._last(features.to(self.device)).cpu()


def _renamed(weights: Weights) -> Weights:
    """DenseNets were published when a dot in a name was allowed: norm.1 is now norm1."""
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)")
    if not any(old.search(key) for key in weights.state):
        return weights  # as it was read: some networks look for the version that a state dict carries
    return weights._replace(state={old.sub(r"\1", key): tensor for key, tensor in weights.state.items()})


@cache
def classifiers() -> list[str]:
    """The names of torchvision's classifiers."""
    from torchvision import models

    return models.list_models(module=models)


def imagenet(images: Tensor, size: int) -> Tensor:
    """Images in [0, 1] of any size as networks trained on ImageNet take them: (N, 3, size, size)."""
    mean, deviation = (images.new_tensor(each).view(1, 3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    if images.shape[2:] != (size, size):
        images = F.interpolate(images, (size, size), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    return (images - mean) / deviation


def _as_trained(model: str) -> dict[str, Any]:
    """Options of the published networks that are not the defaults.

    GoogLeNet and Inception have heads that only training uses, and turn their input into another normalisation.
    """
    if model in ("googlenet", "inception_v3"):
        return {"aux_logits": True, "init_weights": False, "transform_input": True}
    return {"image_size": 518} if model == "vit_h_14" else {}
