"""Weights of other models that a method's generators start from."""

from collections.abc import Mapping, Sequence

from i2i.checkpoints.load import list_products, load_network
from i2i.methods.base import Method
from i2i.networks.product import Product


def load_start_weights(start: str | Sequence[str], method: Method) -> None:
    """Load the weights of another model, or of one file for each generator, into the method's generators.

    Raises ValueError where networks differ, and where a generator would have no weights, or those of two files.
    """
    names, models = list(method.products()), [start] if isinstance(start, str) else start
    one = len(names) == len(models) == 1
    generators = {names[0]: load_network(models[0])[0]} if one else _generators(models, names)
    load_products(method, generators, f"train.start: {', '.join(models)} is another network")


def load_products(method: Method, generators: Mapping[str, Product], complaint: str) -> None:
    """Raises ValueError with the complaint where a generator is another network than the method's product."""
    for name, product in method.products().items():
        try:
            product.load_state_dict(generators[name].state_dict())
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{complaint} than method.{product.kind} ({reason})") from None


def _generators(models: Sequence[str], names: Sequence[str]) -> dict[str, Product]:
    """The generator for each name, whichever of the models holds it."""
    found: dict[str, Product] = {}
    origins: dict[str, str] = {}
    for model in models:
        held: list[str | None] = [name for name in list_products(model) if name in names]
        for name in held or [None]:  # a single file has one
            generator, facts = load_network(model, name)
            product = facts["product"]
            if product not in names or product in found:
                why = f"{origins[product]} has it too" if product in found else f"choose from: {', '.join(names)}"
                raise ValueError(f"train.start: {model} is of the product {product!r}; {why}")
            found[product], origins[product] = generator, model
    if missing := [name for name in names if name not in found]:
        raise ValueError(
            f"train.start: no weights for {', '.join(missing)} in {', '.join(models)}; give a run that has all of "
            f"{', '.join(names)}, or a list with one file for each"
        )
    return found
