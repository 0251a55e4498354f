"""The BigGAN generator: residual blocks whose batch norms are conditional on the class and on parts of the latent.

Brock, Donahue, Simonyan 2019: Large Scale GAN Training for High Fidelity Natural Image Synthesis, section 3 and
appendix B, https://arxiv.org/abs/1809.11096. At 32 pixels, as in the authors' code, it is the network of Miyato,
Kataoka, Koyama, Yoshida 2018, table 4, https://arxiv.org/abs/1802.05957.
"""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise, zip_longest
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.gan_layers import ConditionalBatchNorm, SelfAttention, StartingWeights, initialise_weights, one_of
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.layers import add_spectral_norm, at_least
from i2i.recipe.ranges import Channels, Classes, Features, Pixels, PixelsOrNone
from i2i.registry import did_you_mean, generators

Conditioning = Literal["separate", "shared", "hierarchical"]

# By size, in units of features: the first map, and what comes out of every block (appendix B; 32 and 64: authors' code)
WIDTHS = {
    32: (4, 4, 4, 4),
    64: (16, 16, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
    512: (16, 16, 8, 8, 4, 2, 1, 1),
}
FIRST_SIZE = 4  # pixels of the first map
SHARED_WIDTH = 128  # of the embedding that all blocks share


@generators.register("biggan")
class BigGANGenerator(LatentGenerator):
    """BigGAN (Brock 2019): residual blocks that double the size, with class-conditional batch norm.

    A linear layer gives a map of 4x4 pixels; after the blocks come batch norm, ReLU, a convolution and tanh.

    Shapes: z (N, latent), and labels int64 (N,) with `classes` -> (N, out_channels, size, size) in [-1, 1].

    `conditioning` says where gains and biases of the blocks' batch norms come from: from an embedding for each norm
    ("separate"); from one embedding for all ("shared"); or from that and the block's own part of z ("hierarchical",
    skip-z in the paper), also without classes. `attention` is the size in pixels of the map with self-attention, or 0.
    The defaults are those of the authors' code for CIFAR-10; at 128 pixels the paper has 96 features, a latent of
    120, hierarchical conditioning and attention at 64.
    """

    batch_independent = False

    def __init__(
        self,
        *,
        size: Pixels = 32,
        out_channels: Channels = 3,
        classes: Classes = 0,
        latent: Features = 128,
        features: Features = 64,
        conditioning: Conditioning = "separate",
        attention: PixelsOrNone = 0,
        spectral_norm: bool = True,
        init: StartingWeights = "orthogonal",
    ) -> None:
        super().__init__()
        at_least(1, out_channels=out_channels, latent=latent, features=features)
        at_least(0, classes=classes)
        one_of(WIDTHS, size=size)
        self.size, self.out_channels, self.latent, self.classes = size, out_channels, latent, classes
        widths = [features * width for width in WIDTHS[size]]
        sizes = [FIRST_SIZE * 2**level for level in range(1, len(widths))]
        one_of([0, *sizes], attention=attention)
        self.parts = _parts(conditioning, latent, len(sizes))  # of z: the first layer's, and one for each block
        own = latent // self.parts

        shared = classes and conditioning != "separate"
        self.embedding = nn.Embedding(classes, SHARED_WIDTH) if shared else None
        table = _table(classes, (SHARED_WIDTH if shared else 0) + (own if self.parts > 1 else 0))
        self.stem = nn.Linear(own, widths[0] * FIRST_SIZE**2)
        self.blocks = nn.ModuleList(
            UpsamplingBlock(*pair, table, has_attention=size == attention)
            for pair, size in zip(pairwise(widths), sizes, strict=True)
        )
        self.head = nn.Sequential(
            nn.BatchNorm2d(widths[-1]), nn.ReLU(), nn.Conv2d(widths[-1], out_channels, 3, padding=1), nn.Tanh()
        )
        initialise_weights(self, init)
        if spectral_norm:
            add_spectral_norm(self)

    def synthesise(self, w: Tensor, label: Tensor | None = None) -> Tensor:
        first, *parts = w.chunk(self.parts, dim=1)
        condition = label if self.classes else None
        if self.embedding is not None:
            condition = self.embedding(label)
        features = self.stem(first).unflatten(1, (-1, FIRST_SIZE, FIRST_SIZE))
        for block, part in zip_longest(self.blocks, parts):
            features = block(features, _concatenate(condition, part))
        return self.head(features)

    def latent_weights(self) -> list[Tensor]:
        own = self.latent // self.parts
        blocks = cast(Iterable[UpsamplingBlock], self.blocks) if self.parts > 1 else ()
        # Each takes its own part of z.
        return [torch.block_diag(self.stem.weight, *(block.tables()[:, -own:] for block in blocks))]


class UpsamplingBlock(nn.Module):
    """A residual block: twice norm, ReLU, convolution, the first with up-sampling (figure 15b)."""

    def __init__(
        self, width: int, next_width: int, table: Callable[[int], nn.Module] | None, *, has_attention: bool
    ) -> None:
        super().__init__()
        self.norm1 = ConditionalBatchNorm(width, table)
        self.conv1 = nn.Conv2d(width, next_width, 3, padding=1)
        self.norm2 = ConditionalBatchNorm(next_width, table)
        self.conv2 = nn.Conv2d(next_width, next_width, 3, padding=1)
        self.shortcut = nn.Conv2d(width, next_width, 1)
        self.attention = SelfAttention(next_width) if has_attention else nn.Identity()

    def forward(self, features: Tensor, condition: Tensor | None) -> Tensor:
        change = self.conv1(double(F.relu(self.norm1(features, condition))))
        change = self.conv2(F.relu(self.norm2(change, condition)))
        # A 1x1 convolution of repeated pixels is that of the pixels, repeated: a quarter of the work.
        return self.attention(change + double(self.shortcut(features)))

    def tables(self) -> Tensor:
        """Weights (outputs, width) of the linear layers that give gains and biases from conditions."""
        layers = [layer for norm in (self.norm1, self.norm2) for layer in (norm.gain, norm.bias)]
        return torch.cat([cast(nn.Linear, layer).weight for layer in layers])


def _concatenate(condition: Tensor | None, part: Tensor | None) -> Tensor | None:
    if condition is None or part is None:
        return part if condition is None else condition
    return torch.cat([condition, part], dim=1)


def double(features: Tensor) -> Tensor:
    """Twice the height and width, by repeated pixels."""
    return F.interpolate(features, scale_factor=2.0, mode="nearest")


def _table(classes: int, width: int) -> Callable[[int], nn.Module] | None:
    """A factory of layers that give gains or biases: from vectors of a `width`, else from labels, else none."""
    if width:
        return partial(nn.Linear, width, bias=False)
    return partial(nn.Embedding, classes) if classes else None


def _parts(conditioning: Conditioning, latent: int, blocks: int) -> int:
    """Number of parts into which the latent is divided."""
    if conditioning not in get_args(Conditioning):
        raise ValueError(f"unknown conditioning {conditioning!r}; {did_you_mean(conditioning, get_args(Conditioning))}")
    parts = blocks + 1 if conditioning == "hierarchical" else 1
    if latent % parts:
        raise ValueError(f"latent = {latent} is refused; allowed with hierarchical conditioning: a multiple of {parts}")
    return parts
