"""The README's walkthrough from rendered frames with labels to a number, as it stands there, at toy size."""

import shlex
import shutil
from pathlib import Path

import pytest

from tests.cli.test_cli import i2i_run
from tests.test_manuals import ROOT, blocks

SMALL = [
    "method.generator.blocks=1",
    "method.generator.features=4",
    "method.discriminator.layers=1",
    "method.discriminator.features=4",
    "method.layers=[0,4,8]",
    "method.projection=8",
    "method.patches=16",
    "method.segmenter_steps=1",
    "augment.train.scale_short.size=36",
    "augment.train.crop.size=32",
    "augment.test.scale_short.size=32",
    "train.steps=3",
]
# Words that make a command of the walkthrough small; of equal options the last one counts.
TOY = {
    "i2i data make": "--n 20 --size 32",
    "i2i train sim2real": " ".join(f"--set {each}" for each in SMALL) + " --device cpu",
    "i2i train segmenter": "--set train.steps=2 --set train.batch_size=2 --set train.workers=0 --device cpu",
    "i2i evaluate utility": "--steps 2 --seeds 1 --size 32x32 --device cpu",
    "i2i bench": "--size 32x32",
    "i2i gate": "--floor 0",
}


def commands() -> list[str]:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Sim2real with labels")[2]
    return blocks(section.partition("\n## ")[0])


def toy(command: str) -> list[str]:
    more = [words for start, words in TOY.items() if command.startswith(start)]
    return shlex.split(" ".join([command, *more]))[1:]


def test_every_command_of_the_sim2real_walkthrough_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = ""
    for command in commands():
        if "frames/" in command.split():
            (tmp_path / "frames" / "labels").mkdir(parents=True)
            shutil.copy(tmp_path / "world" / "testA" / "00000.png", tmp_path / "frames")
            shutil.copy(tmp_path / "world" / "testA_labels" / "00000.png", tmp_path / "frames" / "labels")
        code, out, errors = i2i_run(*toy(command), capsys=capsys)
        assert code == 0, f"{command}: {errors}"
        printed += out
    assert len(commands()) == 9
    assert "mIoU" in printed, "it ends in a number"
