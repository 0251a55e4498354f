"""Layers of GANs on noise: class-conditional batch norm, self-attention, minibatch layers."""

from collections.abc import Callable, Iterable
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.networks.layers import at_least
from i2i.registry import did_you_mean

Minibatch = Literal["none", "deviation", "discrimination"]
StartingWeights = Literal["orthogonal", "normal"]

_EPSILON = 1e-8  # under the root, whose derivative at 0 is infinite
_INITIAL_DEVIATION = 0.02


def one_of(choices: Iterable[int], **options: int) -> None:
    """Raises ValueError for the first option that is not one of the `choices`."""
    choices = list(choices)
    for name, value in options.items():
        if value not in choices:
            raise ValueError(f"{name} = {value} is refused; choose from: {', '.join(map(str, choices))}")


class ConditionalBatchNorm(nn.Module):
    """Conditional batch norm: a gain and a bias for each image (Dumoulin et al. 2017, section 2.2,
    https://arxiv.org/abs/1610.07629; by class: Miyato and Koyama 2018, https://arxiv.org/abs/1802.05637).

    `table(channels)` makes a layer from conditions to (N, channels), an embedding of labels or a linear layer: one for
    the bias, one for gain - 1. Without a table it is plain batch norm.
    """

    def __init__(self, channels: int, table: Callable[[int], nn.Module] | None, *, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=epsilon, affine=table is None)
        self.gain = table(channels) if table else None
        self.bias = table(channels) if table else None

    def forward(self, features: Tensor, condition: Tensor | None) -> Tensor:
        normed = self.norm(features)
        if self.gain is None or self.bias is None:
            return normed
        gain, bias = 1 + self.gain(condition), self.bias(condition)
        return normed * gain[:, :, None, None] + bias[:, :, None, None]


class SelfAttention(nn.Module):
    """Self-attention over all pixels, added to its input by a factor gamma that starts at 0 (SAGAN, Zhang et al. 2019,
    section 3, https://arxiv.org/abs/1805.08318).

    Shapes: (N, C, H, W) -> the same; H and W are even. As published, keys and values are max-pooled to half the height
    and width, and values have C / 2 channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        at_least(8, channels=channels)
        self.query = nn.Conv2d(channels, channels // 8, 1, bias=False)  # f
        self.key = nn.Conv2d(channels, channels // 8, 1, bias=False)  # g
        self.value = nn.Conv2d(channels, channels // 2, 1, bias=False)  # h
        self.out = nn.Conv2d(channels // 2, channels, 1, bias=False)  # v
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        query = self.query(features).flatten(2).transpose(1, 2)
        key = F.max_pool2d(self.key(features), 2).flatten(2)
        value = F.max_pool2d(self.value(features), 2).flatten(2).transpose(1, 2)
        # Not scaled_dot_product_attention: its gradient has no gradient, which penalties of gradients need.
        attended = torch.softmax(query @ key, dim=-1) @ value
        return features + self.gamma * self.out(attended.transpose(1, 2).unflatten(2, features.shape[2:]))


class MinibatchStandardDeviation(nn.Module):
    """Minibatch standard deviation: one more channel with the standard deviation of the features within a group of
    images, averaged over channels and pixels (Karras, Aila, Laine, Lehtinen 2018, section 3,
    https://arxiv.org/abs/1710.10196).

    Shapes: (N, C, H, W) -> (N, C + 1, H, W). Groups have `group` images as in StyleGAN2; where N is no multiple of it
    the batch is one group.
    """

    def __init__(self, *, group: int = 4) -> None:
        super().__init__()
        at_least(1, group=group)
        self.group = group

    def forward(self, features: Tensor) -> Tensor:
        number, _, height, width = features.shape
        group = self.group if number % self.group == 0 else number
        at_least_float32 = features.to(torch.promote_types(features.dtype, torch.float32))
        members = at_least_float32.reshape(group, number // group, -1)
        deviation = (members.var(0, correction=0) + _EPSILON).sqrt().mean(1)
        channel = deviation.to(features.dtype).repeat(group).reshape(-1, 1, 1, 1).expand(-1, 1, height, width)
        return torch.cat([features, channel], dim=1)


class MinibatchDiscrimination(nn.Module):
    """Minibatch discrimination: `kernels` more channels, each the sum of exp(-L1 distance) over the batch in a learned
    projection to `width` numbers (Salimans et al. 2016, section 3.2, https://arxiv.org/abs/1606.03498).

    Shapes: (N, C, H, W) with C * H * W = `inputs` -> (N, C + kernels, H, W). Defaults are those of the authors' code.
    """

    def __init__(self, inputs: int, *, kernels: int = 100, width: int = 5) -> None:
        super().__init__()
        at_least(1, inputs=inputs, kernels=kernels, width=width)
        # T; scaled so that projections are about as large as the inputs, and no exp(-distance) is zero.
        self.weight = nn.Parameter(torch.randn(inputs, kernels, width) / inputs**0.5)

    def forward(self, features: Tensor) -> Tensor:
        points = torch.einsum("na,abc->nbc", features.flatten(1), self.weight)  # M
        similarity = torch.exp(-(points[:, None] - points).abs().sum(3)).sum(1)  # o(x), equation 1
        channels = similarity[:, :, None, None].expand(-1, -1, *features.shape[2:])
        return torch.cat([features, channels], dim=1)


def minibatch_layer(kind: Minibatch, channels: int, pixels: int) -> tuple[nn.Module, int]:
    """The layer called `kind` for maps of `channels` and `pixels`, and the number of channels of its output."""
    match kind:
        case "none":
            return nn.Identity(), channels
        case "deviation":
            return MinibatchStandardDeviation(), channels + 1
        case "discrimination":
            layer = MinibatchDiscrimination(channels * pixels)
            return layer, channels + layer.weight.shape[1]
        case _:
            raise ValueError(f"unknown minibatch {kind!r}; {did_you_mean(kind, get_args(Minibatch))}")


def initialise_weights(network: nn.Module, init: StartingWeights) -> None:
    """Initialise convolutions, linear layers and embeddings as in BigGAN: "orthogonal" weights or "normal" ones of
    standard deviation 0.02, biases 0. Norms are not changed. Call it before `add_spectral_norm`.
    """
    if init not in get_args(StartingWeights):
        raise ValueError(f"unknown init {init!r}; {did_you_mean(init, get_args(StartingWeights))}")
    for layer in network.modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding):
            continue
        if init == "orthogonal":
            nn.init.orthogonal_(layer.weight)
        else:
            nn.init.normal_(layer.weight, 0.0, _INITIAL_DEVIATION)
        if not isinstance(layer, nn.Embedding) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
