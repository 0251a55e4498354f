"""The world as a folder of trainA, trainB and so on, with label maps: pairs by their names, or two layouts.

Scenes are still images, or sequences: a folder of frames for each drive, with optical flow beside the label maps.
"""

import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from i2i.data.flow_files import write_flow
from i2i.data.world.drive import MOST_FRAMES, DriveFrame, draw_drive
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

_SEQUENCES = """Each scene is a folder: the {frames} frames of a drive. Beside its label map, in FOLDER_flow, each
has the optical flow to the next frame, as KITTI's: red and green are x and y in steps of 1/64 pixel from 32768, blue is
1 where the next frame shows the same surface.
"""


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
    folder: Path,
    *,
    count: int,
    size: int,
    seed: int,
    gap: Gap | None = None,
    sequence: int = 0,
    progress: Progress | None = None,
) -> None:
    """Write trainA, trainB, trainA_labels, testA, testB, testA_labels and a README; the folder appears once complete.

    `count` training scenes and `held_out_count(count)` others of `size` pixels, as PNG. With `gap`, B shows as many
    other scenes with that layout, and testB_labels and truth/ are written too. With `sequence`, a scene is a folder of
    that many frames, and for every folder of label maps one of optical flow is written too. `progress` counts scenes.
    Raises ValueError for a count below 1, a size below 16, a sequence of one frame or above 240, or a folder that is
    not empty.
    """
    if count < 1:
        raise ValueError(f"count: {count} scenes are no data set; use 1 or more")
    if sequence and not 2 <= sequence <= MOST_FRAMES:
        raise ValueError(f"sequence: {sequence} frames; allowed: from 2 to {MOST_FRAMES}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is not an empty folder; choose another name or remove it")
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        unfinished = Path(temporary) / folder.name
        parts = _paired() if gap is None else _unpaired(gap)
        _write_texts(unfinished, parts, count=count, size=size, seed=seed, gap=gap, sequence=sequence)
        _write_scenes(unfinished, parts, count=count, size=size, seed=seed, sequence=sequence, progress=progress)
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


def _write_texts(
    folder: Path, parts: list[_Part], *, count: int, size: int, seed: int, gap: Gap | None, sequence: int
) -> None:
    """Make the folders, with classes.txt in those of label maps, and the README."""
    for name, field in (item for part in parts for item in part.folders.items()):
        (folder / name).mkdir(parents=True)
        if field == "labels":
            (folder / name / "classes.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    facts = {"count": count, "held_out": held_out_count(count), "size": size, "seed": seed}
    classes = ", ".join(f"{index} {name}" for index, name in enumerate(CLASSES))
    pairs = _PAIRS if gap is None else _GAP.format(gap=gap)
    text = _README.format(**facts, classes=classes, pairs=pairs)
    text += _SEQUENCES.format(frames=sequence) if sequence else ""
    (folder / "README.txt").write_text(text, encoding="utf-8")


def _write_scenes(
    folder: Path, parts: list[_Part], *, count: int, size: int, seed: int, sequence: int, progress: Progress | None
) -> None:
    jobs = [(part, i) for part in parts for i in range(held_out_count(count) if part.held_out else count)]

    def write(part: _Part, number: int) -> None:
        index, name = part.first + number, f"{part.prefix}{number:05d}"
        if sequence:
            drive = draw_drive(size=size, seed=seed, index=index, frames=sequence, gap=part.gap)
            _write_drive(folder, part, name, drive)
            return
        scene = draw_scene(size=size, seed=seed, index=index, gap=part.gap)
        for kind, field in part.folders.items():
            images.write(folder / kind / f"{name}.png", getattr(scene, field))

    pool = ThreadPoolExecutor()
    try:
        for done, job in enumerate(as_completed([pool.submit(write, *job) for job in jobs]), start=1):
            job.result()
            if progress:
                progress(done, len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)


def _write_drive(folder: Path, part: _Part, name: str, drive: Iterable[DriveFrame]) -> None:
    """Write the frames of a drive as FOLDER/name/00000.png and so on, with the flow from all but the last."""
    flows = [kind.replace("labels", "flow") for kind, field in part.folders.items() if field == "labels"]
    for kind in (*part.folders, *flows):
        (folder / kind / name).mkdir(parents=True)
    for number, frame in enumerate(drive):
        file = f"{name}/{number:05d}.png"
        for kind, field in part.folders.items():
            images.write(folder / kind / file, getattr(frame, field))
        for kind in flows:
            if frame.motion is not None:
                write_flow(folder / kind / file, frame.motion)
