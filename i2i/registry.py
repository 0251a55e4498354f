"""Names to components: every part that a recipe can name is registered here.

`@generators.register("name")` on a class with keyword-only typed options is all that a component needs, in this
package, in a file given with `--plugin`, or in a package that declares the entry point group `i2i.plugins`. This module
imports nothing but the standard library; the parts themselves are imported when somebody first asks for one.
"""

import difflib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_LISTED = 24  # names in a sentence


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """The end of a sentence that refuses `word`: the nearest of `choices` if one is near, and all of them."""
    choices = sorted(choices, key=_ours_first)
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.55)
    hint = f"did you mean {near[0]!r}? " if near else ""
    more = f" and {len(choices) - _LISTED} more" if len(choices) > _LISTED else ""
    return f"{hint}choose from: {', '.join(choices[:_LISTED]) or 'nothing'}{more}"


def _ours_first(name: str) -> tuple[bool, str]:
    """Names in lower case are ours; the many in capitals are another library's."""
    return not name.islower(), name


class Registry:
    """All components of one kind by name. `home` is the package whose import registers the built-in ones."""

    def __init__(self, kind: str, home: str) -> None:
        self.kind = kind
        self._home = home
        self._parts: dict[str, object] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: make a component known as `name`. Raises ValueError if the name is taken by another one."""

        def add(part: T) -> T:
            if name in self._parts and self._parts[name] is not part:
                raise ValueError(
                    f"{self.kind} {name!r} is registered already, as {self._parts[name]!r}; choose another name"
                )
            self._parts[name] = part
            return part

        return add

    def __getitem__(self, name: str) -> object:
        """The component called `name`. Raises ValueError with the choices."""
        self._load()
        if name not in self._parts:
            raise ValueError(f"unknown {self.kind} {name!r}; {did_you_mean(name, self._parts)}")
        return self._parts[name]

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._parts

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._parts, key=_ours_first))

    def _load(self) -> None:
        importlib.import_module(self._home)


generators = Registry("generator", "i2i.networks.generators")
discriminators = Registry("discriminator", "i2i.networks.discriminators")
adversarial = Registry("adversarial loss", "i2i.losses")
pixel_losses = Registry("pixel loss", "i2i.losses.pixel")
perceptual = Registry("perceptual loss", "i2i.losses.perceptual")
methods = Registry("method", "i2i.methods")
augmentations = Registry("augmentation", "i2i.data.augment")
batch_augmentations = Registry("batch augmentation", "i2i.data.kornia_steps")
features = Registry("feature extractor", "i2i.metrics.features")
degradations = Registry("degradation", "i2i.data.degradation")
datasets = Registry("data set", "i2i.data.known")
schedules = Registry("schedule", "i2i.training.schedules")
weights = Registry("published weights", "i2i.checkpoints.published")


def load_plugins(files: Iterable[Path] = ()) -> list[str]:
    """Import the installed plugins (entry point group `i2i.plugins`) and the given Python files; returns their names.

    Raises ValueError for a file that is missing or fails to import.
    """
    names = []
    for entry in entry_points(group="i2i.plugins"):
        entry.load()
        names.append(entry.name)
    for file in files:
        names.append(_import_file(Path(file)))
    return names


def _import_file(file: Path) -> str:
    if not file.is_file():
        raise ValueError(f"--plugin {file}: no such file")
    # The path is part of the name, so that two plugins called my.py do not shadow each other.
    name = f"i2i_plugin_{file.stem}_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return file.stem
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"--plugin {file}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"--plugin {file}: {type(error).__name__}: {error}") from error
    return file.stem
