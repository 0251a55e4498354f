"""The label maps of a data set: which file belongs to which image, and the class of each label in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from i2i.data.labels.class_map import ClassIndices, ClassMap, identity_class_map
from i2i.data.labels.label_map import read_label_map
from i2i.networks.one_hot import IGNORE
from i2i_runtime.files import printable


@dataclass(frozen=True)
class LabelMaps:
    """Label maps by the image that they belong to; an image that is not in `files` has none.

    `class_map` has the class of each number or colour in them; by default numbers are class indices.
    """

    files: Mapping[Path, Path]
    class_map: ClassMap = field(default_factory=partial(identity_class_map, IGNORE))

    def read(self, image: Path) -> ClassIndices:
        """Class indices (H, W) of an image's label map, 255 where there is no class.

        Raises ValueError for a file that is no label map, and for labels without a class.
        """
        path = self.files[image]
        return self.class_map(read_label_map(path, in_colour=self.class_map.in_colour), printable(path))


NO_LABELS = LabelMaps({})
