"""The extractor `means` is the only one available: no file of weights, no cached features."""

from pathlib import Path

import pytest

from i2i.registry import features
from tests.measures import Means


@pytest.fixture(autouse=True)
def only_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(features._parts, "means", Means)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("I2I_FEATURES", str(tmp_path / "features"))
