"""Logs whose rows have terms that others have not."""

import math
from pathlib import Path

from i2i.training.log import Log, read_log


def test_a_term_that_comes_later_has_a_column_and_earlier_rows_none_of_it(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        log.losses(1, {"a": 1.0})
        log.losses(2, {"a": 2.0, "b": 5.0})
        log.losses(3, {"b": 6.0})
    read = read_log(tmp_path / "losses.csv")
    assert read["step"] == [1, 2, 3] and list(read) == ["step", "a", "b"]
    assert read["a"][:2] == [1, 2] and math.isnan(read["a"][2]) and math.isnan(read["b"][0]) and read["b"][1:] == [5, 6]


def test_rows_after_the_step_of_a_resume_are_dropped_whatever_columns_they_have(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        log.losses(1, {"a": 1.0})
        log.losses(2, {"b": 2.0})
    with Log(tmp_path, 1) as log:
        log.losses(2, {"a": 3.0, "b": 4.0})
    assert read_log(tmp_path / "losses.csv")["a"] == [1, 3]
