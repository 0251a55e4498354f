"""The options with which a folder is translated."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FolderOptions:
    """How a folder is translated. Raises ValueError for a number out of its range."""

    tile: int | None = None  # longest side in pixels that the network is given at once, as in `Tiling`
    outscale: float | None = None  # size of a result in sizes of its image; None: the network's scale
    format: str | None = None  # suffix of the results, without the dot; None: that of each image
    quality: int | None = None  # of JPEG and WebP, 1 to 100; None: 95, and lossless for a WebP whose image was
    keep_hidden: bool = False  # translate colours under alpha 0 as they are, as in `translate_image`
    carry: Sequence[str] = ()  # patterns of files that are copied and not translated ("labels/**")
    link: bool = False  # hard-link such files instead of copying them
    shard: str | None = None  # "0/4": the first of four parts, the same on every machine
    overwrite: bool = False  # translate again what is there, also what is not in the manifest
    mix: bool = False  # keep results of another model or other settings that are in the target
    batch: int | None = None  # images of equal size per batch; None: 1, or an exported file's only batch size
    workers: int = 1  # batches at once
    threads: int = 2  # that read files, and as many that write them

    def __post_init__(self) -> None:
        for name in ("batch", "workers", "threads"):
            if (number := getattr(self, name)) is not None and number < 1:
                raise ValueError(f"{name} is {number}; allowed: whole numbers from 1")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ValueError(f"quality is {self.quality}; allowed: 1 to 100, which is lossless for WebP")
