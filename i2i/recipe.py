"""A run as data: read a recipe (TOML), override it, check every key and type, fill in the defaults, write it back.

The sections that every run has are pydantic models here; a component's section is checked against the signature of its
constructor. Nothing is evaluated and nothing misspelt becomes a default.
"""

import inspect
import json
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin, get_type_hints

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from i2i import registry
from i2i.registry import Registry, did_you_mean

_STRICT = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True, protected_namespaces=(), frozen=True)


class Data(BaseModel):
    """Which images to learn from."""

    model_config = _STRICT
    source: list[str] = Field(default=[], description="a known data set, one folder, or two folders")
    direction: Literal["a_to_b", "b_to_a"] = Field(
        default="a_to_b", description="which half (or folder) of a pair is the source"
    )
    label_maps: list[str] = Field(
        default=[], description="fields of a sample that hold class indices: resized by nearest neighbour"
    )


class Augment(BaseModel):
    """Pipelines: step name -> options, in order; `false` leaves a step out."""

    model_config = _STRICT
    train: dict[str, dict[str, Any] | Literal[False]] = {}
    test: dict[str, dict[str, Any] | Literal[False]] = {}


class Optimizer(BaseModel):
    """Adam for every player."""

    model_config = _STRICT
    lr: float = Field(default=2e-4, gt=0)
    betas: tuple[float, float] = (0.5, 0.999)


class Train(BaseModel):
    """How long, how, and what is kept on the way. Counts are optimisation steps of `batch_size` images."""

    model_config = _STRICT
    seed: int = Field(default=0, ge=0)
    steps: int = Field(default=0, ge=0, description="0: `epochs` times the steps of an epoch")
    epochs: int = Field(default=200, ge=1, description="used where `steps` is 0")
    batch_size: int = Field(default=1, ge=1)
    workers: int = Field(default=2, ge=0, description="processes that load images")
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = Field(default=False, description="torch.compile the networks")
    channels_last: bool = Field(default=False, description="memory layout; faster on many GPUs, measure")
    ema: float = Field(default=0.0, ge=0, lt=1, description="decay of the averaged generators; 0: none")
    clip_norm: float = Field(default=0.0, ge=0, description="largest gradient norm of a player; 0: unbounded")
    log_every: int = Field(default=50, ge=1)
    sample_every: int = Field(default=1000, ge=1, description="sheet of held-out images, and the held-out score")
    samples: int = Field(default=4, ge=1, description="held-out images on a sheet")
    checkpoint_every: int = Field(default=1000, ge=1)
    keep: int = Field(default=3, ge=1, description="last checkpoints kept, besides the best")


class Recipe(BaseModel):
    """One complete run. `method` and `schedule` are component tables: a `name` and the options of its constructor."""

    model_config = _STRICT
    method: dict[str, Any]
    data: Data = Data()
    augment: Augment = Augment()
    optimizer: Optimizer = Optimizer()
    schedule: dict[str, Any]
    train: Train = Train()

    @classmethod
    def parse(cls, table: dict[str, Any]) -> Self:
        """Check a whole recipe and fill in every default. Raises ValueError naming the key and what is legal."""
        recipe = validate(cls, table, "")
        return recipe.model_copy(
            update={
                "method": complete(registry.methods, recipe.method, "method"),
                "schedule": complete(registry.schedules, recipe.schedule, "schedule"),
                "augment": Augment(
                    train=_complete_steps(recipe.augment.train, "augment.train"),
                    test=_complete_steps(recipe.augment.test, "augment.test"),
                ),
            }
        )

    def toml(self) -> str:
        return tomli_w.dumps(self.model_dump(mode="json"))


@dataclass(frozen=True)
class Part:
    """Marks a constructor parameter that is a component itself; the owner supplies some of its options."""

    registry: Registry
    supplied: tuple[str, ...] = ()


class Factory:
    """A component still to be made: called with what its owner supplies, it makes one that carries its `spec`."""

    def __init__(self, part: Part, table: dict[str, Any]) -> None:
        self._part, self._table = part, table

    def __call__(self, **supplied: Any) -> Any:
        component = build(self._part.registry, {**self._table, **supplied})
        component.spec = {**self._table, **supplied}
        return component


def build(kind: Registry, table: dict[str, Any]) -> Any:
    """Make the component that a checked table describes; the components in it are handed over as factories."""
    options = {key: value for key, value in table.items() if key != "name"}
    cls: Any = kind[table["name"]]
    for key, (_, part, _) in _parameters(cls).items():
        if part is not None and key in options:
            options[key] = Factory(part, options[key])
    return cls(**options)


def complete(kind: Registry, table: dict[str, Any], where: str, supplied: Iterable[str] = ()) -> dict[str, Any]:
    """The table of a component with its defaults filled in. Raises ValueError for an unknown name, key or an ill-typed
    value.
    """
    if not isinstance(table.get("name"), str):
        raise ValueError(f"{where}: `name` is missing; legal: {', '.join(kind)}")
    name, options = table["name"], {key: value for key, value in table.items() if key != "name"}
    try:
        parameters = _parameters(kind[name])
    except ValueError as error:
        raise ValueError(f"{where}.name: {error}") from None
    fields: Any = {
        k: (dict if part else hint, default) for k, (hint, part, default) in parameters.items() if k not in supplied
    }
    model = create_model(f"{kind.kind} {name}", __config__=_STRICT, **fields)
    checked = validate(model, options, where).model_dump(mode="json")
    for key, (_, part, _) in parameters.items():
        if part is not None and key in checked:
            checked[key] = complete(part.registry, checked[key], f"{where}.{key}", part.supplied)
    return {"name": name, **checked}


def validate(model: type[BaseModel], table: dict[str, Any], where: str) -> Any:
    """`table` as `model`; raises ValueError with one sentence about the first thing that is wrong."""
    try:
        # Through JSON, so that a TOML array may be a tuple while text stays refused where a number belongs.
        return model.model_validate_json(json.dumps(table, allow_nan=False))
    except ValidationError as error:
        # A misspelt option is the cause where another one is missing because of it.
        problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        raise ValueError(_sentence(model, table, problems[0], where)) from None
    except ValueError:
        raise ValueError(f"recipe: {where or 'a value'}: not a finite number") from None


def _sentence(model: type[BaseModel], table: Any, problem: Any, where: str) -> str:
    path: list[str] = []
    for part in problem["loc"]:
        if not isinstance(table, dict):
            break  # what follows are places in a list, or names of types where a value may be of several
        path.append(str(part))
        table = table.get(part)
    key = ".".join(filter(None, [where, *path]))
    if problem["type"] == "extra_forbidden":
        for name in path[:-1]:
            inner: Any = model.model_fields[name].annotation
            model = inner
        return f"recipe: unknown option {key!r}; {did_you_mean(path[-1], model.model_fields)}"
    if problem["type"] == "missing" and table is None:
        return f"recipe: {key} is missing"
    return f"recipe: {key} = {json.dumps(problem['input'])}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


@cache
def _parameters(cls: Callable[..., Any]) -> dict[str, tuple[Any, Part | None, Any]]:
    """The keyword-only parameters of a component: type, what component it is if it is one, and default."""
    hints = get_type_hints(cls.__init__ if inspect.isclass(cls) else cls, include_extras=True)
    found = {}
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise ValueError(
                f"{cls.__name__}: parameter {parameter.name!r} must be keyword-only to be set from a recipe"
            )
        hint = hints.get(parameter.name, Any)
        extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        part = next((extra for extra in extras if isinstance(extra, Part)), None)
        found[parameter.name] = (hint, part, ... if parameter.default is parameter.empty else parameter.default)
    return found


def _complete_steps(steps: dict[str, Any], where: str) -> dict[str, Any]:
    filled = {}
    for name, options in steps.items():
        if name not in registry.augmentations:
            raise ValueError(f"recipe: {where}: unknown step {name!r}; {did_you_mean(name, registry.augmentations)}")
        if options is not False:
            table = complete(registry.augmentations, {"name": name, **options}, f"{where}.{name}")
            filled[name] = {key: value for key, value in table.items() if key != "name"}
    return filled


def recipes_folder() -> Path:
    """Where the packaged recipes lie: inside the installed package, or at the top of a checkout."""
    here = Path(__file__).parent
    return here / "recipes" if (here / "recipes").is_dir() else here.parent / "recipes"


def list_recipes() -> list[str]:
    """Every packaged recipe as `method/name`."""
    root = recipes_folder()
    return sorted(str(file.relative_to(root).with_suffix("")) for file in root.glob("*/*.toml"))


def find(method: str, data: Sequence[str] = ()) -> Path:
    """The recipe for a method on some data: the one named after the data set or its folder, else the general one.

    `method` may be the path of a TOML file. Raises ValueError where there is none.
    """
    if method.endswith(".toml"):
        if not Path(method).is_file():
            raise ValueError(f"recipe {method}: no such file")
        return Path(method)
    folder = recipes_folder() / method
    if not folder.is_dir():
        known = {name.split("/")[0] for name in list_recipes()}
        if method in registry.methods:
            raise ValueError(
                f"method {method!r} has no packaged recipe; give one as a TOML file: i2i train my.toml DATA"
            )
        raise ValueError(f"unknown method {method!r}; {did_you_mean(method, known)}")
    named = folder / f"{Path(data[0]).resolve().name}.toml" if len(data) == 1 else folder / "general.toml"
    return named if named.is_file() else folder / "general.toml"


def load(file: Path, data: Sequence[str] = (), overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe, point it at `data`, apply `a.b=c` overrides, and check the whole."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"recipe {file}: not valid TOML: {error}") from None
    if data:
        table.setdefault("data", {})["source"] = list(data)
    return Recipe.parse(override(table, overrides))


def override(table: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Apply `a.b=c` in place. Naming another component (`method.generator.name=unet`, or short `method.generator=unet`)
    starts from its defaults.
    """
    pairs = [_assignment(text) for text in assignments]
    # Names first: options that are set beside a new name belong to the new component.
    for path, value in sorted(pairs, key=lambda pair: pair[0][-1] != "name"):
        _assign(table, path, value)
    return table


def _assignment(text: str) -> tuple[list[str], Any]:
    key, equals, value = text.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise ValueError(f"--set {text!r}: write it as section.option=value, for example train.steps=2000")
    try:
        return path, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return path, value.strip()


def _assign(table: dict[str, Any], path: list[str], value: Any) -> None:
    inner = table
    for key in path[:-1]:
        following = inner.setdefault(key, {})
        if following is False:  # a pipeline step that was left out comes back when one of its options is set
            following = inner[key] = {}
        if not isinstance(following, dict):
            raise ValueError(f"--set {'.'.join(path)}: {key!r} is a value, not a section")
        inner = following
    last = path[-1]
    if last == "name" and inner.get("name", value) != value:
        inner.clear()
    if isinstance(inner.get(last), dict) and "name" in inner[last] and isinstance(value, str):
        inner[last] = {"name": value}
    else:
        inner[last] = value
