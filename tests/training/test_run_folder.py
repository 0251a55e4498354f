"""A run's folder: what is of others in it is left alone, and one process at a time trains there."""

import sys
from pathlib import Path

import pytest

from i2i.training import run
from i2i.training.run_folder import lock_folder
from tests.training.commands import started, wait_for_line
from tests.worlds import Recorder, tiny_recipe, tiny_world

LOCKED = """
import sys
from pathlib import Path
from i2i.training.run_folder import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("data") / "world")


@pytest.mark.parametrize(
    "name", ["recipe.toml", "run.json", "losses.csv", "checkpoints/resnet50-imagenet/w.pt", "samples/1.png", "best"]
)
def test_a_folder_with_things_of_others_is_refused_and_left_as_it_was(name: str, world: Path, tmp_path: Path) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("theirs")
    with pytest.raises(ValueError, match=rf"holds {Path(name).parts[0]} of another program.*--out"):
        run.train(tiny_recipe("pix2pix", world, "train.steps=1"), tmp_path, reporter=Recorder())
    assert file.read_text() == "theirs" and [path for path in tmp_path.rglob("*") if path.is_file()] == [file]


def test_a_run_without_a_checkpoint_may_begin_again_beside_things_with_other_names(world: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("theirs")

    def stop() -> bool:
        raise KeyboardInterrupt

    chosen = tiny_recipe("pix2pix", world, "train.steps=2")
    with pytest.raises(KeyboardInterrupt):
        run.train(chosen, tmp_path, reporter=Recorder(), stop=stop)
    (tmp_path / "checkpoints/resnet50-imagenet").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "samples"):
        (folder / ".0123456789abcdef.part.png").touch()
        (folder / ".mine.part.png").touch()
    recorder = Recorder()
    run.train(chosen, tmp_path, reporter=recorder)
    assert recorder.steps == [1, 2] and (tmp_path / "thesis.tex").read_text() == "theirs"
    assert (tmp_path / "checkpoints/resnet50-imagenet").is_dir()
    assert {path.name for path in tmp_path.rglob(".*part*")} == {".mine.part.png"}, "of a killed process, and not"


def test_two_processes_do_not_train_in_one_folder(world: Path, tmp_path: Path) -> None:
    chosen = tiny_recipe("pix2pix", world, "train.steps=1")
    with started(sys.executable, "-c", LOCKED, tmp_path) as process:
        wait_for_line(process, "locked")
        with pytest.raises(ValueError, match="another process trains in this folder"):
            run.train(chosen, tmp_path, reporter=Recorder())
        process.kill()
        process.wait()
    run.train(chosen, tmp_path, reporter=Recorder())  # the lock of a killed process holds nobody up
    with started(sys.executable, "-c", LOCKED, tmp_path) as process:
        wait_for_line(process, "locked")
        with pytest.raises(ValueError, match="another process trains in this folder"):
            run.resume(tmp_path, ["train.steps=2"], reporter=Recorder())


def test_a_lock_is_given_back(tmp_path: Path) -> None:
    with lock_folder(tmp_path):
        pass
    with started(sys.executable, "-c", LOCKED, tmp_path) as process:
        wait_for_line(process, "locked")
