"""Every number of a recipe has a range, and a number beyond it is refused before anything is built."""

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from i2i import registry
from i2i.recipe import sections
from i2i.recipe.components import complete, options_of, validate
from i2i.registry import Registry

KINDS = [kind for kind in vars(registry).values() if isinstance(kind, Registry)]
OURS = [
    (kind, name)
    for kind in KINDS
    if kind not in (registry.datasets, registry.weights)
    for name in kind
    # Other libraries' steps have their own checks.
    if getattr(kind[name], "__module__", "").startswith("i2i.") and name.islower()
]
SUPPLIED = {"sgd": ("parameters",)}


def unbounded(hint: Any, limits: tuple[Any, ...] = ()) -> bool:
    """Whether a type holds a number that may be as large, or as small, as anybody likes."""
    if get_origin(hint) is Annotated:
        inner, *extras = get_args(hint)
        return unbounded(inner, (*limits, *(each for extra in extras for each in getattr(extra, "metadata", ()))))
    if hint in (int, float):
        names = {name for each in limits for name in ("ge", "gt", "le", "lt") if hasattr(each, name)}
        return not (names & {"ge", "gt"} and names & {"le", "lt"})
    if get_origin(hint) in (Union, UnionType, tuple, list, dict):
        return any(unbounded(each) for each in get_args(hint))
    return False


def test_unbounded_numbers_are_recognised() -> None:
    assert unbounded(int | None) and unbounded(tuple[float, ...]) and not unbounded(str | None)


@pytest.mark.parametrize(("kind", "name"), OURS, ids=lambda each: getattr(each, "kind", each))
def test_every_number_of_a_component_has_a_range(kind: Registry, name: str) -> None:
    hints = {option: hint for option, (hint, part, _) in options_of(kind[name]).items() if part is None}  # type: ignore[arg-type]
    assert [option for option, hint in hints.items() if unbounded(hint)] == []


def test_every_number_of_a_section_has_a_range() -> None:
    models = [each for each in vars(sections).values() if isinstance(each, type) and issubclass(each, BaseModel)]
    found = [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if unbounded(field.annotation, tuple(field.metadata))
    ]
    assert len(models) > 5 and found == []


@pytest.mark.parametrize("number", [-1, 10**6, 2**63, 10**30])
@pytest.mark.parametrize(
    ("kind", "name", "option"),
    [
        (registry.generators, "resnet", "blocks"),
        (registry.generators, "unet", "depth"),
        (registry.generators, "resnet", "features"),
        (registry.discriminators, "patchgan", "layers"),
        (registry.augmentations, "resize", "size"),
        (registry.optimizers, "sgd", "momentum"),
    ],
)
def test_a_number_beyond_its_range_is_refused_by_name(kind: Registry, name: str, option: str, number: int) -> None:
    with pytest.raises(ValueError, match=rf"recipe: x\.{option} = .*: allowed: (from|up to|below) "):
        complete(kind, {"name": name, option: number}, "x", SUPPLIED.get(name, ()))


@pytest.mark.parametrize("change", [{"workers": 10**6}, {"batch_size": 2**63}, {"steps": -1}, {"seed": 10**30}])
def test_a_number_of_a_section_beyond_its_range_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="recipe: train"):
        validate(sections.Train, change, "train")
