"""Writes our generators in the published layouts, for other tools."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from i2i.interop.layers import following, own_layers
from i2i.interop.plksr import publish_plksr
from i2i.interop.span import publish_span
from i2i.interop.stylegan2 import publish_stylegan2
from i2i.interop.super_resolution import rrdb_names, srvgg_names
from i2i.interop.translation import resnet_filters, resnet_names, unet_names
from i2i.networks.antialiasing import AntialiasedDownsample, AntialiasedUpsample
from i2i.networks.generators.base import Generator
from i2i.networks.generators.plksr import PLKSR
from i2i.networks.generators.realplksr import RealPLKSR
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.rrdb import RRDBNet
from i2i.networks.generators.span import SPAN
from i2i.networks.generators.spandrel import ArchitectureGenerator, SpandrelGenerator
from i2i.networks.generators.srvgg import SRVGGNet
from i2i.networks.generators.stylegan2 import StyleGAN2Generator
from i2i.networks.generators.unet import UnetGenerator
from i2i_runtime.files import write_atomically

_PUBLISHERS: dict[type, Callable[..., dict[str, Tensor]]] = {
    SPAN: publish_span,
    PLKSR: publish_plksr,
    RealPLKSR: publish_plksr,
    StyleGAN2Generator: publish_stylegan2,
    ArchitectureGenerator: lambda generator: generator.network.state_dict(),
    SpandrelGenerator: lambda generator: generator.network.state_dict(),
}
# The key under which a .pth file of others holds the state dict.
_WRAPPERS = {RRDBNet: "params_ema", SRVGGNet: "params", SPAN: "params", PLKSR: "params", RealPLKSR: "params"}


def publish(generator: Generator) -> dict[str, Tensor]:
    """State dict of a generator with the published keys: the inverse of `rename`.

    RRDB and compact networks have Real-ESRGAN's keys, SPAN, PLKSR and RealPLKSR those that spandrel reads, spandrel's
    architectures their own, StyleGAN2 those of rosinality, U-Net and ResNet those of the reference of Pix2Pix and
    CycleGAN, and the anti-aliased ResNet those of CUT's. Raises ValueError for a generator or
    options without a published layout.
    """
    if type(generator) in _PUBLISHERS:
        state = _PUBLISHERS[type(generator)](generator)
        return {key: tensor.detach().cpu().contiguous() for key, tensor in state.items()}
    return _publish_in_order(generator)


def _publish_in_order(generator: Generator) -> dict[str, Tensor]:
    """The state dict of a network whose published layers have the order of ours."""
    convolutions, name = iter(_convolutions(generator)), ""
    state: dict[str, Tensor] = {}
    for layer in own_layers(generator).values():
        # Layers with weights that are no convolutions, norms and activations, follow one.
        name = next(convolutions) if layer["weight"].ndim == 4 else following(name)
        state |= {f"{name}.{leaf}": tensor.detach().cpu().contiguous() for leaf, tensor in layer.items()}
    return state | (_resnet_filters(generator) if isinstance(generator, ResnetGenerator) else {})


def save_published(generator: Generator, file: Path) -> None:
    """Write `publish(generator)` to `file`, which appears only when it is whole.

    `.pth` for super-resolution is wrapped as Real-ESRGAN's files are, `params_ema` or `params`, for translation bare as
    `latest_net_G.pth`; `.safetensors` is bare. Raises ValueError.
    """
    state = publish(generator)
    if file.suffix not in (".pth", ".pt", ".safetensors"):
        raise ValueError(f"{file}: published tools load .pth, .pt and .safetensors; name such a file")
    file.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(file) as temporary:
        if file.suffix == ".safetensors":
            save_file(state, temporary, metadata={"format": "pt"})
        else:
            torch.save(_wrapped(generator, state), temporary)


def _wrapped(generator: Generator, state: dict[str, Tensor]) -> dict[str, Any]:
    if isinstance(generator, StyleGAN2Generator):
        return {"latent_avg": state.pop("latent_avg"), "g_ema": state}
    wrapper = _WRAPPERS.get(type(generator))
    return {wrapper: state} if wrapper else state


def _convolutions(generator: Generator) -> list[str]:
    names: dict[type, Callable[..., list[str]]] = {
        RRDBNet: _rrdb,
        SRVGGNet: _srvgg,
        UnetGenerator: _unet,
        ResnetGenerator: _resnet,
    }
    if type(generator) not in names:
        raise ValueError(
            f"{type(generator).__name__} has no published layout; choose from: rrdb, srvgg, span, plksr, realplksr, "
            "unet, resnet and stylegan2"
        )
    return names[type(generator)](generator)


def _rrdb(generator: RRDBNet) -> list[str]:
    if generator.scale == 3:
        raise ValueError(
            "the published layout of RRDB networks is the same for x3 and x2; choose from: scale 1, 2, 4, 8"
        )
    return rrdb_names(len(generator.blocks), len(generator.up))


def _srvgg(generator: SRVGGNet) -> list[str]:
    if not any(isinstance(layer, nn.PReLU) for layer in generator.modules()):
        raise ValueError("the published layout of compact networks is the same for relu and leakyrelu; allowed: prelu")
    return srvgg_names(len(generator.body))


def _unet(generator: UnetGenerator) -> list[str]:
    _refuse_resizing(generator)
    return unet_names(len(generator.down) + 1)


def _resnet(generator: ResnetGenerator) -> list[str]:
    if generator.residual:
        raise ValueError("ResnetGenerator was published without residual only")
    antialias = _antialias(generator)
    if not antialias["antialias_up"]:
        _refuse_resizing(generator)
    dropout = any(isinstance(layer, nn.Dropout) for layer in generator.modules())
    return resnet_names(len(generator.blocks), dropout=dropout, **antialias)


def _resnet_filters(generator: ResnetGenerator) -> dict[str, Tensor]:
    features = len(next(generator.parameters()))  # of the first convolution
    return resnet_filters(features, len(generator.blocks), **_antialias(generator))


def _antialias(generator: ResnetGenerator) -> dict[str, bool]:
    """The options of its anti-aliased samplings."""
    kinds = {"antialias_down": AntialiasedDownsample, "antialias_up": AntialiasedUpsample}
    return {name: any(isinstance(layer, kind) for layer in generator.modules()) for name, kind in kinds.items()}


def _refuse_resizing(generator: Generator) -> None:
    if not any(isinstance(layer, nn.ConvTranspose2d) for layer in generator.modules()):
        raise ValueError(f"{type(generator).__name__} was published with upsampling = transposed only")
