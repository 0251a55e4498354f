"""The README's example of a generator of one's own, taken from the README and run."""

import re
from pathlib import Path

import pytest

from i2i import load, recipe, registry
from i2i.checkpoints import run as checkpoint
from i2i.training import run
from tests.worlds import SIZES, Silent, tiny_world

README = Path(__file__).parents[1] / "README.md"


def test_the_generator_in_the_readme_trains_and_loads(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(# my_generator\.py\n.*?)```", README.read_text(), re.DOTALL)
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 20, "the README says twenty lines"
    (tmp_path / "my_generator.py").write_text(code)
    registry.load_plugins([tmp_path / "my_generator.py"])
    (line,) = re.findall(r"i2i train .*--plugin my_generator\.py.*", README.read_text())
    options = re.findall(r"--set (\S+)", line)
    assert "method.generator=tiny" in options
    small = [
        "method.discriminator.features=4",
        "method.discriminator.layers=1",
        "train.steps=2",
        "train.workers=0",
        *SIZES,
    ]
    world = tiny_world(tmp_path / "world")
    chosen = recipe.load(recipe.find("cyclegan"), [str(world)], [*options, *small])
    folder = run.train(chosen, tmp_path / "run", watch=Silent())
    assert checkpoint.find(folder).name == "00000002"
    assert load(folder).card.product == "a_to_b"


def test_an_unknown_plugin_component_is_refused_without_the_plugin(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown generator 'of_nobody'"):
        registry.generators["of_nobody"]
