"""Tiny data and tiny recipes for tests that train."""

from pathlib import Path

from i2i import recipe
from i2i.data.world import make_world

TINY = {
    "cyclegan": [
        "method.generator.blocks=1",
        "method.generator.features=4",
        "method.discriminator.features=4",
        "method.discriminator.layers=1",
        "method.history=3",
    ],
    "pix2pix": [
        "method.generator.name=resnet",
        "method.generator.blocks=1",
        "method.generator.features=4",
        "method.generator.norm=batch",
        "method.generator.dropout=true",
        "method.discriminator.features=4",
        "method.discriminator.layers=1",
    ],
}
SIZES = ["augment.train.resize.size=18", "augment.train.crop.size=16", "augment.test.resize.size=16"]


def overrides(method: str, *more: str) -> list[str]:
    return [*TINY[method], *SIZES, "train.workers=0", "train.samples=2", *more]


def tiny_recipe(method: str, data: Path, *more: str) -> recipe.Recipe:
    return recipe.load(recipe.find(method), [str(data)], overrides(method, *more))


def tiny_world(folder: Path, count: int = 12) -> Path:
    make_world(folder, count=count, size=16, seed=0)
    return folder


class Silent:
    """A watch that remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.steps: list[int] = []

    def progress(self, progress: object) -> None:
        self.steps.append(progress.step)  # type: ignore[attr-defined]

    def say(self, message: str) -> None:
        self.said.append(message)
