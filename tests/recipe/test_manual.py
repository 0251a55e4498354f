"""The manual of recipes and their JSON Schema say what the code does."""

import re
import tomllib
from typing import Any

import jsonschema
import pytest

from i2i import recipe, registry
from i2i.recipe import Recipe, manual
from i2i.recipe.schema import schema
from i2i.recipe.types import as_schema, in_words

FOLDER = recipe.recipes_folder()
CHECK = jsonschema.Draft7Validator(schema())


def test_the_manual_and_the_schema_are_those_of_today() -> None:
    for file, text in manual.files(FOLDER).items():
        assert file.read_text() == text, f"{file} is out of date: python -m i2i.recipe.manual"


def test_a_plugin_changes_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.schedules._parts, "mine", type("Mine", (), {}))
    test_the_manual_and_the_schema_are_those_of_today()


def test_every_key_of_every_section_has_a_sentence() -> None:
    described = [(name, field) for model in manual.SECTIONS.values() for name, field in model.model_fields.items()]
    assert len(described) > 35
    assert [name for name, field in described if not (field.description or "").endswith(".")] == []
    assert {field.annotation for field in Recipe.model_fields.values() if not field.description} <= {
        *manual.SECTIONS.values(),
        recipe.First | None,
    }


@pytest.mark.parametrize("name", recipe.list_recipes())
def test_packaged_recipes_and_what_runs_keep_of_them_follow_the_schema(name: str) -> None:
    text = (FOLDER / f"{name}.toml").read_text()
    assert "\n#:schema ../schema.json\n" in text
    whole = recipe.load(FOLDER / f"{name}.toml", ["data"]).toml()
    for table in map(tomllib.loads, (text, whole)):
        assert [error.json_path for error in CHECK.iter_errors(table)] == []


@pytest.mark.parametrize(
    "assignment",
    ["train.stesp=5", "trian.steps=5", "train.steps=-1", "train.steps=1.5", "train.precision=float16", "train=5",
     "method.l1_wieght=5", "method.generator.dept=5", "method.generator.in_channels=1", "method.l1_weight=true",
     "method.generator.norm=layer", "augment.train.crop.sice=5", "optimizer.lr=0", "optimizer.betas=[0.5]",
     "schedule.constant=x", "data.source=folder", "optimizer.momentum=0.9", "optimizer.players.generator.lrr=1"],
)  # fmt: skip
def test_what_a_recipe_refuses_the_schema_refuses(assignment: str) -> None:
    table, _ = recipe.find_table("pix2pix")
    assert CHECK.is_valid(table)
    assert not CHECK.is_valid(recipe.override(table, [assignment]))
    with pytest.raises(ValueError):
        Recipe.parse(table)


def test_components_and_steps_of_other_packages_are_let_through() -> None:
    table, _ = recipe.find_table("pix2pix")
    more = ["method.generator=of_a_plugin", "method.generator.anything=1", "augment.train.ColorJitter.p=0.3"]
    more += ["augment.train.flip=false", "augment.batch.RandomAffine.degrees=10"]
    assert CHECK.is_valid(recipe.override(table, more))
    assert CHECK.is_valid({"method": {"name": "of_a_plugin", "layers": [1, 2]}, "schedule": {"name": "constant"}})


@pytest.mark.parametrize(
    ("hint", "words", "good", "bad"),
    [
        (int, "whole number", 1, 1.5),
        (tuple[float, float], "2 numbers", [0.5, 1], [0.5]),
        (int | tuple[int, int], "whole number or 2 whole numbers", [1, 2], [1, 2.5]),
        (tuple[tuple[float, float], tuple[float, float]], "2 times (2 numbers)", [[1, 2], [3, 4]], [1, 2]),
        (dict[str, float], "table of numbers", {"a": 1.5}, {"a": "b"}),
        (float | None, "number", 0.5, "x"),
        (list[str], "list of texts", ["a"], "a"),
    ],
)
def test_types_are_said_in_words_and_in_schemas(hint: Any, words: str, good: Any, bad: Any) -> None:
    assert in_words(hint) == words
    check = jsonschema.Draft7Validator(as_schema(hint))
    assert check.is_valid(good) and not check.is_valid(bad)


def test_the_examples_of_the_manual_are_recipes() -> None:
    lines = re.findall(r"^i2i train cyclegan photos/ paintings/ .*", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        recipe.choose("cyclegan", ["photos/", "paintings/"], re.findall(r"--set (\S+)", line))
