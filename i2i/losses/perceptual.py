"""Perceptual losses: distances between images in the features of a classifier.

Johnson, Alahi, Fei-Fei 2016: Perceptual Losses for Real-Time Style Transfer and Super-Resolution,
https://arxiv.org/abs/1603.08155; before the activation since ESRGAN, section 3.3, https://arxiv.org/abs/1809.00219.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.losses.precision import at_least_float32
from i2i.pretrained import IMAGENET_DEVIATION, IMAGENET_MEAN, PublishedWeights, load_or_download
from i2i.recipe.ranges import Weight
from i2i.registry import did_you_mean, perceptual

# Simonyan and Zisserman 2015, table 1, column E, https://arxiv.org/abs/1409.1556: (convolutions, channels) of a block.
VGG19_BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
VGG19_LAYERS = [f"conv{i}_{j + 1}" for i, (count, _) in enumerate(VGG19_BLOCKS, 1) for j in range(count)]
ESRGAN_LAYERS = {"conv5_4": 1.0}
VGG19_WEIGHTS = PublishedWeights(
    "torchvision's VGG19", "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth", "dcbb9e9d"
)


class Perceptual(nn.Module, ABC):
    """Distance between images (N, 1 or 3, H, W) in [0, 1] in the features of a classifier; H and W are at least
    `min_size`. The classifier is neither trained nor saved.
    """

    min_size: int = 1

    @abstractmethod
    def forward(self, fake: Tensor, target: Tensor) -> Tensor:
        """Mean distance as one number, in float32 or better; only fakes have gradients."""


@perceptual.register("vgg19")
class VGG19(Perceptual):
    """Perceptual loss (Johnson 2016): L1 between features of VGG19, before or after their activation.

    `layers` are weights by the name of a layer. `weights` is a local file of torchvision's VGG19 (`.pth` or
    `.safetensors`), by default the one in torch.hub's cache, or downloaded to it. Raises ValueError if there is
    none. On the meta device no weights are read.
    """

    def __init__(
        self, *, layers: dict[str, Weight] = ESRGAN_LAYERS, weights: str = "", before_activation: bool = True
    ) -> None:
        super().__init__()
        unknown = [name for name in layers if name not in VGG19_LAYERS]
        if unknown or not layers:
            name = unknown[0] if unknown else ""
            raise ValueError(f"method.perceptual.layers: no layer {name!r}; {did_you_mean(name, VGG19_LAYERS)}")
        self.layers, self.before_activation = dict(layers), before_activation
        self._names = VGG19_LAYERS[: 1 + max(map(VGG19_LAYERS.index, layers))]  # of the convolutions that are needed
        self.min_size = 2 ** (int(self._names[-1][4]) - 1)  # halved once before every block but the first
        # Buffers that are not persistent move with the method, but belong neither to its state nor to a player.
        for name, tensor in _vgg19_tensors(weights, self._names).items():
            self.register_buffer(name, tensor, persistent=False)
        self.register_buffer("_mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("_deviation", torch.tensor(IMAGENET_DEVIATION).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, fake: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            targets = self.features(target)
        fakes = self.features(fake)
        distances = [weight * F.l1_loss(fakes[name], targets[name]) for name, weight in self.layers.items()]
        return torch.stack(distances).sum()

    def features(self, image: Tensor) -> dict[str, Tensor]:
        """Features of images (N, 1 or 3, H, W) in [0, 1] at each of `layers`; grey images are taken as RGB."""
        features = {}
        image = (image - self.get_buffer("_mean")) / self.get_buffer("_deviation")
        for name in self._names:
            if name.endswith("_1") and name != VGG19_LAYERS[0]:
                image = F.max_pool2d(image, 2)
            image = F.conv2d(image, self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias"), padding=1)
            activated = F.relu(image)
            if name in self.layers:
                features[name] = at_least_float32(image if self.before_activation else activated)
            image = activated
        return features


def _vgg19_tensors(file: str, names: Sequence[str]) -> dict[str, Tensor]:
    """`conv1_1_weight`, `conv1_1_bias` and so on for these convolutions."""
    on_meta = torch.get_default_device().type == "meta"
    state = {} if on_meta else _load_vgg19(file)
    tensors, in_channels = {}, 3
    for name in names:
        channels = VGG19_BLOCKS[int(name[4]) - 1][1]
        for kind, shape in (("weight", (channels, in_channels, 3, 3)), ("bias", (channels,))):
            key = f"{_torchvision_key(name)}.{kind}"
            tensor = torch.empty(shape) if on_meta else state.get(key)
            if tensor is None or tensor.shape != shape:
                found = "is missing" if tensor is None else f"has shape {tuple(tensor.shape)}, not {shape}"
                raise ValueError(f"method.perceptual.weights: {file}: not torchvision's VGG19: {key} {found}")
            layout = torch.channels_last if kind == "weight" else torch.contiguous_format  # the faster one for 3x3
            tensors[f"{name}_{kind}"] = tensor.detach().float().contiguous(memory_format=layout)
        in_channels = channels
    return tensors


def _torchvision_key(name: str) -> str:
    """`features.0` for conv1_1 and so on: convolutions, activations and poolings are numbered."""
    return f"features.{2 * VGG19_LAYERS.index(name) + int(name[4]) - 1}"


def _load_vgg19(file: str) -> Mapping[str, Tensor]:
    try:
        return load_or_download(VGG19_WEIGHTS, file).state
    except ValueError as error:
        instead = (
            ""
            if file
            else " with --set method.perceptual.weights=FILE, or train without: --set method.perceptual_weight=0"
        )
        raise ValueError(f"method.perceptual.weights: {error}{instead}") from error
