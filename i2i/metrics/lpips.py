"""LPIPS: perceptual distance of two images in the features of a trained network; lower is better, 0 for equal images.

Zhang, Isola, Efros, Shechtman, Wang 2018: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric,
https://arxiv.org/abs/1801.03924. The linear weights are those that the package `lpips` ships; the network is
torchvision's, trained on ImageNet, from a local file that is never downloaded.
"""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from i2i.extras import install_hint
from i2i.pretrained import PublishedWeights, read_state_dict


class Backbone(NamedTuple):
    """Network of LPIPS: torchvision's weights, its last layer, and its least height and width in pixels."""

    weights: PublishedWeights
    last_layer: int
    min_size: int


def _torchvision(title: str, file: str) -> PublishedWeights:
    return PublishedWeights(title, f"https://download.pytorch.org/models/{file}.pth", file.rpartition("-")[2])


BACKBONES = {
    "alex": Backbone(_torchvision("AlexNet", "alexnet-owt-7be5be79"), 10, 31),
    "squeeze": Backbone(_torchvision("SqueezeNet 1.1", "squeezenet1_1-b8a52dc0"), 12, 17),
    "vgg": Backbone(_torchvision("VGG16", "vgg16-397923af"), 28, 16),
}


class Lpips:
    """LPIPS distance with a loaded network; `name` says which, as their values differ: `LPIPS-alex`.

    `weights` is a file of torchvision's AlexNet, SqueezeNet 1.1 or VGG16, recognised by its layers; by default AlexNet,
    which papers report, in torchvision's cache. Raises ValueError where the package or the file is missing.
    """

    def __init__(self, weights: Path | None = None, *, device: torch.device | str = "cpu") -> None:
        try:
            import lpips
        except ImportError:
            raise ValueError(f"LPIPS needs the package lpips: {install_hint('lpips')}") from None
        file = weights or _cached_alexnet()
        state = read_state_dict(file)
        kind = _recognise_backbone(state, file)
        self.name, self._backbone, self._device = f"LPIPS-{kind}", BACKBONES[kind], torch.device(device)
        # Built with random weights, as it would download trained ones; it raises deprecation warnings of its own calls.
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = lpips.LPIPS(net=kind, pnet_rand=True, verbose=False)
        try:
            trained = {key: state["features." + key.partition(".")[2]] for key in network.net.state_dict()}
            network.net.load_state_dict(trained)
        except (KeyError, RuntimeError):
            raise ValueError(f"{file}: looks like {self._backbone.weights.title}, but is not torchvision's") from None
        self._network = network.to(self._device)

    def __call__(self, image: Tensor, truth: Tensor) -> Tensor:
        """LPIPS of images (N, 3, H, W) in [0, 1]: (N,), float32 on the CPU. Raises ValueError for small images."""
        height, width = image.shape[2:]
        if min(height, width) < self._backbone.min_size:
            raise ValueError(f"{self.name}: {width}x{height} pixels are less than {self._backbone.min_size}")
        with torch.inference_mode():
            both = (2 * images.to(self._device, torch.float32) - 1 for images in (image, truth))
            return self._network(*both).flatten().cpu()


def _cached_alexnet() -> Path:
    published = BACKBONES["alex"].weights
    if published.cached is None:
        choices = ", ".join(each.weights.title for each in BACKBONES.values())
        raise ValueError(
            f"LPIPS needs torchvision's AlexNet: {published.advice} (--lpips-weights; choose from: {choices})"
        )
    return published.cached


def _recognise_backbone(state: Mapping[str, Any], file: Path) -> str:
    layers = [int(found[1]) for key in state if (found := re.match(r"features\.(\d+)\.", str(key)))]
    for kind, backbone in BACKBONES.items():
        if max(layers, default=-1) == backbone.last_layer:
            return kind
    choices = ", ".join(f"{each.weights.title} ({each.weights.files[0].name})" for each in BACKBONES.values())
    raise ValueError(f"{file}: not a network that LPIPS has weights for; choose from: torchvision's {choices}")
