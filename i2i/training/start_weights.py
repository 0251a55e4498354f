"""Weights of other models that a method's networks start from."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from i2i.checkpoints.discriminators import State, find_discriminators
from i2i.checkpoints.load import list_products, load_network
from i2i.methods.base import Method
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.product import Product

_AUGMENTATION = "augmentation."  # whose strength is adapted anew


def load_start_weights(start: str | Sequence[str], method: Method, notify: Callable[[str], None]) -> None:
    """Load the weights of another model, or of one file for each generator, into the method's generators, and into its
    discriminators where the model has them, too; `notify` is called with what starts from random weights instead.

    Raises ValueError where generators differ, where one would have no weights, or those of two files, and where blocks
    of a discriminator that are frozen would be random.
    """
    names, models = list(method.products()), [start] if isinstance(start, str) else start
    one = len(names) == len(models) == 1
    generators = {names[0]: load_network(models[0])[0]} if one else _generators(models, names)
    load_products(method, generators, f"train.start: {', '.join(models)} is another network")
    discriminators = dict(_discriminators(method))
    found: dict[str, State] = {}
    for model in reversed(models):
        found |= find_discriminators(model, list(discriminators))
    for name, discriminator in discriminators.items():
        if why := _load_discriminator(discriminator, found.get(name)):
            said = f"train.start: {', '.join(models)} {why}"
            if discriminator.frozen_blocks:
                raise ValueError(f"{said}, whose first blocks method.freeze_discriminator is to keep; set it to 0")
            notify(f"{said}; {name} starts from random weights")


def check_frozen(method: Method) -> None:
    """Raises ValueError for a method that would freeze random weights, for want of a model to start from."""
    if any(each.frozen_blocks for each in method.networks(Discriminator)):
        raise ValueError(
            "method.freeze_discriminator keeps weights that a run starts from; set train.start to a model with its "
            "discriminator, or method.freeze_discriminator=0"
        )


def load_products(method: Method, generators: Mapping[str, Product], complaint: str) -> None:
    """Raises ValueError with the complaint where a generator is another network than the method's product."""
    for name, product in method.products().items():
        try:
            product.load_state_dict(generators[name].state_dict())
        except RuntimeError as error:
            theirs, ours = generators[name].spec, product.spec
            differing = [f"{key} = {value}" for key, value in theirs.items() if value != ours.get(key)]
            reason = f"its {', '.join(differing)}" if differing else " ".join(str(error).split())[:200]
            raise ValueError(f"{complaint} than method.{product.kind} ({reason})") from None


def _discriminators(method: Method) -> Iterator[tuple[str, Discriminator]]:
    """The discriminators by their names in the method, without those inside another."""
    outermost = {id(each) for each in method.networks(Discriminator)}
    return ((name, each) for name, each in method.named_modules() if id(each) in outermost)


def _load_discriminator(discriminator: Discriminator, state: State | None) -> str:
    """Load weights into a discriminator; returns the reason where they do not fit, and it stays as it is."""
    if not state:
        return "has no discriminator"
    own = discriminator.state_dict()
    weights = {key: tensor for key, tensor in state.items() if not key.startswith(_AUGMENTATION)}
    weights |= {key: tensor for key, tensor in own.items() if key.startswith(_AUGMENTATION)}
    if {key: each.shape for key, each in weights.items()} != {key: each.shape for key, each in own.items()}:
        return "has another discriminator than method.discriminator"
    discriminator.load_state_dict(weights)
    return ""


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
