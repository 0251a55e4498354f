"""The label maps of a data set: which file belongs to which image, and the class of each label in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2i.data.labels.class_map import ClassIndices, ClassMap
from i2i.data.labels.label_map import read_label_map
from i2i.label_maps import IGNORE, INSTANCES
from i2i_runtime.files import printable

_LAST_WITH_INSTANCES = 64  # its 1000 instances fit into 16 bits


@dataclass(frozen=True)
class LabelMaps:
    """Label maps by the image that they belong to; an image that is not in `files` has none.

    `class_map` has the class of each number or colour in them; with None numbers are class indices. With `instances`
    they are instance maps (`i2i.label_maps`), whose classes are numbers.
    """

    files: Mapping[Path, Path]
    class_map: ClassMap | None = None
    names: Sequence[str] = ()  # of the classes, where they are known
    instances: bool = False

    def title(self, number: int) -> str:
        """A class by its number and, where it is known, its name."""
        return f"{number} ({self.names[number]})" if number < len(self.names) else str(number)

    def read(self, image: Path) -> ClassIndices:
        """Class indices (H, W) of an image's label map, 255 where there is no class.

        Raises ValueError for a file that is no label map, and for labels without a class.
        """
        if self.instances:
            return _classes_of(self.read_instances(image)).astype(np.uint8)
        return read_class_indices(self.files[image], self.class_map)

    def read_instances(self, image: Path) -> NDArray[np.uint16]:
        """Instance map (H, W) of an image, `index * 1000 + instance` of class indices, 255 where there is no class.

        Raises ValueError as `read`, and for instances of a class whose index leaves no room for them.
        """
        path = self.files[image]
        values = read_label_map(path, in_colour=False).astype(np.int64)
        indices = _class_indices(_classes_of(values), self.class_map, path).astype(np.int64)
        is_instance = (values >= INSTANCES) & (indices != IGNORE)
        if len(refused := indices[is_instance & ((indices < 1) | (indices > _LAST_WITH_INSTANCES))]):
            raise ValueError(
                f"{printable(path)}: instances of class {self.title(int(refused[0]))}, which class * {INSTANCES} + "
                f"instance in 16 bits does not hold; allowed: instances of classes 1 to {_LAST_WITH_INSTANCES}"
            )
        return np.where(is_instance, indices * INSTANCES + values % INSTANCES, indices).astype(np.uint16)


def read_class_indices(path: Path, class_map: ClassMap | None) -> ClassIndices:
    """Class indices (H, W) of a label map's file. Raises ValueError as `LabelMaps.read`."""
    if class_map is not None:
        return class_map(read_label_map(path, in_colour=class_map.in_colour), printable(path))
    return _class_indices(read_label_map(path, in_colour=False), None, path)


def _classes_of(instances: NDArray[np.integer]) -> NDArray[np.integer]:
    return np.where(instances < INSTANCES, instances, instances // INSTANCES)


def _class_indices(labels: NDArray[np.integer], class_map: ClassMap | None, path: Path) -> ClassIndices:
    """The class indices of a file's numbers. Raises ValueError for one without a class."""
    if class_map is not None:
        return class_map(labels, printable(path))
    if (largest := int(labels.max(initial=0))) > IGNORE:
        raise ValueError(
            f"{printable(path)}: label {largest} is no class index; allowed: 0 to {IGNORE - 1}, and {IGNORE} for none, "
            "or a class map that says what the labels mean (data.class_map)"
        )
    return labels.astype(np.uint8)


NO_LABELS = LabelMaps({})
