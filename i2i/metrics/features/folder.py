"""Features of a folder of images, with a cache by content."""

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from i2i.metrics.features.base import FeatureExtractor
from i2i_runtime import images
from i2i_runtime.files import write_atomically

_FORMAT = "1"  # of the cache; raise it where the same files would give other features
_BATCH, _PIXELS = 32, 2**24  # most images, and most pixels, in a batch

Progress = Callable[[int, int], None]


class FolderFeatures(NamedTuple):
    """Features (N, D), float32, of the `files` (relative to the folder, sorted); `failed` names images left out."""

    features: Tensor
    files: list[Path]
    failed: list[str]


def features_of_folder(
    extractor: FeatureExtractor, folder: Path, *, cache: Path | None = None, progress: Progress | None = None
) -> FolderFeatures:
    """Extract features of every image under a folder; grey images become RGB, alpha is dropped, sizes stay.

    Images that cannot be read are left out and named. The folder `cache` keeps features by the checksums of the files
    and of the extractor. `progress` is called with (images done, images in all). Raises ValueError for a missing
    folder, and for fewer than two readable images.
    """
    names = images.list_images(folder)
    if not names:
        raise ValueError(f"{folder}: no images in it; known suffixes: {' '.join(images.SUFFIXES)}")
    entry = _cache_entry(cache, extractor, folder, names) if cache else None
    found = _read_cache(entry) if entry else None
    if found is None:
        found = _extract(extractor, folder, names, progress)
        if entry:
            _write_cache(entry, found)
    if len(found.files) < 2:
        reason = f"; {found.failed[0]}" if found.failed else ""
        raise ValueError(f"{folder}: a set of {len(found.files)} images; two or more are needed{reason}")
    return found


def _extract(extractor: FeatureExtractor, folder: Path, names: list[Path], progress: Progress | None) -> FolderFeatures:
    """Extract features in batches of equal size, then sort them as the names are."""
    rows: dict[Path, Tensor] = {}
    failed: dict[Path, str] = {}
    sizes = _image_sizes(folder, names, failed)
    with ThreadPoolExecutor() as pool:
        for batch in _batches(sizes):
            pictures = {}
            for name, read in zip(batch, pool.map(_read, [folder / name for name in batch]), strict=True):
                if isinstance(read, Tensor):
                    pictures[name] = read
                else:
                    failed[name] = read
            if pictures:
                rows |= zip(pictures, extractor(torch.stack(list(pictures.values()))), strict=True)
            if progress:
                progress(len(rows) + len(failed), len(names))
    files = [name for name in names if name in rows]
    features = torch.stack([rows[name] for name in files]) if files else torch.empty(0, 0)
    return FolderFeatures(features, files, [failed[name] for name in names if name in failed])


def _image_sizes(folder: Path, names: list[Path], failed: dict[Path, str]) -> dict[Path, tuple[int, int]]:
    sizes = {}
    for name in names:
        try:
            sizes[name] = images.header(folder / name)[:2]
        except ValueError as error:
            failed[name] = str(error)
    return sizes


def _batches(sizes: dict[Path, tuple[int, int]]) -> Iterator[list[Path]]:
    for (height, width), group in groupby(sorted(sizes, key=lambda name: sizes[name]), key=lambda name: sizes[name]):
        same_size = list(group)
        count = max(1, min(_BATCH, _PIXELS // (height * width)))
        yield from (same_size[start : start + count] for start in range(0, len(same_size), count))


def _read(path: Path) -> Tensor | str:
    """Image (3, H, W) in [0, 1], or the reason why it cannot be read."""
    try:
        return torch.from_numpy(images.to_float(images.with_channels(images.read(path), 3))).permute(2, 0, 1)
    except ValueError as error:
        return str(error)


def _cache_entry(cache: Path, extractor: FeatureExtractor, folder: Path, names: list[Path]) -> Path:
    """Cache file for these images and this extractor; creates the cache. Raises ValueError where that fails."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{cache}: no folder to keep features in ({error.strerror})") from error
    digest = hashlib.sha256(json.dumps([_FORMAT, extractor.name, extractor.checksum]).encode())
    for name in names:
        digest.update(json.dumps([name.as_posix(), _checksum(folder / name)]).encode())
    return cache / f"{digest.hexdigest()}.safetensors"


def _checksum(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:  # reported when the image is read
        return ""


def _read_cache(file: Path) -> FolderFeatures | None:
    """Cached features; None for a missing or damaged file."""
    try:
        with safetensors.safe_open(file, "pt") as entry:
            facts = json.loads(entry.metadata()["i2i"])
            files = [Path(name) for name in facts["files"]]
            return FolderFeatures(entry.get_tensor("features"), files, facts["failed"])
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError):
        return None


def _write_cache(file: Path, found: FolderFeatures) -> None:
    """Write a cache file atomically. Raises ValueError where that fails."""
    facts = {"files": [name.as_posix() for name in found.files], "failed": found.failed}
    try:
        with write_atomically(file) as temporary:
            safetensors.torch.save_file({"features": found.features}, temporary, {"i2i": json.dumps(facts)})
    except OSError as error:
        raise ValueError(f"{file}: can't be written ({error.strerror or error})") from error
