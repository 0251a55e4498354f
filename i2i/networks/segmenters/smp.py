"""Segmenters of segmentation-models-pytorch (Iakubovskii 2019, MIT), in an optional package.

https://github.com/qubvel-org/segmentation_models.pytorch
"""

import re
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.extras import install_hint
from i2i.networks.layers import at_least
from i2i.networks.segmenters.base import Segmenter
from i2i.networks.value_range import ValueRange
from i2i.pretrained import IMAGENET_DEVIATION, IMAGENET_MEAN, read_state_dict
from i2i.recipe.ranges import Channels, Classes
from i2i.registry import did_you_mean, segmenters

# Those whose exported files give the same for images of any size; pspnet, pan and upernet have none.
Architecture = Literal["unet", "linknet", "fpn", "deeplabv3plus", "segformer"]
_STRIDE = 32  # pixels of the image in one of the encoder's last features
_HEAD = "segmentation_head."
_REASON = 160  # characters


@segmenters.register("smp")
class SmpSegmenter(Segmenter):
    """A network of segmentation-models-pytorch: an `architecture` on the features of an `encoder`, by its names there.

    `weights` is a file (.safetensors, or of torch.save) of the encoder's weights or of the whole network's, whose last
    layer is left out where it has other classes. `encoder_weights` is a name of published ones there, such as imagenet,
    which are downloaded. Without both, training starts from chance. Images of 3 channels are normalised as ImageNet's.

    Shapes: (N, in_channels, H, W) in [-1, 1] -> logits (N, classes, H, W); H and W at least 64, and replicated at the
    right and bottom up to multiples of 32 inside. Its batch norm mixes the images of a batch in training.
    """

    min_size = 2 * _STRIDE  # batch norm needs more than one pixel

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        classes: Classes = 2,
        architecture: Architecture = "unet",
        encoder: str = "resnet34",
        weights: str = "",
        encoder_weights: str = "",
    ) -> None:
        super().__init__()
        at_least(2, classes=classes)
        if weights and encoder_weights:
            raise ValueError("method.segmenter: weights and encoder_weights exclude each other; choose one")
        self.in_channels, self.classes = in_channels, classes
        self.network = _build(architecture, encoder, encoder_weights, in_channels=in_channels, classes=classes)
        if weights and torch.get_default_device().type != "meta":
            _load(self.network, Path(weights).expanduser())
        normalised = in_channels == len(IMAGENET_MEAN)
        mean, deviation = (IMAGENET_MEAN, IMAGENET_DEVIATION) if normalised else ((0.5,), (0.5,))
        self.register_buffer("_mean", torch.tensor(mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("_deviation", torch.tensor(deviation).reshape(1, -1, 1, 1), persistent=False)

    @property
    def spec(self) -> dict[str, Any]:
        """Its table without where its first weights were from: those of a run are in its own files."""
        return self._spec

    @spec.setter
    def spec(self, table: dict[str, Any]) -> None:
        self._spec = {key: value for key, value in table.items() if key not in ("weights", "encoder_weights")}

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        unit = ValueRange(*self.value_range).to_unit(image)
        normal = (unit - self.get_buffer("_mean")) / self.get_buffer("_deviation")
        padded = F.pad(normal, (0, -width % _STRIDE, 0, -height % _STRIDE), mode="replicate")
        return self.network(padded)[..., :height, :width]


def _build(architecture: str, encoder: str, published: str, **sizes: int) -> Any:
    """The network of the package. Raises ValueError where it is not installed, for an unknown encoder, and for weights
    that cannot be had.
    """
    try:
        import segmentation_models_pytorch as smp  # takes seconds
    except ImportError:
        raise ValueError(f"segmenter smp needs segmentation-models-pytorch: {install_hint('smp')}") from None

    names = smp.encoders.get_encoder_names()
    if encoder not in names and not encoder.startswith("tu-"):  # those of timm
        raise ValueError(f"method.segmenter.encoder: no {encoder!r}; {did_you_mean(encoder, names)}, or tu- and timm's")
    try:
        return smp.create_model(architecture, encoder, encoder_weights=published or None, **sizes)
    except Exception as error:  # of the package, of timm, and of whatever the hub raises without a network
        reason = re.sub(r"\s+", " ", str(error))[:_REASON]
        remedy = "; without a network, name a file: method.segmenter.weights" * bool(published)
        raise ValueError(f"segmenter smp: no {architecture} on {encoder} ({reason}){remedy}") from None


def _load(network: nn.Module, file: Path) -> None:
    """Load the weights of the whole network, or of its encoder alone. Raises ValueError for those of another one."""
    state = dict(read_state_dict(file))
    is_whole = any(name.startswith("encoder.") for name in state)
    own = network.state_dict()
    for name in [name for name in state if is_whole and name.startswith(_HEAD)]:
        if name in own and own[name].shape != state[name].shape:
            state[name] = own[name]
    try:
        (network if is_whole else network.get_submodule("encoder")).load_state_dict(state)
    except (RuntimeError, AttributeError) as error:
        reason = re.sub(r"\s+", " ", str(error)).partition(": ")[2][:_REASON]
        raise ValueError(f"{file}: not the weights of this network or of its encoder ({reason})") from None
