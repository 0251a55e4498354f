"""A run as data: read a recipe (TOML), override it, check every key and type, fill in the defaults, write it back.

The sections that every run has are pydantic models here; those of components are checked in `i2i.recipe.components`.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import tomli_w
from pydantic import BaseModel, Field

from i2i import registry
from i2i.recipe.components import STRICT, complete, options_of, validate
from i2i.recipe.overrides import override
from i2i.registry import did_you_mean


class Data(BaseModel):
    """Which images to learn from."""

    model_config = STRICT
    source: list[str] = Field(default=[], description="a known data set, one folder, or two folders")
    direction: Literal["a_to_b", "b_to_a"] = Field(
        default="a_to_b", description="which half (or folder) of a pair is the source"
    )
    classes: list[str] = Field(
        default=[], description="names of the classes, in the order of their numbers; by default the folders, sorted"
    )
    label_maps: list[str] = Field(
        default=[], description="fields of a sample that hold class indices: resized by nearest neighbour"
    )


class Augment(BaseModel):
    """Pipelines: step name -> options, in order; `false` leaves a step out. `batch` is for training, on the device."""

    model_config = STRICT
    train: dict[str, dict[str, Any] | Literal[False]] = {}
    test: dict[str, dict[str, Any] | Literal[False]] = {}
    batch: dict[str, dict[str, Any] | Literal[False]] = {}


class Player(BaseModel):
    """What one player has of its own in its Adam."""

    model_config = STRICT
    lr: float | None = Field(default=None, gt=0)
    betas: tuple[float, float] | None = None


class Optimizer(BaseModel):
    """Adam for every player."""

    model_config = STRICT
    lr: float = Field(default=2e-4, gt=0)
    betas: tuple[float, float] = (0.5, 0.999)
    players: dict[str, Player] = Field(default={}, description="by the player's name, where it differs")

    def lr_of(self, player: str) -> float:
        return self.players.get(player, Player()).lr or self.lr

    def betas_of(self, player: str) -> tuple[float, float]:
        return self.players.get(player, Player()).betas or self.betas


class Train(BaseModel):
    """How long, how, and what is kept on the way. Counts are optimisation steps of `batch_size` images."""

    model_config = STRICT
    seed: int = Field(default=0, ge=0)
    steps: int = Field(default=0, ge=0, description="0: `epochs` times the steps of an epoch")
    epochs: int = Field(default=200, ge=1, description="used where `steps` is 0")
    batch_size: int = Field(default=1, ge=1)
    start: str = Field(default="", description="weights that the generators start from: a run, a file, or a known name")
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


class Collapse(BaseModel):
    """A watch over what a run makes, on held-out images and fixed noise."""

    model_config = STRICT
    every: int = Field(default=100, ge=0, description="steps from look to look; 0: never")
    least: float = Field(default=0.25, ge=0, description="a warning below this part of real images' diversity")
    stop: bool = Field(default=False, description="end the run there")


class Evaluate(BaseModel):
    """Metrics of what a run makes of held-out images, on the way, as `i2i evaluate` takes them afterwards."""

    model_config = STRICT
    every: int = Field(default=0, ge=0, description="steps from one to the next; 0: never")
    metrics: list[str] = Field(default=["kid"], description="of sets of images; for pairs also psnr, ssim, l1, lpips")
    features: str = Field(default="inception", description="the extractor that sets are compared by")
    weights: str = Field(default="", description="file of its weights; by default the published ones")
    lpips_weights: str = Field(default="", description="file of torchvision's AlexNet, VGG16 or SqueezeNet 1.1")
    samples: int = Field(default=256, ge=2, description="held-out images at most; of noise, with training ones")
    best: str = Field(default="", description="the metric that says which checkpoint is best; else the method's score")

    @property
    def decides(self) -> str:
        """The metric that says which checkpoint is the best; empty for the method's score."""
        return self.best if self.every else ""


class First(BaseModel):
    """A run before this one, whose generator this one starts from; what it leaves out is as in this one."""

    model_config = STRICT
    method: dict[str, Any]
    optimizer: dict[str, Any] = {}
    schedule: dict[str, Any] = {}
    train: dict[str, Any] = {}


class Recipe(BaseModel):
    """One complete run. `method`, `degradation` and `schedule` are component tables: a `name` and the options of its
    constructor. `degradation` makes low-resolution sources of single images; without one the data are pairs.
    """

    model_config = STRICT
    method: dict[str, Any]
    data: Data = Data()
    augment: Augment = Augment()
    degradation: dict[str, Any] = {}
    optimizer: Optimizer = Optimizer()
    schedule: dict[str, Any]
    train: Train = Train()
    collapse: Collapse = Collapse()
    evaluate: Evaluate = Evaluate()
    first: First | None = None

    @classmethod
    def parse(cls, table: dict[str, Any]) -> Self:
        """Check a whole recipe and fill in every default. Raises ValueError naming the key and what is allowed."""
        if table.get("first") is False:  # `--set first=false`; TOML has no word for nothing
            table = {key: value for key, value in table.items() if key != "first"}
        given = validate(cls, table, "")
        filled = {
            "method": complete(registry.methods, given.method, "method"),
            "schedule": complete(registry.schedules, given.schedule, "schedule"),
            "augment": Augment(
                train=_complete_steps(registry.augmentations, given.augment.train, "augment.train"),
                test=_complete_steps(registry.augmentations, given.augment.test, "augment.test"),
                batch=_complete_steps(registry.batch_augmentations, given.augment.batch, "augment.batch"),
            ),
        }
        if given.degradation:
            filled["degradation"] = complete(registry.degradations, given.degradation, "degradation", ("scale",))
        recipe = given.model_copy(update=filled)
        recipe.first_stage()
        return recipe

    def first_stage(self) -> Self | None:
        """The whole recipe of the run before this one, if there is one. Raises ValueError like `parse`."""
        if self.first is None or self.train.start:
            return None
        table = self.model_dump(mode="json") | {"first": None}
        for section, changes in self.first.model_dump(mode="json").items():
            if "name" in changes:  # another component shares only the options that both have
                allowed = options_of(registry.methods[changes["name"]]) if section == "method" else {}
                table[section] = {key: value for key, value in table[section].items() if key in allowed}
            table[section] = table[section] | changes
        try:
            return self.parse(table)
        except ValueError as error:
            raise ValueError(f"{error} (in the first stage, [first])") from None

    def toml(self) -> str:
        """The recipe as a file. What is None is left out, for which TOML has no word: so it was given, by default."""
        return tomli_w.dumps(_without_none(self.model_dump(mode="json")))


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }


def _complete_steps(kind: registry.Registry, steps: dict[str, Any], where: str) -> dict[str, Any]:
    filled = {}
    for name, options in steps.items():
        if name not in kind:
            raise ValueError(f"recipe: {where}: unknown step {name!r}; {did_you_mean(name, kind)}")
        if options is not False:
            table = complete(kind, {"name": name, **options}, f"{where}.{name}")
            filled[name] = {key: value for key, value in table.items() if key != "name"}
    return filled


def recipes_folder() -> Path:
    """Where the packaged recipes lie: inside the installed package, or at the top of a checkout."""
    here = Path(__file__).parents[1]
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
