"""The world as a folder of trainA, trainB and so on, with label maps: pairs by their names, or two layouts."""

import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from i2i.data.world.gap import NO_GAP, Gap
from i2i.data.world.scene import draw_scene
from i2i.data.world.street import CLASSES
from i2i.progress import Progress
from i2i_runtime import images

# Index of the first held-out scene, and of the first scene with a layout gap, above those of all scenes before them.
_FIRST_HELD_OUT, _FIRST_WITH_GAP = 1_000_000, 2_000_000

_README = """Street scenes drawn by i2i: {count} to train on, {held_out} held out; {size} x {size} pixels, seed {seed}.
A = sim (flat colours), B = real (texture, light, haze, noise). {pairs}
The pixels of label maps are class indices, which classes.txt beside them names: {classes}.
"""
_PAIRS = """Within train and within test, same stem = same scene:
B is the truth that a translation of A can be scored against."""
_GAP = """No two scenes are the same, and the layout of B is another: {gap}.
truth/testA_real = the scenes of testA in the look of B, against which a translation of testA can be scored.
testB_labels is for testing, as the labels of real frames are. No training may see truth/, where trainB_labels lie too:
the upper bound, of a network that is trained on labelled real frames, needs them."""


class _Part(NamedTuple):
    """Scenes from index `first` on: the field of a Scene that each folder holds, for training or held out."""

    folders: Mapping[str, str]
    first: int
    held_out: bool
    gap: Gap = NO_GAP
    prefix: str = ""  # of the names of files


def held_out_count(count: int) -> int:
    """The number of held-out scenes for `count` training scenes: a fifth, at least one."""
    return max(1, count // 5)


def make_world(
    folder: Path, *, count: int, size: int, seed: int, gap: Gap | None = None, progress: Progress | None = None
) -> None:
    """Write trainA, trainB, trainA_labels, testA, testB, testA_labels and a README; the folder appears once complete.

    `count` training scenes and `held_out_count(count)` others of `size` pixels, as PNG. With `gap`, B shows as many
    other scenes with that layout, and testB_labels and truth/ are written too. `progress` counts scenes. Raises
    ValueError for a count below 1, a size below 16 or a folder that is not empty.
    """
    if count < 1:
        raise ValueError(f"count: {count} scenes are no data set; use 1 or more")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is not an empty folder; choose another name or remove it")
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        unfinished = Path(temporary) / folder.name
        parts = _paired() if gap is None else _unpaired(gap)
        _write_texts(unfinished, parts, count=count, size=size, seed=seed, gap=gap)
        _write_scenes(unfinished, parts, count=count, size=size, seed=seed, progress=progress)
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)


def _paired() -> list[_Part]:
    return [
        _Part({"trainA": "sim", "trainB": "real", "trainA_labels": "labels"}, 0, held_out=False),
        _Part({"testA": "sim", "testB": "real", "testA_labels": "labels"}, _FIRST_HELD_OUT, held_out=True),
    ]


def _unpaired(gap: Gap) -> list[_Part]:
    real, prefix = _FIRST_WITH_GAP, "real"  # the prefix keeps other scenes from being taken for pairs by their names
    test = {"testA": "sim", "testA_labels": "labels", "truth/testA_real": "real"}
    return [
        _Part({"trainA": "sim", "trainA_labels": "labels"}, 0, held_out=False),
        _Part(test, _FIRST_HELD_OUT, held_out=True),
        _Part({"trainB": "real", "truth/trainB_labels": "labels"}, real, False, gap, prefix),
        _Part({"testB": "real", "testB_labels": "labels"}, real + _FIRST_HELD_OUT, True, gap, prefix),
    ]


def _write_texts(folder: Path, parts: list[_Part], *, count: int, size: int, seed: int, gap: Gap | None) -> None:
    """Make the folders, with classes.txt in those of label maps, and the README."""
    for name, field in (item for part in parts for item in part.folders.items()):
        (folder / name).mkdir(parents=True)
        if field == "labels":
            (folder / name / "classes.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    facts = {"count": count, "held_out": held_out_count(count), "size": size, "seed": seed}
    classes = ", ".join(f"{index} {name}" for index, name in enumerate(CLASSES))
    pairs = _PAIRS if gap is None else _GAP.format(gap=gap)
    (folder / "README.txt").write_text(_README.format(**facts, classes=classes, pairs=pairs), encoding="utf-8")


def _write_scenes(
    folder: Path, parts: list[_Part], *, count: int, size: int, seed: int, progress: Progress | None
) -> None:
    jobs = [(part, i) for part in parts for i in range(held_out_count(count) if part.held_out else count)]

    def write(part: _Part, number: int) -> None:
        scene = draw_scene(size=size, seed=seed, index=part.first + number, gap=part.gap)
        for name, field in part.folders.items():
            images.write(folder / name / f"{part.prefix}{number:05d}.png", getattr(scene, field))

    pool = ThreadPoolExecutor()
    try:
        for done, job in enumerate(as_completed([pool.submit(write, *job) for job in jobs]), start=1):
            job.result()
            if progress:
                progress(done, len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)
