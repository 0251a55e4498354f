"""What a generator computes, found out by calling it with a stand-in for the image.

Its own `forward` runs, and every torch function that meets the stand-in adds a map. So nothing needs to be said here
about any one network, and a function that is not known here is refused.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.banded import maps
from i2i.banded.maps import Map
from i2i.banded.norm import InstanceNorm
from i2i.networks.generators.base import ImageGenerator


class Trace(NamedTuple):
    """The maps at both ends, and the instance norms by the names that their layers have in the generator."""

    image: Map
    result: Map
    norms: dict[str, InstanceNorm]


class StandIn:
    """Stands for a tensor (1, channels, height, width) in a generator's forward."""

    def __init__(self, stands_for: Map) -> None:
        self.map = stands_for

    @property
    def shape(self) -> torch.Size:
        return torch.Size((1, self.map.channels, self.map.height, self.map.width))

    def size(self, dim: int | None = None) -> torch.Size | int:
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        return 4

    def __add__(self, other: "StandIn") -> "StandIn":
        if not isinstance(other, StandIn) or other.shape != self.shape:
            raise ValueError("an addition of anything but two maps of equal shape is unknown here")
        return StandIn(maps.Sum(self.map, other.map))

    def __iadd__(self, other: "StandIn") -> "StandIn":
        self.map = (self + other).map  # also for whoever else holds it, as with tensors
        return self

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> "StandIn":
        if function not in _KNOWN:
            raise ValueError(f"{getattr(function, '__name__', function)} is unknown here")
        kwargs = kwargs or {}
        made = _KNOWN[function](*args, **kwargs)
        if kwargs.get("inplace"):
            args[0].map = made
        return args[0] if isinstance(args[0], StandIn) and args[0].map is made else StandIn(made)


@torch.no_grad()
def trace(generator: ImageGenerator, image: Map) -> Trace:
    """What `generator` makes of `image`. Raises ValueError if it does something that is unknown here."""
    norms: dict[str, InstanceNorm] = {}

    def note(name: str, made: Any) -> None:
        if name in norms:
            raise ValueError(f"using the layer {name} twice is unknown here")
        norms[name] = made.map

    hooks = [
        layer.register_forward_hook(lambda layer, given, made, name=name: note(name, made))
        for name, layer in generator.named_modules()
        if isinstance(layer, nn.InstanceNorm2d)
    ]
    try:
        result = generator(StandIn(image))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(generator).__name__} can't run in bands of rows: {error}") from error
    finally:
        for hook in hooks:
            hook.remove()
    promised = (1, generator.out_channels, image.height * generator.scale, image.width * generator.scale)
    if result.shape != promised:
        raise ValueError(f"{type(generator).__name__} makes {tuple(result.shape)} where it promises {promised}")
    return Trace(image, result.map, norms)


_KNOWN: dict[Callable[..., Any], Callable[..., Map]] = {}


def _known(function: Callable[..., Any]) -> Callable[[Callable[..., Map]], Callable[..., Map]]:
    """Says that a call of `function` in a generator is what the decorated one does, which has the same parameters."""

    def add(step: Callable[..., Map]) -> Callable[..., Map]:
        _KNOWN[function] = step
        return step

    return add


@_known(F.conv2d)
def _convolve(
    image: StandIn,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Map:
    _require(not isinstance(padding, str) and _pair(dilation) == (1, 1), "a convolution with dilation")
    return maps.Convolution(image.map, weight, bias, _pair(stride), _pair(padding), groups)


@_known(F.conv_transpose2d)
def _convolve_transposed(
    image: StandIn,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Map:
    stride, padding, more = _pair(stride), _pair(padding), _pair(output_padding)
    # Else there are rows that no row of the source adds to.
    complete = weight.shape[2] >= stride[0] and more[0] <= padding[0]
    _require(complete and _pair(dilation) == (1, 1), "a transposed convolution with dilation or gaps")
    return maps.TransposedConvolution(image.map, weight, bias, stride, padding, more, groups)


@_known(F.pad)
def _pad(image: StandIn, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Map:
    known = mode == "reflect" and len(pad) == 4 and len(set(pad)) == 1 and 0 <= pad[0] < min(image.shape[2:])
    _require(known, "padding other than by the same reflection on all sides")
    return maps.Reflection(image.map, pad[0])


@_known(F.interpolate)
def _interpolate(
    image: StandIn, size: Any = None, scale_factor: Any = None, mode: str = "nearest", **others: Any
) -> Map:
    known = mode == "nearest" and isinstance(scale_factor, int | float) and scale_factor == int(scale_factor) > 0
    _require(known, "up-sampling other than by repeating pixels")
    return maps.Repetition(image.map, int(scale_factor))


@_known(F.instance_norm)
def _normalise(
    image: StandIn,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Map:
    _require(use_input_stats and running_mean is None, "instance norm with running statistics")
    return InstanceNorm(image.map, weight, bias, eps)


@_known(F.batch_norm)
def _batch_normalise(image: StandIn, *statistics: Any, training: bool = False, **options: Any) -> Map:
    _require(not training, "batch norm without running statistics (call eval())")
    return _pointwise(image, lambda band: F.batch_norm(band, *statistics, **options))


@_known(F.dropout)
def _drop(image: StandIn, p: float = 0.5, training: bool = True, inplace: bool = False) -> Map:
    _require(not training, "dropout that is on")
    return image.map


@_known(F.relu)
def _relu(image: StandIn, inplace: bool = False) -> Map:
    return _pointwise(image, torch.relu_)


@_known(F.leaky_relu)
def _leaky_relu(image: StandIn, negative_slope: float = 0.01, inplace: bool = False) -> Map:
    return _pointwise(image, lambda band: F.leaky_relu(band, negative_slope, inplace=True))


@_known(torch.tanh)
def _tanh(image: StandIn) -> Map:
    return _pointwise(image, torch.tanh_)


@_known(torch.cat)
def _concatenate(images: Sequence[StandIn], dim: int = 0) -> Map:
    _require(dim == 1 and len({image.shape[2:] for image in images}) == 1, "joining maps other than their channels")
    return maps.Pointwise(
        lambda *bands: torch.cat(bands, dim=1),
        sum(image.shape[1] for image in images),
        *(image.map for image in images),
    )


def _pointwise(image: StandIn, function: Callable[[Tensor], Tensor]) -> Map:
    return maps.Pointwise(function, image.map.channels, image.map)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _require(known: bool, what: str) -> None:
    if not known:
        raise ValueError(f"{what} is unknown here")
