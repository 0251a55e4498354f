"""Trees in the store, which is empty before each test and leaves no mirror behind."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from i2i_runtime import images
from i2i_runtime.folder import remote_tree
from tests.runtime.folder.remote.store import LABELS, MEMORY, NAMES


@pytest.fixture(autouse=True)
def staging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where mirrors are; nothing may be left there, and the store is empty again."""
    folder = tmp_path / "staging"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    MEMORY.store.clear()
    MEMORY.pseudo_dirs[:] = [""]
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture(params=["files", "objects"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory as a file system, where files are renamed, and as a store of objects, where they need not be."""
    if request.param == "objects":
        monkeypatch.setattr(remote_tree, "_OBJECT_STORES", {"memory"})


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for index, name in enumerate([*NAMES, *LABELS]):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if images.is_image(path):
            images.write(path, rng.integers(0, 256, (9 + index, 12, 3)).astype(np.uint8))
        else:
            path.write_bytes(rng.bytes(50))
    return tmp_path / "in"


@pytest.fixture
def low(tree: Path) -> str:
    MEMORY.put(f"{tree}/", "/bucket/low/", recursive=True)
    return "memory://bucket/low"
