"""The world as a folder: unpaired training data that is in truth paired, with its labels."""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from i2i.data.world.scene import draw_scene
from i2i.data.world.street import CLASSES
from i2i_runtime import images

_PARTS = ("A", "B", "A_labels")  # in the order of a Scene
# Held-out scenes are numbered from here, so that no world of any count trains on them.
_FIRST_HELD_OUT = 1_000_000

_README = """Street scenes drawn by i2i: {count} to train on, {held_out} held out; {size} x {size} pixels, seed {seed}.
A = sim (flat colours), B = real (texture, light, haze, noise). Within train and within test, same stem = same scene:
B is the truth that a translation of A can be scored against.
The pixels of trainA_labels and testA_labels are class indices: {classes}.
"""


def held_out(count: int) -> int:
    """How many scenes are held out beside `count` training scenes: a fifth as many, at least one."""
    return max(1, count // 5)


def make_world(
    folder: Path, *, count: int, size: int, seed: int, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write trainA, trainB, trainA_labels, testA, testB, testA_labels and a README; the folder appears once complete.

    `count` scenes to train on and held_out(count) others, as PNG. `progress` is called with scenes done and in all.
    Raises ValueError for a count below 1, a size below 16 or a folder that holds something already.
    """
    if count < 1:
        raise ValueError(f"count: {count} scenes is no data set; use 1 or more")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is not an empty folder; choose another name or remove it")
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as workshop:
        unfinished = Path(workshop) / folder.name
        _write_scenes(unfinished, count=count, size=size, seed=seed, progress=progress)
        facts = {"count": count, "held_out": held_out(count), "size": size, "seed": seed}
        classes = ", ".join(f"{index} {name}" for index, name in enumerate(CLASSES))
        (unfinished / "README.txt").write_text(_README.format(**facts, classes=classes), encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)


def _write_scenes(
    folder: Path, *, count: int, size: int, seed: int, progress: Callable[[int, int], None] | None
) -> None:
    jobs = [("train", i, i) for i in range(count)]
    jobs += [("test", i, _FIRST_HELD_OUT + i) for i in range(held_out(count))]
    for split in ("train", "test"):
        for part in _PARTS:
            (folder / f"{split}{part}").mkdir(parents=True)

    def write(split: str, number: int, index: int) -> None:
        scene = draw_scene(size=size, seed=seed, index=index)
        for part, image in zip(_PARTS, scene, strict=True):
            images.write(folder / f"{split}{part}" / f"{number:05d}.png", image)

    pool = ThreadPoolExecutor()
    try:
        for done, job in enumerate(as_completed([pool.submit(write, *job) for job in jobs]), start=1):
            job.result()
            if progress:
                progress(done, len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)
