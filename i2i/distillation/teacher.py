"""The teacher: a network that translates the frames here, or a folder of the outputs of any program."""

from pathlib import Path
from typing import NamedTuple

from i2i.distillation.pairs import scale_of_outputs
from i2i.distillation.record import PAIRS
from i2i.recipe import RECIPE
from i2i_runtime import images
from i2i_runtime.files import printable
from i2i_runtime.translate import ImageModel


class Teacher(NamedTuple):
    """What a student learns from: `model` is None where `outputs` are all there already."""

    name: str
    model: ImageModel | None
    outputs: Path
    workers: int = 1  # threads that call the model at once
    channels: tuple[int, int] = (3, 3)  # of a source and of a target
    scale: int = 1
    note: str = ""


def is_outputs(teacher: Path) -> bool:
    """True for a folder of images, and not for a run or a checkpoint, whose folders may hold images, too."""
    if not teacher.is_dir() or (teacher / RECIPE).is_file() or (teacher / "checkpoints").is_dir():
        return False
    return not any(teacher.glob("*.safetensors")) and bool(images.list_images(teacher))


def teacher_of_outputs(outputs: Path, frames: Path) -> Teacher:
    """A folder of outputs as a teacher. Raises ValueError as `scale_of_outputs`."""
    factor, note = scale_of_outputs(frames, outputs)
    return Teacher(str(outputs.resolve()), None, outputs, scale=factor, note=note)


def teacher_of_model(name: Path, model: ImageModel, run: Path, *, workers: int = 1) -> Teacher:
    """A network as a teacher, whose outputs are kept in the folder of the student's run. Raises ValueError for one that
    takes label maps.
    """
    card = model.card
    if card.label_classes:
        raise ValueError(f"{printable(name)}: takes label maps, of which no student here makes images")
    known = str(name.resolve()) if name.exists() else str(name)
    return Teacher(known, model, run / PAIRS, workers, (card.in_channels, card.out_channels), card.scale)
