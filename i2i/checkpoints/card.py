"""The card of a torch generator or segmenter: its channels and sizes, and the origin of its weights."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from typing import Any

import tomli_w
import torch
from torch import nn

from i2i import __version__
from i2i.networks.generators.base import ImageGenerator, LatentGenerator
from i2i.networks.product import Product
from i2i.networks.segmenters.base import Segmenter
from i2i_runtime.card import Card, NoiseCard, SegmenterCard

LOW_TO_HIGH = "low_to_high"  # the product of upscaling methods


def card_of(generator: ImageGenerator, facts: Mapping[str, str]) -> Card:
    """Card of a generator of images from images, with the facts of its weights file, as `load_generator` gives them."""
    return Card(
        **_common(generator, facts),
        out_channels=generator.out_channels,
        in_channels=generator.in_channels,
        scale=generator.scale,
        multiple_of=generator.multiple_of,
        min_size=generator.min_size,
        overlap=generator.overlap,
        tile_step=generator.tile_step,
        keeps_grey=_keeps_grey(generator, facts),
        trained_size=tuple(json.loads(facts["trained_size"])) if "trained_size" in facts else None,
        label_classes=generator.label_classes,
        instance_maps=generator.instance_maps,
    )


def _keeps_grey(generator: ImageGenerator, facts: Mapping[str, str]) -> bool:
    """A network that was trained here to restore images, or an architecture that is published to; not a translator,
    which may be there to colour them.
    """
    return facts["product"] == LOW_TO_HIGH if "recipe" in facts else generator.keeps_grey


def noise_card_of(generator: LatentGenerator, facts: Mapping[str, str]) -> NoiseCard:
    """Card of a generator of images from noise, likewise."""
    return NoiseCard(
        **_common(generator, facts),
        out_channels=generator.out_channels,
        latent=generator.latent,
        size=generator.size,
        classes=generator.classes,
        truncation="input" if generator.linear else "latent",
    )


def segmenter_card_of(segmenter: Segmenter, facts: Mapping[str, str]) -> SegmenterCard:
    """Card of a segmenter, likewise; the names of its classes are those in its recipe."""
    names = tomllib.loads(facts.get("recipe", "")).get("data", {}).get("classes", [])
    return SegmenterCard(
        **_common(segmenter, facts),
        in_channels=segmenter.in_channels,
        classes=segmenter.classes,
        names=tuple(names) if len(names) == segmenter.classes else (),
        min_size=segmenter.min_size,
    )


def _common(network: Product, facts: Mapping[str, str]) -> dict[str, Any]:
    return {
        "product": facts["product"],
        "value_range": network.value_range,
        "recipe": _without_folders(facts.get("recipe", "")),
        "step": int(facts.get("step", 0)),
        "version": facts.get("version", __version__),
        "weights": checksum(network),
    }


def checksum(network: nn.Module) -> str:
    """SHA-256 of the names, shapes and values of the weights, in the order of the names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _without_folders(recipe: str) -> str:
    """Recipe whose paths are cut to their last part: an exported file does not reveal the folders of a computer."""

    def shortened(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shortened(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [shortened(inner) for inner in value]
        return value.replace("\\", "/").rstrip("/").rpartition("/")[2] if isinstance(value, str) else value

    return tomli_w.dumps(shortened(tomllib.loads(recipe)))
