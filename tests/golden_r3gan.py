"""The recorded R3GAN networks: ours of the same options, and their keys by ours."""

import re
from typing import Any

from torch import nn

from i2i.networks.discriminators.r3gan import R3GANDiscriminator
from i2i.networks.generators.r3gan import R3GANGenerator

_LAYERS = {0: "LinearLayer1.Layer.weight", 1: "NonLinearity1.Bias", 2: "LinearLayer2.Layer.weight",
           3: "NonLinearity2.Bias", 4: "LinearLayer3.Layer.weight"}  # fmt: skip
_SIZE = 32


def table(options: dict[str, Any], classes: int = 0) -> dict[str, Any]:
    """Options of our networks; their widths end at the first ones' half or less."""
    widths = options["WidthPerStage"]
    outer = min(widths[0], widths[-1])
    group = options["ExpansionFactor"] * widths[0] // options["CardinalityPerStage"][0]
    shared = {"features": max(widths), "base": outer * _SIZE, "group": group, "blocks": options["BlocksPerStage"][0]}
    own = {"latent": options["NoiseDimension"]} if "NoiseDimension" in options else {}
    return {**shared, **own, "expansion": options["ExpansionFactor"], "size": _SIZE, "classes": classes}


def generator_of(options: dict[str, Any]) -> R3GANGenerator:
    return R3GANGenerator(**table(options))


def discriminator_of(options: dict[str, Any]) -> R3GANDiscriminator:
    return R3GANDiscriminator(**table(options))


def keys(network: nn.Module) -> dict[str, str]:
    """Our keys -> the authors'."""
    return {key: _theirs(key, network) for key in network.state_dict()}


def _theirs(key: str, network: nn.Module) -> str:
    last = f"MainLayers.{len(network.stages) - 1}.Layers.{len(network.stages[-1])}"
    is_generator = isinstance(network, R3GANGenerator)
    whole = {
        "basis": "MainLayers.0.Layers.0.Basis",
        "stem.weight": "MainLayers.0.Layers.0.LinearLayer.weight" if is_generator else "ExtractionLayer.Layer.weight",
        "head.weight": "AggregationLayer.Layer.weight",
        "head.0.weight": f"{last}.Basis.weight",
        "head.2.weight": f"{last}.LinearLayer.weight",
    }
    if key in whole:
        return whole[key]
    stage, layer, rest = re.fullmatch(r"stages\.(\d+)\.(\d+)\.(.*)", key).groups()
    layers = list(network.stages[int(stage)])
    # Theirs has one transition, of a filter and a convolution: before the blocks of a generator, after a judge's.
    blocks = [number for number, each in enumerate(layers) if isinstance(each, nn.Sequential)]
    if int(layer) not in blocks:
        transition = 0 if is_generator else len(blocks)
        return f"MainLayers.{stage}.Layers.{transition}.LinearLayer.Layer.weight"
    number = blocks.index(int(layer)) + is_generator
    return f"MainLayers.{stage}.Layers.{number}.{_LAYERS[int(rest.split('.')[0])]}"
