"""Registries: names to components, and the plugins that add to them.

`@generators.register("name")` on a class with keyword-only typed options is all that a component needs, in this
package, in a file given with `--plugin`, or in a package that declares the entry point group `i2i.plugins`. This module
imports nothing but the standard library; built-in components are imported when the first one of their kind is used.
"""

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
_LISTED = 24  # names in a sentence
_ENTRY_POINTS = "i2i.plugins"
# Plugins, named as `Registry.plugin_of` names them: those that are being imported, and those that are, with the top
# package of their code.
_importing: list[str] = []
_imported: dict[str, str] = {}
_broken: dict[str, str] = {}  # installed plugins that failed to import, and why
_given: set[str] = set()  # file names of those that --plugin named


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """The end of a sentence that refuses `word`: the nearest of `choices`, in any case, and all of them."""
    choices = sorted(choices, key=_ours_first)
    by_lower = {choice.lower(): choice for choice in reversed(choices)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.55)
    hint = f"did you mean {by_lower[near[0]]!r}? " if near else ""
    more = f" and {len(choices) - _LISTED} more" if len(choices) > _LISTED else ""
    return f"{hint}choose from: {', '.join(choices[:_LISTED]) or 'nothing'}{more}"


def _ours_first(name: str) -> tuple[bool, str]:
    """Sorts names in lower case, which are ours, before names in capitals, which are another library's."""
    return not name.islower(), name


class UnknownName(ValueError):
    """A name that no component of its kind has; `where` is the recipe's key that holds it."""

    def __init__(self, kind: str, name: str, choices: Iterable[str], *, where: str = "") -> None:
        self.component = f"{kind} {name!r}"
        super().__init__(f"{where}{': ' * bool(where)}unknown {self.component}; {did_you_mean(name, choices)}")


class Registry:
    """All components of one kind by name. `home` is the package whose import registers the built-in ones; `base` the
    class, as `module:Class`, that all of them derive from, for kinds that are classes; `shared` the function, as
    `module:function`, of the options that all of them have.
    """

    def __init__(self, kind: str, home: str, base: str = "", *, shared: str = "") -> None:
        self.kind = kind
        self._home, self._base, self._shared = home, base, shared
        self._parts: dict[str, object] = {}
        self._plugins: dict[str, str] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: registers a component as `name`. Raises ValueError if another component has that name."""

        def add(part: T) -> T:
            if name in self._parts and self._parts[name] is not part:
                raise ValueError(
                    f"{self.kind} {name!r} is registered already, as {self._parts[name]!r}; choose another name"
                )
            self._parts[name] = part
            if _importing and not built_in:
                self._plugins[name] = _importing[-1]
            return part

        caller = inspect.currentframe().f_back  # type: ignore[union-attr]
        built_in = caller is not None and _package_of(caller) == "i2i"  # also while a plugin imports this package
        return add

    def plugin_of(self, name: str) -> str:
        """The plugin that registered `name`: the absolute path of its file, or the name of its entry point; empty for
        a built-in component.
        """
        return self._plugins.get(name, "")

    @property
    def base(self) -> type:
        """The class that all components derive from."""
        return _named(self._base) if self._base else object

    @property
    def shared(self) -> Callable[..., Callable[[Any], None]] | None:
        """Function from the options that every table of this kind has, besides its class's own, to what is done to a
        component that has been built.
        """
        return _named(self._shared) if self._shared else None

    def __getitem__(self, name: str) -> object:
        """The component called `name`. Raises UnknownName with the choices."""
        self._load()
        if name not in self._parts:
            raise UnknownName(self.kind, name, self._parts)
        return self._parts[name]

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._parts

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._parts, key=_ours_first))

    def _load(self) -> None:
        importlib.import_module(self._home)


def _named(place: str) -> Any:
    """What `module:name` names."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


generators = Registry("generator", "i2i.networks.generators", "i2i.networks.generators.base:Generator")
discriminators = Registry(
    "discriminator",
    "i2i.networks.discriminators",
    "i2i.networks.discriminators.base:Discriminator",
    shared="i2i.networks.augmentation.options:augmented",
)
segmenters = Registry("segmenter", "i2i.networks.segmenters", "i2i.networks.segmenters.base:Segmenter")
adversarial = Registry("adversarial loss", "i2i.losses", "i2i.losses.adversarial:Adversarial")
pixel_losses = Registry("pixel loss", "i2i.losses", "i2i.losses.pixel:PixelLoss")
perceptual = Registry("perceptual loss", "i2i.losses.perceptual", "i2i.losses.perceptual:Perceptual")
methods = Registry("method", "i2i.methods", "i2i.methods.base:Method")
augmentations = Registry("augmentation", "i2i.data.augment")
batch_augmentations = Registry("batch augmentation", "i2i.data.kornia_steps")
features = Registry("feature extractor", "i2i.metrics.features")
degradations = Registry("degradation", "i2i.data.degradation")
degradation_steps = Registry(
    "degradation step", "i2i.data.degradation.steps", "i2i.data.degradation.steps.base:DegradationStep"
)
datasets = Registry("data set", "i2i.data.known")
schedules = Registry("schedule", "i2i.training.schedules")
optimizers = Registry("optimizer", "i2i.training.optimizers")
weights = Registry("published weights", "i2i.checkpoints.published")


def load_plugins(files: Iterable[Path] = ()) -> None:
    """Import the installed plugins (entry point group `i2i.plugins`) and the given Python files.

    An installed plugin that fails to import is named in a warning, since commands that do without it work. Raises
    ValueError for a file that is missing or fails to import.
    """
    for entry in entry_points(group=_ENTRY_POINTS):
        if entry.name in _imported or entry.name in _broken:
            continue
        try:
            with _import(entry.name, entry.module.partition(".")[0]):
                entry.load()
        except ValueError as error:
            _broken[entry.name] = str(error)
            package = entry.dist.name if entry.dist else entry.module
            warnings.warn(f"the installed plugin {entry.name!r} of {package} is left out: {error}", stacklevel=2)
    for file in files:
        _import_file(Path(file))
        _given.add(Path(file).name)


def load_remembered_plugins(plugins: Iterable[str]) -> None:
    """Import the plugins that a run remembers, as `Registry.plugin_of` names them, but for those that are missing and
    those that a file of the same name replaced, given to `load_plugins`.

    Installed plugins are imported by `load_plugins`. Raises ValueError for a plugin that fails to import.
    """
    for file in map(Path, plugins):
        if file.is_absolute() and file.is_file() and file.name not in _given:
            _import_file(file)


class ImportedPlugins:
    """The plugins of this process: unpickled in another one, they are imported there, for what is unpickled next."""

    def __reduce__(self) -> tuple[object, ...]:
        return _import_again, (list(_imported),)


def _import_again(plugins: list[str]) -> ImportedPlugins:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about broken installed plugins: the first process has said it
        load_plugins(plugin for plugin in map(Path, plugins) if plugin.is_absolute())
    return ImportedPlugins()


def explain_missing(error: UnknownName, plugins: Iterable[str]) -> ValueError:
    """The error for a name that is unknown because one of `plugins`, by `Registry.plugin_of`, is not imported."""
    for plugin in plugins:
        if plugin in _imported:
            continue
        if plugin in _broken:
            return ValueError(f"{error.component} comes from the installed plugin {plugin!r}: {_broken[plugin]}")
        if Path(plugin).suffix != ".py":
            return ValueError(
                f"{error.component} comes from the plugin {plugin!r}, whose package is not installed here"
            )
        gone = "" if Path(plugin).is_file() else ", which no longer exists"
        return ValueError(f"{error.component} comes from the plugin {plugin}{gone}; give it with --plugin FILE")
    return error


def plugin_line(error: BaseException) -> str:
    """`FILE, line 12` where an error arose in a plugin's code, or in what that code called; else empty."""
    lines = [
        f"{frame.f_code.co_filename}, line {line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _package_of(frame) in _imported.values()
    ]
    return lines[-1] if lines else ""


def describe(part: object) -> str:
    """A class or function by name, with its file and line where it is a plugin's."""
    name = getattr(part, "__qualname__", repr(part))
    if str(getattr(part, "__module__", "")).partition(".")[0] not in _imported.values():
        return name
    try:
        return f"{name} ({inspect.getsourcefile(part)}, line {inspect.getsourcelines(part)[1]})"  # type: ignore[arg-type]
    except (OSError, TypeError):  # no class or function, or its file is gone
        return name


def _package_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _import_file(file: Path) -> None:
    if not file.is_file():
        raise ValueError(f"plugin {file}: no such file")
    file = file.resolve()
    # The path is part of the name, so that two plugins called my.py do not shadow each other.
    name = f"i2i_plugin_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if str(file) in _imported:
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"plugin {file}: not a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _import(str(file), name):
            spec.loader.exec_module(module)
    except ValueError:
        del sys.modules[name]
        raise


@contextmanager
def _import(plugin: str, package: str) -> Iterator[None]:
    """Credit components registered meanwhile to `plugin`, and turn any error into a sentence with its file and line."""
    _importing.append(plugin)
    _imported[plugin] = package
    try:
        yield
    except (Exception, SystemExit) as error:
        where = plugin_line(error) or plugin
        del _imported[plugin]
        raise ValueError(f"plugin {where}: {type(error).__name__}: {error}") from error
    finally:
        _importing.pop()
