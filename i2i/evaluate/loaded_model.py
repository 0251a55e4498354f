"""What is evaluated: a trained generator from wherever it is kept, and the recipe that it was trained by."""

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from i2i import inference
from i2i.checkpoints import run as checkpoint
from i2i.checkpoints.load import load_any
from i2i.devices import choose_device
from i2i.inference import Translator
from i2i.latent.sampler import Sampler
from i2i.networks.generators.base import LatentGenerator
from i2i.recipe import RECIPE, Recipe
from i2i_runtime import engines
from i2i_runtime.engines.base import ExportedModel


class Subject(NamedTuple):
    """`make` makes images of images or of noise; `recipe` is None where none came with the weights. `run` is the folder
    of the run, if they lie in one.
    """

    make: Translator | ExportedModel | Sampler
    product: str
    step: int
    checkpoint: str
    recipe: Recipe | None = None
    run: Path | None = None


def open_subject(
    model: Path, data: Sequence[str], *, product: str | None, device: str, tell: Callable[[str], None]
) -> Subject:
    """A run, a checkpoint, a file, also an .onnx, or a published name; its recipe pointed at `data`, if given.

    Raises ValueError for what cannot be loaded.
    """
    if model.suffix.lower() == ".onnx":
        if product is not None:
            raise ValueError("--product is not for an .onnx file, in which it is settled")
        session = engines.open_model(model)
        return Subject(session, session.card.product, session.card.step, model.name, _recipe(session.card.recipe, data))
    generator, facts = load_any(model, product, tell=tell)
    make = (
        Sampler(generator, device=choose_device(device))
        if isinstance(generator, LatentGenerator)
        else inference.load(model, product=product, device=device)
    )
    place = model.resolve().parent if model.is_file() else checkpoint.find(model) if model.exists() else None
    run = place.parents[1] if place and (place.parents[1] / RECIPE).is_file() else None
    step, name = int(facts.get("step", 0)), place.name if run and place else model.name
    return Subject(make, facts["product"], step, name, _recipe(facts.get("recipe", ""), data), run)


def _recipe(text: str, data: Sequence[str]) -> Recipe | None:
    if not text:
        return None
    table = tomllib.loads(text)
    if data:
        table["data"] = table.get("data", {}) | {"source": list(data)}
    return Recipe.parse(table)
