"""Files of trained networks that metrics look through: found, checked, read as data and nothing else."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch


class Published(NamedTuple):
    """Weights as their makers publish them. `sha256` may be its first digits; `also` are other names of the file."""

    title: str
    url: str
    sha256: str
    also: tuple[str, ...] = ()

    @property
    def files(self) -> list[Path]:
        """Where torch.hub keeps it, or other packages do; a download goes to the first."""
        return [hub_file(name) for name in (self.url.rpartition("/")[2], *self.also)]


class Weights(NamedTuple):
    """A state dict, the file that it was read from, and that file's checksum."""

    state: Mapping[str, Any]
    file: Path
    sha256: str


def hub_file(name: str) -> Path:
    """Where torch.hub keeps a file of that name; it need not exist."""
    return Path(torch.hub.get_dir()) / "checkpoints" / name


def obtain(published: Published, given: Path | str | None = None) -> Weights:
    """The weights in the file `given`, whatever they are; else the published ones: from the cache, or downloaded there.

    Raises ValueError with what to fetch and where to put it, and for a file that is damaged or not what it is called.
    """
    file = Path(given).expanduser() if given else _here_or_downloaded(published)
    state = read(file)
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if not given and not found.startswith(published.sha256):
        raise ValueError(f"{file}: sha256 is {found}, not {published.sha256}: not {published.title}; delete it")
    return Weights(state, file, found)


def named(name: str, published: Published, weights: Weights) -> str:
    """A network's name, with @ and the checksum's first digits if its weights are not the published ones: no two give
    the same figures.
    """
    return name if weights.sha256.startswith(published.sha256) else f"{name}@{weights.sha256[:8]}"


def read(file: Path) -> Mapping[str, Any]:
    """A file that torch.save wrote, tensors only. Raises ValueError for one that is missing or damaged."""
    if not file.is_file():
        raise ValueError(f"{file}: no such file")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes the reader raise
        raise ValueError(f"{file}: not a file of weights or a damaged one ({type(error).__name__})") from error
    return state if isinstance(state, Mapping) else {}


def load(network: torch.nn.Module, weights: Weights, title: str) -> torch.nn.Module:
    """`network` with these weights, fixed, as it is used. Raises ValueError if they are another one's."""
    try:
        network.load_state_dict(weights.state)
    except (RuntimeError, AttributeError) as error:
        reason = re.sub(r"\s+", " ", str(error)).partition(": ")[2][:120]
        raise ValueError(f"{weights.file}: not the weights of {title} ({reason})") from None
    return network.requires_grad_(False).eval()


def _here_or_downloaded(published: Published) -> Path:
    here = next((file for file in published.files if file.is_file()), None)
    if here:
        return here
    file = published.files[0]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(published.url, str(file), hash_prefix=published.sha256, progress=False)
    except Exception as error:  # no network, no space, another file: all end the same way
        reason = re.sub(r"\s+", " ", str(error))[:120] or type(error).__name__
        raise ValueError(
            f"{published.title} can't be had ({reason}); download {published.url} to {file}, or name a file of it"
        ) from error
    return file
