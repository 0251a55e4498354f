"""Published checkpoints in and out: Pix2Pix, CycleGAN and CUT (`latest_net_G.pth` and the like), ESRGAN, Real-ESRGAN,
SPAN, PLKSR and RealPLKSR; StyleGAN2's in NVIDIA's pickles, rosinality's and lucidrains' files; BigGAN's and
BigGAN-deep's.

The architecture is recognised from keys and shapes, never from a file's name. Keys give the position of a layer in the
published network: sorted by it, the layers are in the order of ours. `save_published` writes the published layout.
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from i2i.interop import (
    biggan,
    biggan_deep,
    plksr,
    span,
    stylegan2,
    stylegan2_lucidrains,
    stylegan3,
    super_resolution,
    translation,
)
from i2i.interop.architectures import NotRecognised, load_architecture
from i2i.interop.files import read
from i2i.interop.interpolation import interpolate
from i2i.interop.layers import rename
from i2i.interop.ncnn_back import read_written
from i2i.interop.publish import publish, save_published
from i2i.networks.generators import Generator, ImageGenerator
from i2i.registry import generators

__all__ = ["interpolate", "load_published", "publish", "recognise", "rename", "save_published"]

# A key that only this kind of network has -> its name in words, registered name, and the function for its options.
KINDS: dict[str, tuple[str, str, Callable[[Mapping[str, Tensor]], dict[str, Any]]]] = {
    "model.model.0.weight": ("U-Net", "unet", translation.unet_options),
    "model.10.conv_block.1.weight": ("ResNet", "resnet", translation.resnet_options),
    "model.12.conv_block.1.weight": ("ResNet", "resnet", translation.resnet_options),
    "body.0.rdb1.conv1.weight": ("RRDB", "rrdb", super_resolution.rrdb_options),
    "RRDB_trunk.0.RDB1.conv1.weight": ("RRDB", "rrdb", super_resolution.rrdb_options),
    "model.1.sub.0.RDB1.conv1.0.weight": ("RRDB", "rrdb", super_resolution.rrdb_options),
    "body.2.weight": ("compact (SRVGG)", "srvgg", super_resolution.srvgg_options),
    "block_1.c1_r.sk.weight": ("SPAN", "span", span.span_options),
    "feats.1.channe_mixer.0.weight": ("PLKSR", "plksr", plksr.plksr_options),
    "feats.1.channel_mixer.0.weight": ("RealPLKSR", "realplksr", plksr.realplksr_options),
    stylegan2.NVIDIA: ("StyleGAN2", "stylegan2", stylegan2.stylegan2_options),
    stylegan3.NVIDIA: ("StyleGAN3", "stylegan3", stylegan3.stylegan3_options),
    biggan.AUTHORS: ("BigGAN", "biggan", biggan.biggan_options),
    biggan_deep.PRETRAINED: ("BigGAN-deep", "biggan-deep", biggan_deep.biggan_deep_options),
    stylegan2.ROSINALITY: ("StyleGAN2", "stylegan2", stylegan2.stylegan2_options),
    stylegan2_lucidrains.LUCIDRAINS: ("StyleGAN2", "stylegan2-lucidrains", stylegan2_lucidrains.lucidrains_options),
}
# Names of generators whose keys are renamed one by one; of others the order of the layers says which is which.
RENAMED: dict[str, Callable[[Mapping[str, Tensor], Any], dict[str, Tensor]]] = {
    "biggan": biggan.rename_biggan,
    "biggan-deep": biggan_deep.rename_biggan_deep,
    "span": span.rename_span,
    "plksr": plksr.rename_plksr,
    "realplksr": plksr.rename_plksr,
    "stylegan2": stylegan2.rename_stylegan2,
    "stylegan2-lucidrains": stylegan2_lucidrains.rename_lucidrains,
    "stylegan3": stylegan3.rename_stylegan3,
}
# Keys of networks of others that may have one of these keys, too.
OF_OTHERS = (
    "body.0.body.0.body.0.weight",  # RCAN of two groups
    "model.1.sub.0.RDB1.conv1x1.weight",  # ESRGAN+
    "am_list.0.fc.0.weight",  # MM-RealSR
    "feats.1.lk.mn_conv.weight",  # PLKSR of crossed kernels
    "feats.1.lk.convs.0.weight",  # of sparse ones, whose files do not say their dilations
)

# What arithmetic with tensors of strange shapes raises.
_OF_STRANGE_TENSORS = (LookupError, RuntimeError, TypeError, ZeroDivisionError)


def load_published(
    path: str | Path, *, scale: int | None = None, notify: Callable[[str], None] = lambda message: None
) -> Generator:
    """Load the generator of a published checkpoint, on the CPU in eval mode: `.pth`, `.safetensors`, NVIDIA's `.pkl`,
    or ncnn's pair of `.param` and `.bin`, of which `path` is either. A network that is not ours is spandrel's, if that
    is installed. `scale` says that an RRDB network with one up-sampling is for x3, which its tensors do not; without it
    such a network is for x2, with a warning. `notify` gets a line about what takes time.

    The file is read as data, no code in it is run. Of weights and their moving average the average is taken. The
    reference tests Pix2Pix in training mode (batch statistics and dropout); call `.train()` on the result for that.
    Raises ValueError for a file that is missing, damaged or of another kind.
    """
    path = Path(path)
    if (written := read_written(path)) is not None:
        return written.eval()
    state = read(path)
    try:
        generator = _build_of_ours(state, path, scale) if _is_ours(state) else _build_of_others(state, scale, notify)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return generator.float().eval()


def _is_ours(state: Mapping[str, Tensor]) -> bool:
    return any(key in state for key in KINDS) and not any(key in state for key in OF_OTHERS)


def _build_of_ours(state: Mapping[str, Tensor], path: Path, scale: int | None) -> Generator:
    try:
        return _build(state, path, scale)
    except _OF_STRANGE_TENSORS as error:
        reason, *_ = str(error).splitlines() or [type(error).__name__]
        raise ValueError(
            f"a tensor has a shape or a kind of numbers that it should not have ({reason}); copy or download it again"
        ) from error


def _build(state: Mapping[str, Tensor], path: Path, scale: int | None) -> Generator:
    """A generator of ours with published weights. It is built without memory, so that the checkpoint's tensors become
    the weights; one with constants of its own, which are in no checkpoint, once more with memory.
    """
    name, options = recognise(state)
    options |= _scale(path, options, scale)
    build: Any = generators[name]
    with torch.device("meta"):
        generator = build(**options)
    weights = RENAMED.get(name, rename)(state, generator)
    _check_floats(weights, generator)
    if set(generator.state_dict()) == {key for key, _ in (*generator.named_parameters(), *generator.named_buffers())}:
        generator.load_state_dict(weights, assign=True)
    else:
        generator = build(**options)
        generator.load_state_dict(weights)
    generator.spec = {"name": name, **options}
    return generator


def _check_floats(weights: Mapping[str, Tensor], network: Generator) -> None:
    """Raises ValueError for a tensor of other numbers where the network has floats."""
    for name, ours in network.state_dict().items():
        if ours.is_floating_point() and name in weights and not weights[name].is_floating_point():
            kind = str(weights[name].dtype).removeprefix("torch.")
            raise ValueError(f"{name} is {kind}, where {type(network).__name__} has floats; copy or download it again")


def _build_of_others(state: Mapping[str, Tensor], scale: int | None, notify: Callable[[str], None]) -> ImageGenerator:
    try:
        generator = load_architecture(state, notify=notify)
    except NotRecognised as error:
        raise ValueError(f"{_unknown(state)}; {error}") from error
    if scale not in (None, generator.scale):
        raise ValueError(f"its layers are those of x{generator.scale}, not of x{scale}")
    return generator


def _scale(path: Path, options: Mapping[str, Any], scale: int | None) -> dict[str, int]:
    """The scale that `scale` and a network's options agree on. Raises ValueError where they do not."""
    found = options.get("scale", 1)
    if options.get("unshuffle") is False and found == 2:  # an RRDB network with one up-sampling
        if scale is None and path.suffix not in (".param", ".bin"):  # a graph says its factors
            hint = "if it is for x3, give i2i convert --to i2i --scale 3"
            warnings.warn(f"{path}: loaded as x2; {hint}", stacklevel=5)
        if scale == 3:
            return {"scale": scale}
    if scale not in (None, found):
        raise ValueError(f"its layers are those of x{found}, not of x{scale}")
    return {}


def recognise(state: Mapping[str, Tensor]) -> tuple[str, dict[str, Any]]:
    """Registered name and options of the generator of a published state dict, from its keys and shapes.

    They do not contain whether a U-Net was trained with dropout, nor whether an RRDB network with one up-sampling is
    for x2 or x3: x2 is assumed. Raises ValueError for another kind of network.
    """
    for key, (_, name, options) in KINDS.items():
        if key in state:
            return name, options(state)
    raise ValueError(_unknown(state))


def _unknown(state: Mapping[str, Tensor]) -> str:
    known = ", ".join(dict.fromkeys(name for name, *_ in KINDS.values()))
    found = ", ".join([*map(str, state)][:3]) + ", ..." if state else "none"
    return f"not a published generator ({known}); its keys are {found}"
