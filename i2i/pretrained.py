"""Weights of published feature networks (VGG19, Inception, DINOv2): found or downloaded, checked and read."""

import hashlib
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import safetensors.torch
import torch

from i2i.download import download

_MAX_BYTES = 4 * 10**9  # of a file of weights; torchvision's largest has 2.6 GB
_REASON = 200  # characters of a sentence
# Of images in [0, 1], as torchvision normalises them for its classifiers.
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Network = TypeVar("Network", bound=torch.nn.Module)


class PublishedWeights(NamedTuple):
    """Weights file as published; `sha256` may be its first digits, `also` are its names in other packages."""

    title: str
    url: str
    sha256: str
    also: tuple[str, ...] = ()

    @property
    def files(self) -> list[Path]:
        """Files in torch.hub's cache that may hold the weights; a download goes to the first."""
        names = (self.url.rpartition("/")[2], *self.also)
        return [Path(torch.hub.get_dir()) / "checkpoints" / name for name in names]

    @property
    def cached(self) -> Path | None:
        """The file in torch.hub's cache, if there is one."""
        return next((file for file in self.files if file.is_file()), None)

    @property
    def advice(self) -> str:
        """Advice for machines without a download, for the end of a sentence."""
        return f"download {self.url} to {self.files[0]}, or name a file of it"


class LoadedWeights(NamedTuple):
    """State dict with the file that it was read from and that file's checksum."""

    state: Mapping[str, Any]
    file: Path
    sha256: str


def load_or_download(published: PublishedWeights, given: Path | str | None = None) -> LoadedWeights:
    """Read the weights file `given`, unchecked; else the published one, from torch.hub's cache or downloaded to it.

    Raises ValueError with the address and the place for a download that fails, and for a damaged or wrong file.
    """
    file = Path(given).expanduser() if given else published.cached or _download(published)
    state = read_state_dict(file)
    with file.open("rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256").hexdigest()
    if not given and not checksum.startswith(published.sha256):
        raise ValueError(f"{file}: sha256 is {checksum}, not {published.sha256}: not {published.title}; delete it")
    return LoadedWeights(state, file, checksum)


def torchvision_weights(model: str) -> PublishedWeights:
    """The newest published weights of torchvision's `model`."""
    from torchvision import models  # takes seconds

    url = models.get_model_weights(model).DEFAULT.url
    return PublishedWeights(f"torchvision's {model}", url, url.rpartition("-")[2].removesuffix(".pth"))


def name_with_weights(name: str, published: PublishedWeights, weights: LoadedWeights) -> str:
    """Name of a network, with @ and the checksum's first digits for weights other than the published ones."""
    return name if weights.sha256.startswith(published.sha256) else f"{name}@{weights.sha256[:8]}"


def read_state_dict(file: Path) -> Mapping[str, Any]:
    """Tensors of a `.safetensors` file or of one that torch.save wrote, without its code. Raises ValueError for a
    missing or damaged file.
    """
    if not file.is_file():
        raise ValueError(f"{file}: no such file")
    try:
        if file.suffix == ".safetensors":
            return safetensors.torch.load_file(file)
        # Files of before PyTorch 1.6 are no zip archives and cannot be mapped into memory.
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except Exception as error:  # a damaged file makes the reader raise anything
        raise ValueError(f"{file}: not a file of weights or a damaged one ({type(error).__name__})") from error
    return state if isinstance(state, Mapping) else {}


def load_frozen(network: torch.nn.Module, weights: LoadedWeights, title: str) -> torch.nn.Module:
    """Load the weights into `network`, frozen and in evaluation mode. Raises ValueError for another network's."""
    try:
        network.load_state_dict(weights.state)
    except (RuntimeError, AttributeError) as error:
        reason = re.sub(r"\s+", " ", str(error)).partition(": ")[2][:120]
        raise ValueError(f"{weights.file}: not the weights of {title} ({reason})") from None
    return network.requires_grad_(False).eval()


def as_buffers(network: Network, *, persistent: bool = False) -> Network:
    """Make a network's weights buffers, in place: they move with it, but no optimiser has them, and only `persistent`
    ones are saved with it.
    """
    for module in network.modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            delattr(module, name)
            module.register_buffer(name, tensor.detach(), persistent=persistent)
    return network


def _download(published: PublishedWeights) -> Path:
    if not published.url.startswith("https://"):
        raise ValueError(f"{published.title}: {published.url} is not https://; name a file of its weights")
    file = published.files[0]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Each process of a run may download it: they share no unfinished file.
        with tempfile.TemporaryDirectory(prefix=".", dir=file.parent) as folder:
            complete = Path(folder) / file.name
            download(published.url, complete, sha256=published.sha256, max_bytes=_MAX_BYTES)
            complete.replace(file)
    except (ValueError, OSError) as error:  # no network, no space, or another file
        reason = re.sub(r"\s+", " ", str(error))[:_REASON]
        raise ValueError(f"{published.title} can't be downloaded ({reason}); {published.advice}") from error
    return file
