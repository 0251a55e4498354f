"""Weights of discriminators, from the training state of a run or from a published file."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from i2i.checkpoints import run as checkpoint
from i2i.interop.discriminators import read_discriminator

State = Mapping[str, Tensor]


def find_discriminators(model: str | Path, names: list[str]) -> dict[str, State]:
    """The state dict of each discriminator that a model holds, of those with these `names` in the method.

    A run or checkpoint keeps them by these names; what a published file has is given for all of them. A single file of
    ours, and a name of `i2i list weights`, hold none. Raises ValueError for what is damaged.
    """
    path = checkpoint.follow(Path(model))
    if path.is_dir():
        folder = checkpoint.find(path)
        saved = checkpoint.load_state(folder)["method"] if (folder / checkpoint.STATE).is_file() else {}
        parts = {name: _under(f"{name}.", saved) for name in names}
        return {name: part for name, part in parts.items() if part}
    published = read_discriminator(path) if path.is_file() else None
    return {} if published is None else dict.fromkeys(names, published)


def _under(prefix: str, state: State) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
