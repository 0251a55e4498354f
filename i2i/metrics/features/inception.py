"""Inception-v3 of 2015, the feature extractor that defines FID, KID and IS, as torch-fidelity implements it.

Szegedy, Vanhoucke, Ioffe, Shlens, Wojna 2016: Rethinking the Inception Architecture for Computer Vision,
https://arxiv.org/abs/1512.00567. Torch-fidelity follows the TensorFlow graph to the last digit, with its bilinear
resizing; torchvision's network of that name gives other values.
"""

from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from i2i.extras import install_hint
from i2i.metrics.features.base import FeatureExtractor
from i2i.pretrained import LoadedWeights, PublishedWeights, load_or_download, name_with_weights
from i2i.registry import features

PUBLISHED = PublishedWeights(
    "Inception-v3 of FID",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    also=("pt_inception-2015-12-05-6726825d.pth",),  # the same bytes, as pytorch-fid calls them
)


@features.register("inception")
class Inception(FeatureExtractor):
    """Inception-v3 of 2015: 2048 features of images that are rounded to 8 bit, as for published figures."""

    classes = True

    def __init__(self, *, weights: str = "", device: str = "cpu") -> None:
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError:
            raise ValueError(f"inception needs the package torch-fidelity: {install_hint('fid')}") from None
        loaded = load_or_download(PUBLISHED, weights)
        super().__init__(name_with_weights("inception", PUBLISHED, loaded), loaded.sha256, device)
        with torch.random.fork_rng(devices=[]):  # the network starts from random weights
            self._network = _build(FeatureExtractorInceptionV3, loaded).to(self.device)

    def extract(self, images: Tensor) -> Tensor:
        return self._network((images.clamp(0, 1) * 255).round().to(torch.uint8))[0]

    def logits(self, features: Tensor) -> Tensor:
        # Without the bias, which the published score leaves out.
        return features @ self._network.fc.weight.T.to(features)


def _build(network: Any, weights: LoadedWeights) -> Any:
    # Torch-fidelity unpickles its file; this one holds tensors only, which were read safely and are written again.
    stream = BytesIO()
    torch.save(dict(weights.state), stream)
    stream.seek(0)
    try:
        return network("inception", ["2048"], feature_extractor_weights_path=stream)
    except (RuntimeError, AttributeError):
        raise ValueError(f"{weights.file}: not the weights of {PUBLISHED.title}") from None
