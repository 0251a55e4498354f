"""A generator that a recipe takes from a published file: its network goes into the recipe, its weights are a start."""

from collections.abc import Callable
from typing import Any

from i2i.checkpoints.load import load_generator
from i2i.networks.generators.base import ImageGenerator
from i2i.recipe import Recipe

_FROM_METHOD = ("in_channels", "out_channels", "scale")  # options of a generator that its method supplies


def with_generator_of_file(recipe: Recipe, notify: Callable[[str], None]) -> Recipe:
    """The recipe with `method.generator.file` replaced by what builds the network again, the method's scale and
    channels as the network has them, and the file as `train.start`, unless that names another. Raises ValueError.
    """
    named = recipe.method.get("generator")
    file = named.get("file") if isinstance(named, dict) and named["name"] == "spandrel" else None
    if not file:
        return recipe
    generator, _ = load_generator(file, notify=notify)
    own = {key: value for key, value in generator.spec.items() if key not in _FROM_METHOD}
    settled = _settled(recipe.method, generator)
    facts = [own.get("architecture", own["name"]), *(f"method.{key} = {value}" for key, value in settled.items())]
    notify(f"{file}: {', '.join(facts)}")
    table = recipe.model_dump(mode="json") | {"method": recipe.method | settled | {"generator": own}}
    table["train"]["start"] = recipe.train.start or file
    return Recipe.parse(table)


def _settled(method: dict[str, Any], generator: ImageGenerator) -> dict[str, int]:
    """The options of a method that a network of a file settles."""
    found = {"scale": generator.scale, "channels": generator.in_channels}
    return {key: value for key, value in found.items() if key in method}
