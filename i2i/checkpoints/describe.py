"""What a file of weights or an exported file is, in words: its network, channels and sizes, origin and licence."""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import onnx

from i2i import registry
from i2i.checkpoints import run as checkpoint
from i2i.checkpoints.load import load_network
from i2i.checkpoints.published import PublishedGenerator
from i2i.download import Progress
from i2i.interop.files import is_safetensors
from i2i.networks.generators.base import ImageGenerator, LatentGenerator
from i2i.networks.generators.spandrel import ArchitectureGenerator
from i2i.networks.product import Product
from i2i_runtime.engines import is_exported
from i2i_runtime.engines.base import CARD, NOISE_CARD, SEGMENTER_CARD
from i2i_runtime.schema import parse_json

Lines = Iterator[tuple[str, str]]  # what it is about, and the fact

# Keys of Stability AI's ModelSpec (https://github.com/Stability-AI/ModelSpec), which trainers of upscalers write, and
# their kin without its prefix.
_MODEL_SPEC = ("title", "author", "license", "date", "version", "description", "usage_hint", "tags", "architecture")
_SPELT = {"license": "licence", "usage_hint": "usage"}
_LONGEST = 300  # characters of a fact that a stranger wrote
_CHANNELS = {1: "grey", 3: "RGB", 4: "RGBA"}


def describe(
    model: str | Path,
    product: str | None = None,
    *,
    progress: Progress | None = None,
    notify: Callable[[str], None] = lambda message: None,
) -> Lines:
    """Facts of a run, a checkpoint, a file of weights (ours or published), an .onnx or a name of `i2i list weights`.

    What the file does not say is left out, but its licence is said to be missing. Raises ValueError.
    """
    if is_exported(model):
        yield from _of_exported(Path(model))
        return
    network, facts = load_network(model, product, progress=progress, notify=notify)
    yield "network", _name(network)
    yield from _sizes(network)
    yield "weights", f"{sum(weight.numel() for weight in network.parameters()):,}"
    yield from _origin(facts)
    written = _metadata(Path(model))
    yield from ((_SPELT.get(key, key), text) for key, text in written.items() if key != "license")
    yield "licence", written.get("license") or _licence_by_name(str(model)) or "the file does not say"


def _name(network: Product) -> str:
    if isinstance(network, ArchitectureGenerator):
        tags = f" ({', '.join(network.tags)})" if network.tags else ""
        return f"{network.architecture}{tags}, {network.purpose}, by spandrel"
    options = {key: value for key, value in network.spec.items() if key != "name" and not isinstance(value, dict)}
    return f"{network.spec['name']} ({', '.join(f'{key}={value}' for key, value in options.items())})"


def _sizes(network: Product) -> Lines:
    if isinstance(network, LatentGenerator):
        yield "makes", f"{_CHANNELS[network.out_channels]} images of {network.size}x{network.size} from noise"
    if not isinstance(network, ImageGenerator):
        return
    takes = f"label maps of {network.label_classes} classes" if network.label_classes else _colours(network.in_channels)
    yield "scale", f"x{network.scale}"
    yield "channels", f"{takes} to {_colours(network.out_channels)}"
    yield "sizes", _image_sizes(network)
    yield "large images", _tiles(network) if network.overlap else "whole, no tiles"


def _image_sizes(generator: ImageGenerator) -> str:
    if isinstance(generator, ArchitectureGenerator) and generator.only_side:
        return f"{generator.only_side}x{generator.only_side} only"
    if max(generator.multiple_of, generator.min_size) == 1:
        return "any"
    return f"multiples of {generator.multiple_of} from {generator.min_size} pixels, to which images are padded"


def _tiles(generator: ImageGenerator) -> str:
    step = f" and begin at multiples of {generator.tile_step}" if generator.tile_step > generator.multiple_of else ""
    return f"in tiles that share {generator.overlap} pixels{step}"


def _colours(channels: int) -> str:
    return _CHANNELS.get(channels, f"{channels} channels")


def _origin(facts: Mapping[str, str]) -> Lines:
    if "recipe" in facts:
        recipe = tomllib.loads(facts["recipe"])
        yield (
            "trained by",
            f"i2i {facts.get('version', '')}, method {recipe.get('method', {}).get('name', '?')}".strip(),
        )
    for key in ("product", "step", "source", "trained_size"):
        if key in facts:
            yield key.replace("_", " "), _shortened(facts[key])


def _metadata(file: Path) -> dict[str, str]:
    """What a safetensors file of others says of itself, by the name of the key in ModelSpec."""
    if not file.is_file() or not is_safetensors(file):
        return {}
    found = {key.lower().removeprefix("modelspec."): text for key, text in checkpoint.load_facts(file).items()}
    if "licence" in found:
        found.setdefault("license", found["licence"])
    return {key: _shortened(found[key]) for key in _MODEL_SPEC if found.get(key, "").strip()}


def _shortened(text: str) -> str:
    printable = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return printable if len(printable) <= _LONGEST else f"{printable[:_LONGEST]}..."


def _licence_by_name(model: str) -> str:
    return cast(PublishedGenerator, registry.weights[model]).licence if model in registry.weights else ""


def _of_exported(file: Path) -> Lines:
    if not file.is_file():
        raise ValueError(f"{file}: no such file")
    try:
        model = onnx.load(str(file), load_external_data=False)
    except Exception as error:  # of protobuf's parser
        raise ValueError(f"{file}: not an .onnx file, or a damaged one") from error
    metadata = {each.key: each.value for each in model.metadata_props}
    kinds = {CARD: "image generator", NOISE_CARD: "generator of images from noise", SEGMENTER_CARD: "segmenter"}
    for key, kind in kinds.items():
        if key in metadata:
            yield "exported", kind
            for name, value in parse_json(metadata[key]).items():
                if name not in ("recipe", "proof") and value not in ("", None):
                    yield name.replace("_", " "), _shortened(value if isinstance(value, str) else json.dumps(value))
            return
    raise ValueError(f"{file}: no card in it; a file that has one is made by: i2i export MODEL --out x.onnx")
