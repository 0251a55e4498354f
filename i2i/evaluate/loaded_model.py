"""A trained model from wherever it is kept, with the recipe that it was trained by."""

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from i2i.checkpoints import run as checkpoint
from i2i.checkpoints.load import check_product, load_any
from i2i.devices import choose_device
from i2i.inference import Translator, translator_of
from i2i.latent.sampler import Sampler
from i2i.networks.generators.base import ImageGenerator, LatentGenerator
from i2i.recipe import RECIPE, Recipe
from i2i_runtime import engines
from i2i_runtime.engines import is_exported
from i2i_runtime.engines.base import ExportedModel


class LoadedModel(NamedTuple):
    """A model ready to generate images, from images or from noise, and where it comes from.

    `recipe` is None where none came with the weights, `run` is the run's folder where the weights lie in one.
    """

    model: Translator | ExportedModel | Sampler
    product: str
    step: int
    checkpoint: str
    weights: str  # checksum of the weights, or of an exported file
    recipe: Recipe | None = None
    run: Path | None = None


def load_model(
    path: Path, data: Sequence[str], *, product: str | None, device: str, notify: Callable[[str], None]
) -> LoadedModel:
    """Load a run, a checkpoint, a weights file, an .onnx file or a published name; `data` replaces the recipe's.

    Raises ValueError where that fails.
    """
    if is_exported(path):
        session = engines.open_model(path)
        card = session.card
        check_product(path, card.product, product)
        return LoadedModel(
            session, card.product, card.step, path.name, session.checksum, _parse_recipe(card.recipe, data)
        )
    generator, facts = load_any(path, product, notify=notify)
    model = (
        Sampler(generator, device=choose_device(device))
        if isinstance(generator, LatentGenerator)
        else translator_of(cast(ImageGenerator, generator), facts, device=device)
    )
    weights = model.weights if isinstance(model, Sampler) else model.card.weights
    path = checkpoint.follow(path)
    folder = path.resolve().parent if path.is_file() else checkpoint.find(path) if path.exists() else None
    run = folder.parents[1] if folder and (folder.parents[1] / RECIPE).is_file() else None
    step, name = int(facts.get("step", 0)), folder.name if run and folder else path.name
    return LoadedModel(model, facts["product"], step, name, weights, _parse_recipe(facts.get("recipe", ""), data), run)


def _parse_recipe(text: str, data: Sequence[str]) -> Recipe | None:
    if not text:
        return None
    table = tomllib.loads(text)
    if data:
        table["data"] = table.get("data", {}) | {"source": list(data)}
    return Recipe.parse(table)
