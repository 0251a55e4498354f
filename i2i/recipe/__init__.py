"""A run as data: read a recipe (TOML), override it, check every key and type, fill in the defaults, write it back.

The sections that every run has are pydantic models here; those of components are checked in `i2i.recipe.components`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import tomli_w
from pydantic import BaseModel, Field

from i2i import registry
from i2i.recipe.components import STRICT, complete, complete_steps, options_of, plugins_of, validate
from i2i.recipe.overrides import Overrides, override
from i2i.recipe.packaged import find, find_table, list_recipes, read, recipes_folder
from i2i.registry import UnknownName, explain_missing, load_remembered_plugins

__all__ = ["RECIPE", "Recipe", "choose", "find", "import_plugins", "list_recipes", "load", "load_run", "recipes_folder"]

RECIPE = "recipe.toml"  # in the folder of a run


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
    plugins: list[str] = Field(
        default=[], description="files (absolute paths) and entry points whose components are named; filled in"
    )

    @classmethod
    def parse(cls, table: dict[str, Any]) -> Self:
        """Check a whole recipe and fill in every default. Raises ValueError naming the key and what is allowed."""
        if table.get("first") is False:  # `--set first=false`; TOML has no word for nothing
            table = {key: value for key, value in table.items() if key != "first"}
        given = validate(cls, table, "")
        try:
            recipe = given.model_copy(update=given._completed())
        except UnknownName as error:
            raise explain_missing(error, given.plugins) from None
        recipe.first_stage()
        return recipe.model_copy(update={"plugins": sorted(recipe._plugins())})

    def _completed(self) -> dict[str, Any]:
        """The component tables with all defaults."""
        filled: dict[str, Any] = {
            "method": complete(registry.methods, self.method, "method"),
            "schedule": complete(registry.schedules, self.schedule, "schedule"),
            "augment": Augment(
                train=complete_steps(registry.augmentations, self.augment.train, "augment.train"),
                test=complete_steps(registry.augmentations, self.augment.test, "augment.test"),
                batch=complete_steps(registry.batch_augmentations, self.augment.batch, "augment.batch"),
            ),
        }
        if self.degradation:
            filled["degradation"] = complete(registry.degradations, self.degradation, "degradation", ("scale",))
        return filled

    def _plugins(self) -> set[str]:
        """The plugins of all components that a completed recipe names."""
        tables = [(registry.methods, self.method), (registry.schedules, self.schedule)]
        tables += [(registry.degradations, self.degradation)] if self.degradation else []
        names = [(registry.augmentations, name) for name in (*self.augment.train, *self.augment.test)]
        names += [(registry.batch_augmentations, name) for name in self.augment.batch]
        names += [(registry.datasets, source) for source in self.data.source]
        names += [(registry.features, self.evaluate.features)]
        nested = [plugins_of(kind, table) for kind, table in tables]
        return set().union(*nested, (kind.plugin_of(name) for kind, name in names)) - {""}

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


def load(file: Path, data: Sequence[str] = (), overrides: Overrides = ()) -> Recipe:
    """Read a recipe, point it at `data`, apply overrides, and check the whole.

    Raises ValueError; a plugin that the file names is not imported, see `load_run`.
    """
    return _checked(read(file), data, overrides)


def choose(method: str, data: Sequence[str] = (), overrides: Overrides = ()) -> tuple[Recipe, str]:
    """The recipe that `i2i train METHOD DATA` runs, and in words where it comes from. `method` may be a TOML file.

    Raises ValueError.
    """
    table, source = find_table(method, data)
    return _checked(table, data, overrides), source


def _checked(table: dict[str, Any], data: Sequence[str], overrides: Overrides) -> Recipe:
    if data:
        table.setdefault("data", {})["source"] = list(map(str, data))
    return Recipe.parse(override(table, overrides))


def load_run(run: Path, overrides: Overrides = ()) -> Recipe:
    """The recipe of a run's folder, whose plugins are imported first. Raises ValueError."""
    import_plugins(run)
    return load(run / RECIPE, overrides=overrides)


def import_plugins(run: Path) -> None:
    """Import the plugins that a run's folder remembers, if it has a recipe. Raises ValueError."""
    if (run / RECIPE).is_file():
        load_remembered_plugins(read(run / RECIPE).get("plugins", []))
