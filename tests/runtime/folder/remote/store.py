"""A remote store in this process's memory, and what its tests share."""

import json
from pathlib import Path

import numpy as np
import pytest

from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, FolderReport, translate_folder

fsspec = pytest.importorskip("fsspec")
MEMORY = fsspec.filesystem("memory")
HIGH = "memory://bucket/high"

CARD = Card(product="generator", in_channels=3, out_channels=3)
NAMES = ["1.png", "2.png", "10.png", "a b/deep/x.png", "a b/猫.PNG"]
LABELS = ["labels/1.txt", "labels/town/2.json"]


def invert(batch: np.ndarray) -> np.ndarray:
    return 1 - batch


def translate(source: Path | str, target: Path | str, **options) -> FolderReport:
    network = options.pop("network", invert)
    callbacks = {name: options.pop(name) for name in ("progress", "stop") if name in options}
    return translate_folder(network, CARD, source, target, FolderOptions(**options), **callbacks)


def names(paths: list[Path]) -> list[str]:
    return [path.as_posix() for path in paths]


def there(folder: str = "/bucket/high", *, hidden: bool = False) -> dict[str, bytes]:
    """What the store has, by name."""
    found = {key.removeprefix(f"{folder}/"): MEMORY.cat_file(key) for key in MEMORY.find(folder)}
    return {name: data for name, data in found.items() if hidden or not name.startswith(".")}


def lines() -> list[dict]:
    """Of the manifest in the store, whatever files it is in."""
    texts = [data for name, data in there(hidden=True).items() if name.startswith(".i2i-manifest")]
    return [json.loads(line) for text in texts for line in text.splitlines()]
