"""The ladder of students: generators from the largest to the smallest, of which a budget chooses."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from i2i import registry
from i2i.networks.generators.base import ImageGenerator
from i2i.recipe.components import build, complete


class Rung(NamedTuple):
    """A student: the name of its generator, the options that set its size, and what it starts from."""

    generator: str
    options: Mapping[str, int | str]

    @property
    def name(self) -> str:
        """The generator with its size: `light-unet 32 x 4`."""
        sizes = (str(value) for value in self.options.values() if isinstance(value, int))
        return f"{self.generator} {' x '.join(sizes)}"

    def build(self, *, source_channels: int, target_channels: int, scale: int) -> ImageGenerator:
        """The untrained generator."""
        channels = {"in_channels": source_channels, "out_channels": target_channels}
        table = {"name": self.generator, **self.options, **channels} | ({"scale": scale} if scale > 1 else {})
        generator: ImageGenerator = build(registry.generators, complete(registry.generators, table, "generator"))
        return generator.eval()

    def overrides(self) -> list[str]:
        """The generator as settings of a recipe."""
        options = (f"method.generator.{key}={value}" for key, value in self.options.items())
        return [f"method.generator={self.generator}", *options]


def _of(generator: str, *sizes: str, **others: str) -> Any:
    return lambda *values: Rung(generator, dict(zip(sizes, values, strict=True)) | others)


_unet, _mobile = _of("light-unet", "features", "blocks"), _of("mobile-resnet", "features", "blocks")
_span, _compact = _of("span", "features", init="nearest"), _of("srvgg", "features", "convolutions", init="nearest")

_TRANSLATORS = (
    *(_unet(64, 4), _unet(48, 4), _unet(32, 4), _unet(24, 4), _unet(16, 4), _unet(12, 3)),
    *(_mobile(48, 4), _mobile(32, 3), _mobile(16, 2)),
)
_UPSCALERS = (
    *(_span(64), _compact(64, 16), _span(48), _compact(48, 12), _span(32), _compact(32, 12)),
    *(_compact(32, 6), _compact(24, 4), _compact(16, 3), _compact(12, 1)),
)


def rung_of(rungs: Sequence[Rung], name: str) -> Rung:
    """The student of that name. Raises ValueError where there is none, as of a record of another version."""
    named = {rung.name: rung for rung in rungs}
    if name not in named:
        raise ValueError(f"no student {name!r}; choose from: {', '.join(named)}")
    return named[name]


def ladder(scale: int) -> Sequence[Rung]:
    """The students that keep the size of an image, or enlarge it, from the largest to the smallest."""
    return _UPSCALERS if scale > 1 else _TRANSLATORS
