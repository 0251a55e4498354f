"""Inception-v3 of 2015 as FID, KID and IS define it: the network of torch-fidelity, which follows the TensorFlow graph
to the last digit, with its bilinear resizing.

Szegedy, Vanhoucke, Ioffe, Shlens, Wojna 2016: Rethinking the Inception Architecture for Computer Vision,
https://arxiv.org/abs/1512.00567. Torchvision's network of that name is another one, and so are its numbers.
"""

from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from i2i.metrics.features.base import Extractor
from i2i.metrics.pretrained import Published, Weights, named, obtain
from i2i.registry import features

PUBLISHED = Published(
    "Inception-v3 of FID",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    also=("pt_inception-2015-12-05-6726825d.pth",),  # the same bytes, as pytorch-fid calls them
)


@features.register("inception")
class Inception(Extractor):
    """2048 features, of images that are rounded to 8 bit as the published ones were."""

    classes = True

    def __init__(self, *, weights: str = "", device: str = "cpu") -> None:
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError:
            raise ValueError("inception needs the package torch-fidelity; install it: pip install 'i2i[fid]'") from None
        found = obtain(PUBLISHED, weights)
        super().__init__(named("inception", PUBLISHED, found), found.sha256, device)
        # Drawn aside: the network is made with random weights first.
        with torch.random.fork_rng(devices=[]):
            self._network = _made(FeatureExtractorInceptionV3, found).to(self.device)

    def look(self, images: Tensor) -> Tensor:
        return self._network((images.clamp(0, 1) * 255).round().to(torch.uint8))[0]

    def logits(self, features: Tensor) -> Tensor:
        # Without the bias, which the published score leaves out.
        return features @ self._network.fc.weight.T.to(features)


def _made(network: Any, weights: Weights) -> Any:
    # It unpickles what it is given; what it is given here are tensors that were read as such and written again.
    stream = BytesIO()
    torch.save(dict(weights.state), stream)
    stream.seek(0)
    try:
        return network("inception", ["2048"], feature_extractor_weights_path=stream)
    except (RuntimeError, AttributeError):
        raise ValueError(f"{weights.file}: not the weights of {PUBLISHED.title}") from None
