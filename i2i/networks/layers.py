"""Layers that generators and discriminators share: norms, up-sampling, initialisation, spectral norm."""

from typing import Any, Literal, TypeVar, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from i2i.networks.frozen_norms import FrozenNorm2d
from i2i.networks.seeded_dropout import SeededDropout
from i2i.registry import did_you_mean

Norm = Literal["instance", "batch", "frozen", "none"]
DiscriminatorNorm = Literal["instance", "batch", "layer", "none"]
Upsampling = Literal["transposed", "resize"]
Initialisation = Literal["normal", "xavier", "kaiming", "orthogonal"]
UpscalerInit = Literal["random", "nearest"]  # as published, or such that the result is the up-sampled input
TestTime = Literal["published", "eval"]

_POWER_ITERATIONS = 15  # PyTorch's own number at the beginning

Network = TypeVar("Network", bound=nn.Module)


def at_least(minimum: int, **options: int) -> None:
    """Raises ValueError for the first option below `minimum`."""
    for name, value in options.items():
        if value < minimum:
            raise ValueError(f"{name} = {value} is too small; allowed: {minimum} or more")


class InstanceNorm2d(nn.InstanceNorm2d):
    """PyTorch's instance norm with a gradient that is right in every memory layout.

    PyTorch's own (2.14.1) returns a wrong one on a CPU where the batch is one and the incoming gradient is
    channels-last, which its backward pass reads as if it were contiguous.
    """

    def forward(self, input: Tensor) -> Tensor:
        normed = super().forward(input)
        return _ContiguousGradient.apply(normed) if torch.is_grad_enabled() else normed


class _ContiguousGradient(torch.autograd.Function):
    """The identity, whose gradient is contiguous."""

    generate_vmap_rule = True

    @staticmethod
    def forward(features: Tensor) -> Tensor:
        return features.detach()  # not a view, which a ReLU could not work on in place

    @staticmethod
    def setup_context(context: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Nothing is kept for the gradient."""

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].contiguous()


def normalisation(norm: Norm | DiscriminatorNorm, channels: int) -> nn.Module:
    """Make an instance norm (no affine, no running statistics), a batch norm, a layer norm or an identity, each as
    published; layer norm is over channels and pixels of an image, with a weight and a bias for each channel. "frozen"
    is what `freeze_norms` makes of an instance norm; its statistics come with the weights that training starts from.
    """
    match norm:
        case "instance":
            return InstanceNorm2d(channels, eps=1e-5, affine=False, track_running_stats=False)
        case "batch":
            return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)
        case "frozen":
            return FrozenNorm2d(channels)
        case "layer":
            return nn.GroupNorm(1, channels, eps=1e-5)
        case "none":
            return nn.Identity()
        case _:
            raise ValueError(f"unknown norm {norm!r}; {did_you_mean(norm, get_args(DiscriminatorNorm))}")


def has_bias(norm: Norm | DiscriminatorNorm) -> bool:
    """True for a norm after which the published networks' convolutions have a bias.

    With instance norm, although it has no effect there, what that is frozen to, and layer norm; not with "none",
    although it would have one.
    """
    return norm in ("instance", "frozen", "layer")


def upsample(
    in_channels: int, out_channels: int, *, kernel: Literal[3, 4], bias: bool, upsampling: Upsampling
) -> nn.Module:
    """Make a layer that doubles height and width.

    "transposed" is the published transposed convolution with a 3x3 or 4x4 kernel. "resize" is
    nearest-neighbour up-sampling and a 3x3 convolution whatever `kernel` says, which gives no checkerboard artefacts
    (Odena et al. 2016, Deconvolution and Checkerboard Artifacts, https://distill.pub/2016/deconv-checkerboard).
    """
    match upsampling:
        case "transposed":
            # An odd kernel needs one more row and column for an even output.
            return nn.ConvTranspose2d(
                in_channels, out_channels, kernel, stride=2, padding=1, output_padding=kernel % 2, bias=bias
            )
        case "resize":
            return nn.Sequential(
                nn.Upsample(scale_factor=2, mode="nearest"),
                nn.ReflectionPad2d(1),
                nn.Conv2d(in_channels, out_channels, 3, bias=bias),
            )
        case _:
            raise ValueError(f"unknown upsampling {upsampling!r}; {did_you_mean(upsampling, get_args(Upsampling))}")


class ResizeConvolution(nn.Module):
    """Nearest-neighbour up-sampling by two and a 3x3 convolution, in about the time of a transposed 4x4 one.

    Every pixel is repeated in 2x2 of the larger map, so that the 3x3 kernel's sums over 2x2 are the kernel of a
    transposed convolution with the same result. Zeros lie around the map, where "resize" of `upsample` reflects it.
    Shapes: (N, in_channels, H, W) -> (N, out_channels, 2H, 2W).
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        kernel = F.pad(self.convolution.weight.flip(2, 3).transpose(0, 1), (1, 1, 1, 1))
        kernel = kernel[..., 1:, :] + kernel[..., :-1, :]
        kernel = kernel[..., 1:] + kernel[..., :-1]
        return F.conv_transpose2d(features, kernel, self.convolution.bias, stride=2, padding=1)


def initialise(network: nn.Module, init: Initialisation = "normal", gain: float = 0.02) -> None:
    """Initialise weights as published: convolutions by `init`, biases 0, batch norm weights from N(1, gain).

    `gain` is the standard deviation for "normal", the factor for "xavier" and "orthogonal"; "kaiming" ignores it. Draws
    from torch's random numbers. Call it before `add_spectral_norm`, which hides the weights.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            _draw(layer.weight, init, gain)
        elif isinstance(layer, nn.BatchNorm2d) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, gain)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def clamp_to_range(image: Tensor) -> Tensor:
    """Clamp to [-1, 1]. What has left the range keeps the gradients that lead back, and does not stay black or white;
    it loses those that lead farther away (zeroing gradients, Hausknecht, Stone 2016: Deep Reinforcement Learning in
    Parameterized Action Space, section 5, https://arxiv.org/abs/1511.04143).
    """
    return _ClampToRange.apply(image) if torch.is_grad_enabled() else image.clamp(-1, 1)


class _ClampToRange(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(image: Tensor) -> Tensor:
        return image.clamp(-1, 1)

    @staticmethod
    def setup_context(context: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        context.save_for_backward(*inputs)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (image,), (gradient,) = context.saved_tensors, gradients
        farther = ((image > 1) & (gradient < 0)) | ((image < -1) & (gradient > 0))  # the way of gradient descent
        return gradient.masked_fill(farther, 0)


def starts_from_nearest(init: UpscalerInit) -> bool:
    """Whether an upscaler's initial weights are to give its input. Raises ValueError for an unknown name."""
    if init not in get_args(UpscalerInit):
        raise ValueError(f"unknown init {init!r}; {did_you_mean(init, get_args(UpscalerInit))}")
    return init == "nearest"


def _draw(weight: Tensor, init: Initialisation, gain: float) -> None:
    match init:
        case "normal":
            nn.init.normal_(weight, 0.0, gain)
        case "xavier":
            nn.init.xavier_normal_(weight, gain=gain)
        case "kaiming":
            nn.init.kaiming_normal_(weight, a=0, mode="fan_in")
        case "orthogonal":
            nn.init.orthogonal_(weight, gain=gain)
        case _:
            raise ValueError(f"unknown init {init!r}; {did_you_mean(init, get_args(Initialisation))}")


def add_spectral_norm(network: nn.Module) -> None:
    """Add spectral norm to all convolutions and linear layers (Miyato et al. 2018, https://arxiv.org/abs/1802.05957).

    Each forward pass in training mode takes one step of the power iteration.
    """
    for layer in list(network.modules()):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            parametrizations.spectral_norm(layer)


@torch.no_grad()
def settle_spectral_norm(network: nn.Module) -> None:
    """Run spectral norm's power iterations until they fit the current weights, in place.

    A moving average of weights needs it: averaged singular vectors are not those of the averaged weight, whose norm
    could come out several times too large.
    """
    for layer in network.modules():
        if parametrize.is_parametrized(layer, "weight"):
            norm = layer.get_submodule("parametrizations.weight")
            training = norm.training
            norm.train()
            for _ in range(_POWER_ITERATIONS):
                _ = layer.weight  # each access in training mode is a step of the power iteration
            norm.train(training)


def set_test_time(network: Network, test_time: TestTime) -> Network:
    """Prepare a trained network for use, in place; returns it.

    "eval" is batch norm with its running statistics, and no dropout. "published" is the test time of Pix2Pix (section
    3.4): dropout, as `SeededDropout`, and batch norm with the statistics of each image, by instance norms in place of
    the batch norms. Such a network is neither trained nor saved.
    """
    if test_time not in get_args(TestTime):
        raise ValueError(f"unknown test time {test_time!r}; {did_you_mean(test_time, get_args(TestTime))}")
    network.eval()
    settle_spectral_norm(network)
    if test_time == "published":
        for layer in list(network.modules()):
            for name, child in layer.named_children():
                if isinstance(child, nn.Dropout):
                    setattr(layer, name, SeededDropout(child.p).train())
                if isinstance(child, nn.BatchNorm2d):
                    setattr(layer, name, _as_instance_norm(child))
    return network


def _as_instance_norm(norm: nn.BatchNorm2d) -> InstanceNorm2d:
    instance = InstanceNorm2d(norm.num_features, eps=norm.eps, affine=norm.affine)
    instance.weight, instance.bias = norm.weight, norm.bias
    return instance.eval()
