"""Published layout of the BigGAN generator: its authors' (`blocks.0.0.bn1.gain.weight`,
https://github.com/ajbrock/BigGAN-PyTorch).

Their spectral norm is of a kind of its own; weights are divided by their largest singular values when they are loaded,
and the network has no spectral norm then.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from i2i.interop.layers import NUMBER, checked, count_numbered
from i2i.networks.generators.biggan import SHARED_WIDTH, WIDTHS, BigGANGenerator

AUTHORS = "blocks.0.0.bn1.gain.weight"  # a key that only this layout has
_VECTOR, _VALUE = ".u0", ".sv0"  # of spectral norm
_EPSILON = 1e-12
_LEAVES = {
    "conv_sc": "shortcut", "bn1": "norm1", "bn2": "norm2",
    "theta": "query", "phi": "key", "g": "value", "o": "out",
    "stored_mean": "norm.running_mean", "stored_var": "norm.running_var",
    "bn": "norm",
}  # fmt: skip
_HEAD = {"gain": "weight", "stored_mean": "running_mean", "stored_var": "running_var"}


def biggan_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of the BigGAN generator with this published state dict. Raises ValueError."""
    count = count_numbered(state, rf"blocks\.{NUMBER}\.0\.conv1\.weight")
    size = next((each for each, widths in WIDTHS.items() if len(widths) == count + 1), 0)
    needed = ("linear.weight", "output_layer.2.weight", AUTHORS)
    if not size or any(key not in state for key in needed):
        raise ValueError(f"a BigGAN of {count} blocks that is not whole; copy or download it again")
    first, last, gain = (state[key].shape for key in needed)
    attention = [int(found[1]) for key in state if (found := re.fullmatch(rf"blocks\.{NUMBER}\.1\.gamma", key))]
    shared = state.get("shared.weight")
    if shared is not None and shared.shape[1] != SHARED_WIDTH:
        raise ValueError(f"a BigGAN whose classes share {shared.shape[1]} numbers; BigGAN here has {SHARED_WIDTH}")
    hierarchical = shared is not None and gain[1] > SHARED_WIDTH
    return {
        "size": size,
        "out_channels": last[0],
        "classes": len(shared) if shared is not None else gain[0],
        "latent": first[1] * (count + 1 if hierarchical else 1),
        "features": last[1] // WIDTHS[size][-1],
        "conditioning": "separate" if shared is None else "hierarchical" if hierarchical else "shared",
        "attention": 8 << attention[0] if attention else 0,
        "spectral_norm": False,
    }


def rename_biggan(state: Mapping[str, Tensor], network: BigGANGenerator) -> dict[str, Tensor]:
    """Rename the keys of a published state dict to those of our `network`. Raises ValueError for a key that is missing,
    unknown, or of another shape.
    """
    return checked(dict(_renamed(state)), network)


def _renamed(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for key, tensor in state.items():
        if key.endswith((_VECTOR, _VALUE, "num_batches_tracked")):
            continue
        vector = state.get(f"{key.rpartition('.')[0]}{_VECTOR}") if key.endswith(".weight") else None
        yield _our_name(key), tensor if vector is None else tensor / _largest_singular_value(tensor, vector)


def _largest_singular_value(weight: Tensor, vector: Tensor) -> Tensor:
    """The value that their layers divide a weight by in eval mode, after a power iteration from their vector."""
    matrix = weight.flatten(1)
    right = F.normalize(vector @ matrix, eps=_EPSILON)
    left = F.normalize(right @ matrix.T, eps=_EPSILON)
    return (right @ matrix.T @ left.T).squeeze()


def _our_name(key: str) -> str:
    if found := re.fullmatch(r"output_layer\.([02])\.(?:bn\.)?(\w+)", key):
        return f"head.{found[1]}.{_HEAD.get(found[2], found[2])}"
    if found := re.fullmatch(rf"blocks\.{NUMBER}\.([01])\.(.*)", key):
        leaf = ".".join(_LEAVES.get(part, part) for part in found[3].split("."))
        return f"blocks.{found[1]}.{'attention.' * int(found[2])}{leaf}"
    return {"shared.weight": "embedding.weight"}.get(key, key.replace("linear.", "stem."))
