"""A run as data: read a recipe (TOML), override it, check every key and type, fill in the defaults, write it back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import tomli_w
from pydantic import BaseModel, Field

from i2i import registry
from i2i.recipe.components import STRICT, complete, complete_steps, options_of, plugins_of, validate
from i2i.recipe.overrides import Overrides, override
from i2i.recipe.packaged import find, find_table, list_recipes, read, recipes_folder
from i2i.recipe.sections import Augment, Collapse, Data, Evaluate, First, Optimizer, Train
from i2i.registry import UnknownName, explain_missing, load_remembered_plugins

__all__ = ["RECIPE", "Recipe", "choose", "find", "import_plugins", "list_recipes", "load", "load_run", "recipes_folder"]

RECIPE = "recipe.toml"  # in the folder of a run


class Recipe(BaseModel):
    """One complete run. Component tables hold a `name` and the options of that component's constructor."""

    model_config = STRICT
    method: dict[str, Any] = Field(description="Component table: the training method, `i2i list methods`.")
    data: Data = Data()
    augment: Augment = Augment()
    degradation: dict[str, Any] = Field(
        default={},
        description="Component table: makes low-resolution sources of single images, `i2i list degradations`. "
        "Left out: the data are pairs.",
    )
    optimizer: Optimizer = Optimizer()
    schedule: dict[str, Any] = Field(
        description="Component table: the factor of all learning rates at a step, `i2i list schedules`."
    )
    train: Train = Train()
    collapse: Collapse = Collapse()
    evaluate: Evaluate = Evaluate()
    first: First | None = None
    plugins: list[str] = Field(
        default=[],
        description="Filled in: absolute paths of files, and names of entry points, whose components are named. Only "
        "the recipe in a run's folder imports them.",
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
            "optimizer": self.optimizer.completed(),
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
        tables += [(registry.optimizers, self.optimizer.of(player)) for player in ("", *self.optimizer.players)]
        tables += [(registry.degradations, self.degradation)] if self.degradation else []
        names = [(registry.augmentations, name) for name in (*self.augment.train, *self.augment.test)]
        names += [(registry.batch_augmentations, name) for name in self.augment.batch]
        names += [(registry.datasets, source) for source in self.data.source]
        names += [(registry.features, self.evaluate.features)]
        nested = [plugins_of(kind, table) for kind, table in tables]
        return set().union(*nested, (kind.plugin_of(name) for kind, name in names)) - {""}

    def first_stage(self) -> Self | None:
        """The whole recipe of the first stage; None for a run of one stage. Raises ValueError like `parse`."""
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
    table.setdefault("optimizer", {}).setdefault("name", Optimizer().name)  # so that naming another one replaces it
    return Recipe.parse(override(table, overrides))


def load_run(run: Path, overrides: Overrides = ()) -> Recipe:
    """The recipe of a run's folder, whose plugins are imported first. Raises ValueError."""
    import_plugins(run)
    recipe = load(run / RECIPE, overrides=overrides)
    if "layout" in read(run / RECIPE).get("data", {}) or recipe.data.layout != "auto":
        return recipe
    # Version 0.1 took all images below two folders, and cut those of one folder into halves, whatever their size.
    layout = "flat" if len(recipe.data.source) == 2 else "side-by-side"
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"layout": layout})})


def import_plugins(run: Path) -> None:
    """Import the plugins that a run's folder remembers, if it has a recipe. Raises ValueError."""
    if (run / RECIPE).is_file():
        plugins = read(run / RECIPE).get("plugins", [])
        load_remembered_plugins(filter(lambda plugin: isinstance(plugin, str), plugins))
