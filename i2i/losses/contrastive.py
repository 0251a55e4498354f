"""PatchNCE, the contrastive loss of patches of CUT: `PatchNCE` is the loss of two lists of feature maps, with its
projection heads; `draw_positions`, `sample_patches` and `patch_nce` are its parts.

Park, Efros, Zhang, Zhu 2020: Contrastive Learning for Unpaired Image-to-Image Translation, section 3,
https://arxiv.org/abs/2007.15651.

Feature maps are those of a generator at chosen layers: `ImageGenerator.features` of a translation are the queries, and
those of its source the keys, which `ImageGenerator.forward_with_features` gives without a pass of their own.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.losses.precision import at_least_float32

Negatives = Literal["image", "batch"]

_INIT_GAIN = 0.02  # of the Xavier initialisation, as in all networks of the authors' code
_EPSILON = 1e-7  # added to the norm, not under its root
_OWN_LOGIT = -10.0  # before the temperature


class PatchNCE(nn.Module):
    """PatchNCE of feature maps at several layers, each with a projection head of its own (H_l in the paper, F in the
    authors' code): linear, ReLU, linear, to vectors of `width` numbers and length 1.

    `channels` are those of the maps, see `ImageGenerator.feature_channels`. `patches` positions of each map are
    compared, or all of a smaller one. The other parameters are those of `patch_nce`. Draws from torch's random numbers.
    """

    def __init__(
        self,
        *,
        channels: Sequence[int],
        width: int = 256,
        patches: int = 256,
        temperature: float = 0.07,
        negatives: Negatives = "image",
    ) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(each, width), nn.ReLU(), nn.Linear(width, width)) for each in channels
        )
        for layer in self.heads.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight, gain=_INIT_GAIN)
                nn.init.zeros_(layer.bias)
        self.patches, self.temperature, self.negatives = patches, temperature, negatives

    def forward(
        self, query: Sequence[Tensor], key: Sequence[Tensor], positions: Sequence[Tensor] | None = None
    ) -> Tensor:
        """Mean over layers of the mean of `patch_nce`, between maps (N, C, H, W) of translations and of their sources.

        Keys have no gradient, neither to their maps nor to the heads. `positions` are drawn where they are not given.
        """
        positions = draw_positions(key, self.patches) if positions is None else positions
        queries = self.project(sample_patches(query, positions))
        with torch.no_grad():
            keys = self.project(sample_patches(key, positions))
        losses = [
            patch_nce(*vectors, temperature=self.temperature, negatives=self.negatives).mean()
            for vectors in zip(queries, keys, strict=True)
        ]
        return torch.stack(losses).mean()

    def project(self, patches: Sequence[Tensor]) -> list[Tensor]:
        """Vectors (N, P, width) of length 1 of the patches (N, P, C) of every layer, in float32 or better."""
        vectors = [at_least_float32(head(each)) for head, each in zip(self.heads, patches, strict=True)]
        return [vector / (vector.norm(dim=2, keepdim=True) + _EPSILON) for vector in vectors]


def draw_positions(maps: Sequence[Tensor], patches: int) -> list[Tensor]:
    """Positions y * width + x, int64 (P,), of up to `patches` different pixels of each map; all images of the batch
    have the same. Draws from torch's random numbers on the maps' device.
    """
    return [torch.randperm(each.shape[2] * each.shape[3], device=each.device)[:patches] for each in maps]


def sample_patches(maps: Sequence[Tensor], positions: Sequence[Tensor]) -> list[Tensor]:
    """The features (N, P, C) at the positions of each map (N, C, H, W)."""
    return [each.flatten(2).index_select(2, at).mT for each, at in zip(maps, positions, strict=True)]


def patch_nce(query: Tensor, key: Tensor, *, temperature: float = 0.07, negatives: Negatives = "image") -> Tensor:
    """Cross-entropy (N, P) with which each query is recognised as the key of its own position, among those of the other
    positions of its image, or of all images of the batch (equation 3).

    Vectors are (N, P, width) of length 1. The gradient is that of the queries alone. In float32 or better.
    """
    shape = query.shape[:2]
    if negatives == "batch":
        query, key = query.flatten(0, 1)[None], key.flatten(0, 1)[None]
    with torch.autocast(query.device.type, enabled=False):
        similarity = at_least_float32(query) @ at_least_float32(key).detach().mT
        # As published, the positive has one more negative in its place, whose logit is constant.
        logits = F.pad(similarity, (0, 1), value=_OWN_LOGIT) / temperature  # tau
        own = torch.arange(query.shape[1], device=query.device).expand(len(query), -1)
        return F.cross_entropy(logits.mT, own, reduction="none").reshape(shape)
