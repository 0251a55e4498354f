"""DINOv2, a self-supervised vision transformer, as feature extractor.

Oquab et al. 2023: DINOv2: Learning Robust Visual Features without Supervision, https://arxiv.org/abs/2304.07193. In
Stein et al. 2023: Exposing Flaws of Generative Model Evaluation Metrics, https://arxiv.org/abs/2306.04675, its
distances (ViT-L/14, images of 224 pixels) agree with people's judgement better than Inception's.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.metrics.features.base import FeatureExtractor
from i2i.metrics.features.classifier import normalise_for_imagenet
from i2i.pretrained import LoadedWeights, PublishedWeights, load_frozen, load_or_download, name_with_weights
from i2i.registry import features

_SIZE, _PATCH, _HEAD = 224, 14, 64  # pixels, pixels, channels of an attention head
_TRAINED_GRID = 37  # patches a side, of images of 518 pixels


def _published(size: str, sha256: str) -> PublishedWeights:
    url = f"https://dl.fbaipublicfiles.com/dinov2/dinov2_{size}/dinov2_{size}_pretrain.pth"
    return PublishedWeights(f"DINOv2 {size}", url, sha256)


class DinoV2(FeatureExtractor):
    """DINOv2's class token after the last layer norm: 384, 768 or 1024 features."""

    published_weights: ClassVar[PublishedWeights]

    def __init__(self, *, weights: str = "", device: str = "cpu") -> None:
        published = self.published_weights
        loaded = load_or_download(published, weights)
        name = published.title.replace("DINOv2 ", "dinov2_")
        super().__init__(name_with_weights(name, published, loaded), loaded.sha256, device)
        self._network = load_frozen(_build(loaded, published.title), loaded, published.title).to(self.device)

    def extract(self, images: Tensor) -> Tensor:
        return self._network(normalise_for_imagenet(images, _SIZE))


@features.register("dinov2_vits14")
class DinoV2Small(DinoV2):
    """DINOv2 ViT-S/14: 384 features; 88 MB."""

    published_weights = _published("vits14", "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9")


@features.register("dinov2_vitb14")
class DinoV2Base(DinoV2):
    """DINOv2 ViT-B/14: 768 features; 346 MB."""

    published_weights = _published("vitb14", "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73")


@features.register("dinov2_vitl14")
class DinoV2Large(DinoV2):
    """DINOv2 ViT-L/14: 1024 features, used for published figures; 1.2 GB."""

    published_weights = _published("vitl14", "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428")


def _build(weights: LoadedWeights, title: str) -> nn.Module:
    """Transformer of the width and depth that the weights have. Raises ValueError for other networks' weights."""
    try:
        width = weights.state["norm.weight"].shape[0]
        depth = 1 + max(int(key.split(".")[1]) for key in weights.state if key.startswith("blocks."))
    except (KeyError, ValueError, AttributeError, IndexError):
        raise ValueError(f"{weights.file}: not the weights of {title}") from None
    with torch.random.fork_rng(devices=[]):
        return VisionTransformer(width, depth)


class VisionTransformer(nn.Module):
    """Vision transformer of DINOv2, with the parameter names of the published file.

    Shapes: (N, 3, 14 h, 14 w), normalised for ImageNet -> (N, width).
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + _TRAINED_GRID**2, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # for training only, but in the file
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, _PATCH, _PATCH)})
        self.blocks = nn.Sequential(*[_Block(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch_embed["proj"](images)
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), patches.flatten(2).mT], 1)
        tokens = tokens + self._positions(*patches.shape[2:])
        return self.norm(self.blocks(tokens)[:, 0])

    def _positions(self, height: int, width: int) -> Tensor:
        grid = self.pos_embed[:, 1:].mT.unflatten(2, (_TRAINED_GRID, _TRAINED_GRID))
        # As published: without antialiasing, by a factor that is a tenth of a patch too large.
        scale = (height + 0.1) / _TRAINED_GRID, (width + 0.1) / _TRAINED_GRID
        grid = F.interpolate(grid, scale_factor=scale, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], grid.flatten(2).mT], 1)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.ls1 = nn.ParameterDict({"gamma": nn.Parameter(torch.ones(width))})  # LayerScale
        self.ls2 = nn.ParameterDict({"gamma": nn.Parameter(torch.ones(width))})

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.ls1["gamma"] * self._attention(self.norm1(tokens))
        return tokens + self.ls2["gamma"] * self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(tokens))))

    def _attention(self, tokens: Tensor) -> Tensor:
        # (N, tokens, 3 width) -> three of (N, heads, tokens, 64)
        query, key, value = self.attn["qkv"](tokens).unflatten(2, (3, -1, _HEAD)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.attn["proj"](attended.transpose(1, 2).flatten(2))
