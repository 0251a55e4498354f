"""The features of a folder of images, kept from one run to the next."""

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from i2i.metrics.features.base import Extractor
from i2i_runtime import images

_FORMAT = "1"  # of cached features; raise it where the same files would give other ones
_BATCH, _PIXELS = 32, 2**24  # images at a time, and pixels, so that photos of a camera fit too


class FolderFeatures(NamedTuple):
    """Features (N, D), float32, of the `files` (in order, relative to the folder); a sentence for each one skipped."""

    features: Tensor
    files: list[Path]
    failed: list[str]


def features_of_folder(
    extractor: Extractor,
    folder: Path,
    *,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FolderFeatures:
    """What the extractor sees in every image under a folder: grey as colour, alpha left out, sizes as they are.

    Images that cannot be read are skipped and named. With a folder `cache` the features are kept there under a checksum
    of the files and of the extractor, and found again wherever the images move. `progress` is told (images done, images
    in all). Raises ValueError for a folder that is missing, or where fewer than two images can be read.
    """
    names = images.list_images(folder)
    if not names:
        raise ValueError(f"{folder}: no images in it; known suffixes: {' '.join(images.SUFFIXES)}")
    if cache:
        _prepare(cache)
    kept = cache / f"{_key(extractor, folder, names)}.safetensors" if cache else None
    found = _restored(kept) if kept else None
    if found is None:
        found = _extracted(extractor, folder, names, progress)
        if kept:
            _keep(kept, found)
    if len(found.files) < 2:
        reason = f"; {found.failed[0]}" if found.failed else ""
        raise ValueError(f"{folder}: a set of {len(found.files)} images; two or more are needed{reason}")
    return found


def _extracted(
    extractor: Extractor, folder: Path, names: list[Path], progress: Callable[[int, int], None] | None
) -> FolderFeatures:
    """Images of one size go together, then all are put in the order of the names."""
    rows: dict[Path, Tensor] = {}
    failed: dict[Path, str] = {}
    sizes: dict[Path, tuple[int, int]] = {}
    for name in names:
        try:
            sizes[name] = images.header(folder / name)[:2]
        except ValueError as error:
            failed[name] = str(error)
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


def _batches(sizes: dict[Path, tuple[int, int]]) -> Iterator[list[Path]]:
    for (height, width), group in groupby(sorted(sizes, key=lambda name: sizes[name]), key=lambda name: sizes[name]):
        alike = list(group)
        count = max(1, min(_BATCH, _PIXELS // (height * width)))
        yield from (alike[start : start + count] for start in range(0, len(alike), count))


def _read(path: Path) -> Tensor | str:
    """(3, H, W) in [0, 1], or why not."""
    try:
        return torch.from_numpy(images.to_float(images.with_channels(images.read(path), 3))).permute(2, 0, 1)
    except ValueError as error:
        return str(error)


def _key(extractor: Extractor, folder: Path, names: list[Path]) -> str:
    digest = hashlib.sha256(json.dumps([_FORMAT, extractor.name, extractor.checksum]).encode())
    for name in names:
        digest.update(json.dumps([name.as_posix(), _checksum(folder / name)]).encode())
    return digest.hexdigest()


def _checksum(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:  # reading it as an image will say so
        return ""


def _restored(file: Path) -> FolderFeatures | None:
    """What was kept, or None where nothing was, or a damaged file."""
    try:
        with safetensors.safe_open(file, "pt") as kept:
            facts = json.loads(kept.metadata()["i2i"])
            return FolderFeatures(kept.get_tensor("features"), [Path(name) for name in facts["files"]], facts["failed"])
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError):
        return None


def _prepare(cache: Path) -> None:
    """Before anything is computed that could not be kept."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{cache}: no folder to keep features in ({error.strerror})") from error


def _keep(file: Path, found: FolderFeatures) -> None:
    """Whole or not at all. Raises ValueError where nothing can be written."""
    facts = {"files": [name.as_posix() for name in found.files], "failed": found.failed}
    temporary = file.with_name(f".{secrets.token_hex(8)}.part")
    try:
        safetensors.torch.save_file({"features": found.features}, temporary, {"i2i": json.dumps(facts)})
        os.replace(temporary, file)
    except OSError as error:
        raise ValueError(f"{file}: can't be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)
