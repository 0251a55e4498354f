"""A folder of images to a mirrored folder of results: what is missing or has changed is translated, the rest is left.

The modules in the order of the work: `jobs` (which file becomes which), `pending` (which of them are still to do, by
the `manifest`), `pipeline` (read, translate, write), `batching` (one network for several threads), `report`.
"""

from i2i_runtime.folder.options import FolderOptions
from i2i_runtime.folder.report import FolderProgress, FolderReport
from i2i_runtime.folder.translate import translate_folder

__all__ = ["FolderOptions", "FolderProgress", "FolderReport", "translate_folder"]
