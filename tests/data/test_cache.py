import sys
from pathlib import Path

import pytest

from i2i.data.cache import cache_folder, exclusive_lock


def test_the_cache_folder_is_set_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("weights") == tmp_path / "own"
    monkeypatch.delenv("I2I_WEIGHTS")
    assert cache_folder("weights") == tmp_path / "xdg" / "i2i" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder("weights") == tmp_path / ".cache" / "i2i" / "weights"


def test_the_cache_folder_on_windows_is_in_local_app_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delenv("I2I_DATA", raising=False)
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert cache_folder("data") == tmp_path / "i2i" / "data"


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ValueError, match=r"\.net\.pth\.lock: can't be written .*; name another folder in \$I2I_WEIGHTS"),
        exclusive_lock(tmp_path / "file" / "cache" / "net.pth", "weights"),
    ):
        pass
