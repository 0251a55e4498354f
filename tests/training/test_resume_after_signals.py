"""Whatever ends a job saves it first, or names the command that resumes it."""

import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from i2i.checkpoints import run as checkpoint
from tests.training.commands import ENVIRONMENT, command, settings, started, wait_for_line
from tests.waits import HANGS
from tests.worlds import tiny_world

FOREVER = ["train.steps=1000000", "train.checkpoint_every=1000000", "train.log_every=1", "train.sample_every=1000000"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("data") / "world")


def words(world: Path, run: Path, *more: str) -> list[str]:
    return command("pix2pix", world, "--out", run, *settings("pix2pix", *FOREVER, *more))


def wait_for_steps(process: subprocess.Popen[str], run: Path) -> None:
    while not (run / "losses.csv").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def children(process: int) -> list[int]:
    file = Path(f"/proc/{process}/task/{process}/children")
    if not file.exists():
        pytest.skip("no /proc to find the processes in")
    return [int(each) for each in file.read_text().split()]


def is_running(process: int) -> bool:
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())  # empty once it has ended and nobody has asked how
    except OSError:
        return False


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1"])
def test_a_signal_to_all_processes_of_a_run_saves_it(name: str, world: Path, tmp_path: Path) -> None:
    """As Slurm, systemd and terminals send it: the processes that load images get it too, and some twice."""
    process = subprocess.Popen(
        words(world, tmp_path, "train.workers=2"),
        env=ENVIRONMENT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_steps(process, tmp_path)
    for _ in range(2):
        os.killpg(process.pid, getattr(signal, name))
    printed, errors = process.communicate(timeout=HANGS)
    assert process.returncode == 128 + getattr(signal, name), errors
    assert "go on with: i2i train --resume" in printed and "Traceback" not in errors
    assert int(checkpoint.find(tmp_path).name) > 0


def test_a_run_whose_terminal_is_closed_is_saved(world: Path, tmp_path: Path) -> None:
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        words(world, tmp_path), env=ENVIRONMENT, start_new_session=True, stdin=its_end, stdout=its_end, stderr=its_end
    )
    os.close(its_end)
    wait_for_steps(process, tmp_path)  # type: ignore[arg-type]
    os.close(terminal)  # printing fails from now on
    process.send_signal(signal.SIGHUP)
    process.wait(timeout=HANGS)
    assert int(checkpoint.find(tmp_path).name) > 0


def test_under_nohup_a_run_outlives_its_terminal(world: Path, tmp_path: Path) -> None:
    with started("nohup", *words(world, tmp_path)) as process:
        wait_for_steps(process, tmp_path)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM


def test_a_killed_worker_is_named_with_the_command_that_resumes(world: Path, tmp_path: Path) -> None:
    with started(*words(world, tmp_path, "train.workers=2", "train.checkpoint_every=2")) as process:
        wait_for_line(process, "saved")
        os.kill(children(process.pid)[-1], signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == 1 and "Traceback" not in errors and "(unexpected:" not in errors
    assert "a process that loads images was killed" in errors
    assert f"is saved whole; when that is mended, go on with: i2i train --resume {tmp_path}" in errors


def test_ranks_end_and_save_when_their_launcher_has_died(world: Path, tmp_path: Path) -> None:
    options = settings("cyclegan", "train.batch_size=4", *FOREVER)
    with started(*command("cyclegan", world, "--out", tmp_path, "--processes", 2, *options)) as process:
        wait_for_steps(process, tmp_path)
        ranks = children(process.pid)
        process.kill()
        process.wait()
        while any(is_running(rank) for rank in ranks):
            time.sleep(0.1)
    assert ranks and int(checkpoint.find(tmp_path).name) > 0
