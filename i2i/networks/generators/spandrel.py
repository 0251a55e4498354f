"""Networks of published upscalers and restorers that are not ours, of any architecture that spandrel knows.

https://github.com/chaiNNer-org/spandrel (MIT), which an extra of this package brings.
"""

import inspect
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from i2i.extras import install_hint
from i2i.networks.generators.base import ImageGenerator
from i2i.recipe.ranges import Channels, Scale
from i2i.registry import did_you_mean, generators
from i2i_runtime.tiles import reflect_indices

_OF_ONE_IMAGE = ("DRUNet", "DnCNN")  # spandrel makes their noise levels for one image
_ONLY_SIDE = {"GFPGAN": 512}  # pixels along both sides of the only images that a network takes


class ArchitectureGenerator(ImageGenerator):
    """A network of spandrel's, with its weights, as one of our generators.

    Shapes: (N, in_channels, H, W) in [0, 1] -> (N, out_channels, scale * H, scale * W), unbounded around [0, 1]; H and
    W are multiples of `multiple_of`, or both `only_side`; one that `needs_square` images pads them to squares.
    `architecture`, `tags` and `purpose` are spandrel's words for it.
    """

    value_range = (0.0, 1.0)
    keeps_grey = True

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.network: nn.Module = descriptor.model
        self._call: Callable[[nn.Module, Tensor], Tensor] = descriptor._call_fn  # as spandrel's own call, which clips
        self.architecture = str(descriptor.architecture.id)
        self.tags = tuple(map(str, descriptor.tags))
        self.purpose = str(descriptor.purpose)
        self.in_channels, self.out_channels = int(descriptor.input_channels), int(descriptor.output_channels)
        self.scale = int(descriptor.scale)
        sizes = descriptor.size_requirements
        self.multiple_of, self.min_size = sizes.multiple_of, max(1, sizes.minimum)
        self.needs_square: bool = sizes.square
        self.only_side = _ONLY_SIDE.get(self.architecture)
        self.spec = {
            "name": "spandrel",
            "architecture": self.architecture,
            "network": type(self.network).__name__,
            "parameters": _parameters(self.network),
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "scale": self.scale,
        }

    def check_size(self, height: int, width: int) -> None:
        super().check_size(height, width)
        if self.only_side and (height, width) != (self.only_side, self.only_side):
            only = f"{self.only_side}x{self.only_side}"
            raise ValueError(f"{self.architecture} takes images of {only} only; cut them out first, or resize them")

    def forward(self, image: Tensor) -> Tensor:
        if self.only_side:
            self.check_size(*image.shape[2:])
        if self.architecture in _OF_ONE_IMAGE and len(image) > 1:
            return torch.cat([self(each) for each in image.split(1)])
        if not self.needs_square or image.shape[2] == image.shape[3]:
            return self._call(self.network, image.clone())  # RCAN, for one, scales its input in place
        height, width = image.shape[2:]
        side = max(height, width)
        rows, columns = (
            torch.from_numpy(reflect_indices(size, multiple_of=self.multiple_of, min_size=side)).to(image.device)
            for size in (height, width)
        )
        result = self._call(self.network, image[:, :, rows][..., columns])
        return result[..., : height * self.scale, : width * self.scale]


@generators.register("spandrel")
class SpandrelGenerator(ArchitectureGenerator):
    """Any architecture of spandrel's, to fine-tune: give `file`, a published file of weights.

    A run takes its network, scale and channels from the file, starts from its weights, and does not need it again: the
    run's recipe has the `architecture`, its class `network` and the `parameters` of that in place of `file`.

    Shapes: (N, in_channels, H, W) in [0, 1] -> (N, out_channels, scale * H, scale * W), unbounded around [0, 1]; sizes
    as the architecture needs them.
    """

    def __init__(
        self,
        *,
        in_channels: Channels = 3,
        out_channels: Channels = 3,
        scale: Scale = 1,
        file: str = "",
        architecture: str = "",
        network: str = "",
        parameters: dict[str, Any] = {},  # noqa: B006
    ) -> None:
        if not architecture:
            raise ValueError("generator spandrel: no network; name a published file, --set method.generator.file=x.pth")
        super().__init__(_describe(architecture, network, parameters))
        given = {"in_channels": in_channels, "out_channels": out_channels, "scale": scale}
        for option, value in given.items():
            if value != getattr(self, option):
                raise ValueError(
                    f"{option} = {value} is refused; allowed: {getattr(self, option)}, that of this {architecture}"
                )


def _parameters(network: nn.Module) -> dict[str, Any]:
    """The arguments of a network of spandrel's that are not its defaults."""
    kept: Mapping[str, Any] = network.hyperparameters  # type: ignore[assignment]
    defaults = {name: each.default for name, each in inspect.signature(type(network)).parameters.items()}
    changed = {name: value for name, value in kept.items() if name not in defaults or defaults[name] != value}
    return dict(json.loads(json.dumps(changed)))  # with lists for tuples, as any file has them


def _describe(architecture: str, network: str, parameters: Mapping[str, Any]) -> Any:
    """The descriptor of spandrel's for a network with random weights. Raises ValueError for an unknown one, and for
    parameters that it does not take.
    """
    try:
        import spandrel
    except ImportError:
        raise ValueError(f"generator spandrel: {install_hint('architectures')}") from None
    build = _network_class(architecture, network)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about torch.meshgrid and empty tensors, in its networks
            return spandrel.ModelLoader().load_from_state_dict(build(**parameters).state_dict())
    except (TypeError, AttributeError, KeyError, IndexError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"generator spandrel: {network} can't be built of these parameters ({reason})") from error


def _network_class(architecture: str, network: str) -> type[nn.Module]:
    """The class of a network of an architecture, which spandrel has in a package of its own."""
    from spandrel import MAIN_REGISTRY

    names = [str(each.architecture.id) for each in MAIN_REGISTRY]
    if architecture not in names:
        raise ValueError(
            f"generator spandrel: unknown architecture {architecture!r}; {did_you_mean(architecture, names)}"
        )
    package = type(MAIN_REGISTRY[architecture].architecture).__module__
    modules = [vars(module) for name, module in sys.modules.items() if name.startswith(f"{package}.")]
    found = {
        name: each
        for module in modules
        for name, each in module.items()
        if inspect.isclass(each) and issubclass(each, nn.Module)
    }
    if network not in found:
        raise ValueError(f"generator spandrel: {architecture} has no network {network!r}")
    return found[network]
