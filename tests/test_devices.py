"""Devices on which nothing can be computed are refused in a sentence."""

import pytest

from i2i.cli.launch import launch
from i2i.devices import choose_device


@pytest.mark.parametrize("name", ["meta", "nothing", "cuda:9999", "", "cpu:cpu"])
def test_a_device_that_computes_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"device '{name}' cannot be used here .*; choose from: auto, cpu") as error:
        choose_device(name)
    assert "\n" not in str(error.value)


def test_more_processes_than_a_machine_bears_are_refused_before_one_starts() -> None:
    with pytest.raises(ValueError, match=r"--processes 1000000: more than this machine bears; allowed: up to \d+"):
        launch(10**6, [])
