"""The label maps of a data set: which file belongs to which image, and the class of each label in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i2i.data.labels.class_map import ClassIndices, ClassMap
from i2i.data.labels.label_map import read_label_map
from i2i.label_maps import IGNORE
from i2i_runtime.files import printable


@dataclass(frozen=True)
class LabelMaps:
    """Label maps by the image that they belong to; an image that is not in `files` has none.

    `class_map` has the class of each number or colour in them; with None numbers are class indices.
    """

    files: Mapping[Path, Path]
    class_map: ClassMap | None = None
    names: Sequence[str] = ()  # of the classes, where they are known

    def title(self, number: int) -> str:
        """A class by its number and, where it is known, its name."""
        return f"{number} ({self.names[number]})" if number < len(self.names) else str(number)

    def read(self, image: Path) -> ClassIndices:
        """Class indices (H, W) of an image's label map, 255 where there is no class.

        Raises ValueError for a file that is no label map, and for labels without a class.
        """
        return read_class_indices(self.files[image], self.class_map)


def read_class_indices(path: Path, class_map: ClassMap | None) -> ClassIndices:
    """Class indices (H, W) of a label map's file. Raises ValueError as `LabelMaps.read`."""
    if class_map is not None:
        return class_map(read_label_map(path, in_colour=class_map.in_colour), printable(path))
    labels = read_label_map(path, in_colour=False)
    if (largest := int(labels.max(initial=0))) > IGNORE:
        raise ValueError(
            f"{printable(path)}: label {largest} is no class index; allowed: 0 to {IGNORE - 1}, and {IGNORE} for none, "
            "or a class map that says what the labels mean (data.class_map)"
        )
    return labels.astype(np.uint8)


NO_LABELS = LabelMaps({})
