"""CSV logs of terms that not every step has."""

import math
from pathlib import Path

from i2i.training.log import Log
from tests.logs import read_log


def test_a_later_term_gets_a_column_that_is_empty_in_earlier_rows(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        log.losses(1, {"a": 1.0})
        log.losses(2, {"a": 2.0, "b": 5.0})
        log.losses(3, {"b": 6.0})
    read = read_log(tmp_path / "losses.csv")
    assert read["step"] == [1, 2, 3] and list(read) == ["step", "a", "b"]
    assert read["a"][:2] == [1, 2] and math.isnan(read["a"][2]) and math.isnan(read["b"][0]) and read["b"][1:] == [5, 6]


def test_an_empty_file_which_a_full_disk_leaves_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "losses.csv").touch()
    assert read_log(tmp_path / "losses.csv") == {}
    with Log(tmp_path, 1) as log:
        log.losses(2, {"a": 3.0})
    assert read_log(tmp_path / "losses.csv") == {"step": [2], "a": [3]}


def test_rows_after_the_resumed_step_are_dropped(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        log.losses(1, {"a": 1.0})
        log.losses(2, {"b": 2.0})
    with Log(tmp_path, 1) as log:
        log.losses(2, {"a": 3.0, "b": 4.0})
    assert read_log(tmp_path / "losses.csv")["a"] == [1, 3]
