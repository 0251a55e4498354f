"""Image files as arrays and back: the only place where bytes become floats.

An image is an array (height, width, channels) of uint8 or uint16 with 1 (grey), 3 (RGB) or 4 (RGBA, colours not
multiplied by alpha) channels.
"""

from i2i_runtime.images.arrays import Array, from_float, to_float, with_channels
from i2i_runtime.images.decode import MAX_PIXELS, ImageWithMetadata, decode, header, read, read_with_metadata
from i2i_runtime.images.encode import write
from i2i_runtime.images.headers import Header
from i2i_runtime.images.listing import (
    FILM_SUFFIXES,
    SUFFIXES,
    UNREAD_SUFFIXES,
    check_folder_name,
    is_image,
    list_files,
    list_images,
)
from i2i_runtime.images.metadata import Metadata

__all__ = [
    "FILM_SUFFIXES",
    "MAX_PIXELS",
    "SUFFIXES",
    "UNREAD_SUFFIXES",
    "Array",
    "Header",
    "ImageWithMetadata",
    "Metadata",
    "check_folder_name",
    "decode",
    "from_float",
    "header",
    "is_image",
    "list_files",
    "list_images",
    "read",
    "read_with_metadata",
    "to_float",
    "with_channels",
    "write",
]
