"""The metadata of our weights files, checked before use: a file may be a stranger's."""

import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, BaseModel, Field, JsonValue, ValidationError, field_validator
from torch import Tensor

from i2i import registry
from i2i.networks.product import Product
from i2i.recipe.components import build, complete
from i2i.registry import UnknownName, explain_missing
from i2i_runtime.card import LARGEST_SIDE
from i2i_runtime.schema import parse_json

_UNFIT = "the weights do not fit the network that the file names"
_REGISTRIES = {"generator": registry.generators, "segmenter": registry.segmenters}  # by the kind of product


_Pixels = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]


def _is_name(text: str) -> str:
    if text in ("", ".", "..") or set(text) & set("/\\\0"):
        raise ValueError("a name, not a path, is allowed")
    return text


def _is_toml(text: str) -> str:
    try:
        tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return text


class _Metadata(BaseModel):
    """Facts of a weights file that are used; others are kept as they are."""

    product: Annotated[str, Field(max_length=200), AfterValidator(_is_name)] = "product"
    test_time: Literal["published", "eval"] = "eval"
    step: int = Field(default=0, ge=0, lt=2**63)
    recipe: Annotated[str, AfterValidator(_is_toml)] = ""
    trained_size: tuple[_Pixels, _Pixels] | None = None
    generator: dict[str, JsonValue] = {}
    segmenter: dict[str, JsonValue] = {}

    @field_validator("generator", "segmenter", "trained_size", mode="before")
    @classmethod
    def _parse(cls, text: str) -> Any:
        return parse_json(text)


def kind_of(facts: Mapping[str, str]) -> str:
    """The kind of product that a file's metadata names, "generator" or "segmenter"; empty for none."""
    return next((kind for kind in _REGISTRIES if kind in facts), "")


def read_table(facts: Mapping[str, str]) -> dict[str, Any]:
    """The complete table of the network that a file's metadata names, which has a kind.

    Raises ValueError for metadata that is not as `save_generator` writes it, and for unknown or ill-typed options.
    """
    kind = kind_of(facts)
    try:
        table = getattr(_Metadata.model_validate(dict(facts)), kind)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"its metadata is damaged: {problem['loc'][0]}: {problem['msg']}") from None
    try:
        return complete(_REGISTRIES[kind], table, kind)
    except UnknownName as error:  # a file of weights never makes us import code: it is only named
        plugins = tomllib.loads(facts.get("recipe", "")).get("plugins", [])
        raise explain_missing(error, plugins if isinstance(plugins, list) else []) from None


def build_to_fit(kind: str, table: dict[str, Any], tensors: Mapping[str, Tensor]) -> Product:
    """Build the product of a table with the weights of its file. Raises ValueError where they do not fit: they are
    compared without memory first, so that a table never takes more than its file holds.
    """
    _check_shapes(kind, table, tensors)
    product: Product = build(_REGISTRIES[kind], table)
    try:
        product.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise ValueError(f"{_UNFIT} ({' '.join(str(error).split())[:200]})") from None
    return product


def _check_shapes(kind: str, table: dict[str, Any], tensors: Mapping[str, Tensor]) -> None:
    try:
        with torch.device("meta"):
            state = build(_REGISTRIES[kind], table).state_dict()
    except (RuntimeError, NotImplementedError):  # a plugin's constructor may read its weights
        return
    expected, found = ({name: tuple(each.shape) for name, each in side.items()} for side in (state, tensors))
    if wrong := [name for name in {**expected, **found} if expected.get(name) != found.get(name)]:
        has, needs = (side.get(wrong[0], "missing") for side in (found, expected))
        raise ValueError(f"{_UNFIT} ({wrong[0]} is {has}, there {needs})")
