"""The world as a folder of trainA, trainB and so on, whose images are pairs by their names, with label maps."""

import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from i2i.data.progress import Progress
from i2i.data.world.scene import draw_scene
from i2i.data.world.street import CLASSES
from i2i_runtime import images

_FOLDERS = ("A", "B", "A_labels")  # of the fields of a Scene
_FIRST_HELD_OUT = 1_000_000  # index of the first held-out scene, above those of all training scenes

_README = """Street scenes drawn by i2i: {count} to train on, {held_out} held out; {size} x {size} pixels, seed {seed}.
A = sim (flat colours), B = real (texture, light, haze, noise). Within train and within test, same stem = same scene:
B is the truth that a translation of A can be scored against.
The pixels of trainA_labels and testA_labels are class indices: {classes}.
"""


def held_out_count(count: int) -> int:
    """The number of held-out scenes for `count` training scenes: a fifth, at least one."""
    return max(1, count // 5)


def make_world(folder: Path, *, count: int, size: int, seed: int, progress: Progress | None = None) -> None:
    """Write trainA, trainB, trainA_labels, testA, testB, testA_labels and a README; the folder appears once complete.

    `count` training scenes and `held_out_count(count)` others of `size` pixels, as PNG. `progress` counts scenes.
    Raises ValueError for a count below 1, a size below 16 or a folder that is not empty.
    """
    if count < 1:
        raise ValueError(f"count: {count} scenes are no data set; use 1 or more")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is not an empty folder; choose another name or remove it")
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        unfinished = Path(temporary) / folder.name
        _write_scenes(unfinished, count=count, size=size, seed=seed, progress=progress)
        facts = {"count": count, "held_out": held_out_count(count), "size": size, "seed": seed}
        classes = ", ".join(f"{index} {name}" for index, name in enumerate(CLASSES))
        (unfinished / "README.txt").write_text(_README.format(**facts, classes=classes), encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)


def _write_scenes(folder: Path, *, count: int, size: int, seed: int, progress: Progress | None) -> None:
    jobs = [("train", i, i) for i in range(count)]
    jobs += [("test", i, _FIRST_HELD_OUT + i) for i in range(held_out_count(count))]
    for split in ("train", "test"):
        for name in _FOLDERS:
            (folder / f"{split}{name}").mkdir(parents=True)

    def write(split: str, number: int, index: int) -> None:
        scene = draw_scene(size=size, seed=seed, index=index)
        for name, image in zip(_FOLDERS, scene, strict=True):
            images.write(folder / f"{split}{name}" / f"{number:05d}.png", image)

    pool = ThreadPoolExecutor()
    try:
        for done, job in enumerate(as_completed([pool.submit(write, *job) for job in jobs]), start=1):
            job.result()
            if progress:
                progress(done, len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)
