"""Convolutions on a CPU whose weights are laid out for oneDNN once.

By itself PyTorch lays them out anew for every single call. Where there are more of them than pixels that takes longer
than the products: half of the time of a U-Net. The operators are those that torch.compile writes its code with; PyTorch
promises nothing about them, so they are tried before they are used.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class Steps(NamedTuple):
    """How a convolution, of one group, goes over its image: down and across. Transposed with an `output_padding`."""

    stride: list[int]
    padding: list[int]
    dilation: list[int]
    output_padding: list[int] | None = None


def pays(image: Tensor, weight: Tensor) -> bool:
    """Whether packing can be done here and saves time."""
    kinds = (image.dtype, weight.dtype, image.device.type, weight.device.type)
    on_cpu = kinds == (torch.float32, torch.float32, "cpu", "cpu")
    return on_cpu and weight.numel() > image.numel() and not torch.is_autocast_enabled("cpu") and can_pack()


def pack(weight: Tensor, image: Tensor, steps: Steps) -> Tensor:
    """The weights in the layout that is best for images of this size, right for all."""
    weight, size = weight.detach().contiguous(memory_format=torch.channels_last), list(image.shape)
    stride, padding, dilation, output_padding = steps
    if output_padding is None:
        return torch.ops.mkldnn._reorder_convolution_weight(weight, padding, stride, dilation, 1, size)
    return torch.ops.mkldnn._reorder_convolution_transpose_weight(
        weight, padding, output_padding, stride, dilation, 1, size
    )


def convolve(image: Tensor, packed: Tensor, bias: Tensor | None, steps: Steps) -> Tensor:
    """What `F.conv2d` or `F.conv_transpose2d` gives with the weights that were packed, channels last."""
    image = image.contiguous(memory_format=torch.channels_last)
    stride, padding, dilation, output_padding = steps
    alone: tuple[Any, ...] = ("none", [], "")  # with nothing after it
    if output_padding is None:
        return torch.ops.mkldnn._convolution_pointwise(image, packed, bias, padding, stride, dilation, 1, *alone)
    return torch.ops.mkldnn._convolution_transpose_pointwise(
        image, packed, bias, padding, output_padding, stride, dilation, 1, *alone
    )


@cache
def can_pack() -> bool:
    """Whether this build of PyTorch has the operators, as they are used here."""
    image, bias = torch.linspace(-1, 1, 60).reshape(1, 4, 3, 5), torch.linspace(-1, 1, 5)
    weight = torch.linspace(-1, 1, 320).reshape(5, 4, 4, 4)
    ordinary = Steps([2, 2], [1, 1], [1, 1])
    turned, transposed = weight.transpose(0, 1).contiguous(), ordinary._replace(output_padding=[0, 0])
    try:
        found = convolve(image, pack(weight, image, ordinary), bias, ordinary)
        larger = convolve(image, pack(turned, image, transposed), bias, transposed)
    except (AttributeError, RuntimeError, TypeError):
        return False
    pairs = (
        (found, F.conv2d(image, weight, bias, 2, 1)),
        (larger, F.conv_transpose2d(image, turned, bias, 2, 1)),
    )
    return all(ours.shape == theirs.shape and torch.allclose(ours, theirs, atol=1e-4) for ours, theirs in pairs)


class PackedWeights(TorchFunctionMode):
    """Within it, and without gradients, convolutions by parameters give what they gave, sooner where that `pays`.

    It keeps what it has packed for as long as the parameter is what it was. Threads may share it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._packed: dict[nn.Parameter, tuple[int, Tensor]] = {}

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        arguments: Sequence[Any] = (),
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        # As layers call them, with everything by its place.
        if not options and not torch.is_grad_enabled() and function in (F.conv2d, F.conv_transpose2d):
            return self._convolve(function, *arguments)
        return function(*arguments, **(options or {}))

    def _convolve(self, function: Callable[..., Any], image: Tensor, weight: Tensor, *more: Any) -> Tensor:
        steps = _steps(function, *more)
        if steps is None or not isinstance(weight, nn.Parameter) or not pays(image, weight):
            return function(image, weight, *more)
        version, packed = self._packed.get(weight, (-1, weight))
        if version != weight._version:
            version, packed = self._packed[weight] = weight._version, pack(weight, image, steps)
        return convolve(image, packed, more[0], steps)


def _steps(function: Callable[..., Any], *more: Any) -> Steps | None:
    """Of the arguments after image and weights; None where they are not those of a layer, or groups."""
    if function is F.conv2d and len(more) == 5:
        _, stride, padding, dilation, groups = more
        output_padding = None
    elif function is F.conv_transpose2d and len(more) == 6:
        _, stride, padding, output_padding, groups, dilation = more
    else:
        return None
    if groups != 1 or isinstance(padding, str):
        return None
    return Steps(list(stride), list(padding), list(dilation), output_padding and list(output_padding))
