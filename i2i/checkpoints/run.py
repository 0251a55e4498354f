"""Checkpoints of a run: written atomically, found by name, the last few and the best kept.

A checkpoint is a folder `RUN/checkpoints/00002000` with `state.pt` (the training state) and one `.safetensors` for
each product, which is all that translation needs. `RUN/latest` and `RUN/best` are links to
checkpoints.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from i2i.networks.generators.base import Generator
from i2i_runtime.files import write_atomically

STATE = "state.pt"


def save(
    run: Path, step: int, state: dict[str, Any], products: Mapping[str, Generator], facts: Mapping[str, Any]
) -> Path:
    """Write a checkpoint atomically and point `latest` at it. `facts` go into each product's metadata.

    Raises ValueError for weights that are not finite, and OSError where the disk is full, with nothing lost.
    """
    final = run / "checkpoints" / f"{step:08d}"
    partial = final.with_name(f".{final.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for name, product in products.items():
            own = {"product": name, "generator": product.spec, "value_range": list(product.value_range)}
            _save_product(partial / f"{name}.safetensors", product, {**facts, **own, "step": step})
        _save_state(partial / STATE, state)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    point(run / "latest", final)
    return final


def _save_state(file: Path, state: dict[str, Any]) -> None:
    with write_atomically(file, sync=True) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # torch hides the full disk behind an error of its own archive writer
            raise OSError(
                f"could not write the checkpoint ({str(error).splitlines()[0]}); is the disk full?"
            ) from error


def _save_product(file: Path, product: Generator, facts: Mapping[str, Any]) -> None:
    weights = {key: value.detach().cpu().contiguous() for key, value in product.state_dict().items()}
    broken = [key for key, value in weights.items() if not bool(torch.isfinite(value).all())]
    if broken:
        what = f"weights of {facts['product']} are not finite ({broken[0]})"
        raise ValueError(f"step {facts['step']}: {what}; this checkpoint is not written")
    metadata = {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}
    with write_atomically(file, sync=True) as temporary:
        try:
            save_file(weights, temporary, metadata=metadata)
        except SafetensorError as error:
            raise OSError(f"could not write {file.name}: {error}") from error


def load_state(checkpoint: Path) -> dict[str, Any]:
    """Load the training state. Raises ValueError for a file that is missing, damaged or not a training state."""
    try:
        state = torch.load(checkpoint / STATE, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"{checkpoint}: no {STATE} in it, so training cannot go on from here") from None
    except Exception as error:
        raise ValueError(
            f"{checkpoint / STATE}: damaged or not a checkpoint ({str(error).splitlines()[0]}); use an earlier one"
        ) from None
    if not isinstance(state, dict) or "step" not in state:
        raise ValueError(f"{checkpoint / STATE}: not a training state of this program")
    return state


def load_product(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Load weights and metadata of a product. Raises ValueError for a damaged file."""
    try:
        with safe_open(file, framework="pt") as stream:
            return {key: stream.get_tensor(key) for key in stream.keys()}, stream.metadata() or {}  # noqa: SIM118 (no iterator)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{file}: damaged or not a safetensors file ({error})") from None


def point(link: Path, checkpoint: Path) -> None:
    """Point the symbolic link at a checkpoint, atomically."""
    with write_atomically(link) as temporary:
        temporary.symlink_to(checkpoint.relative_to(link.parent), target_is_directory=True)


def find(path: Path) -> Path:
    """Find the checkpoint of a run (its newest), of a `latest` or `best` link, or of a checkpoint folder. Raises
    ValueError where there is none.
    """
    # By name, not by the link, which is lost where a run is copied to a disk without links.
    newest = list_checkpoints(path.parent if path.name == "latest" else path)
    if newest:
        return newest[-1].resolve()
    if any(path.glob("*.safetensors")):
        return path.resolve()
    if (path / "recipe.toml").is_file():
        raise ValueError(f"{path}: this run has no checkpoint yet")
    runs = (
        sorted(str(folder.parent) for folder in path.glob("**/latest") if folder.is_dir())[:5] if path.is_dir() else []
    )
    hint = f"; runs below it: {', '.join(runs)}" if runs else ""
    raise ValueError(f"{path}: {'no checkpoint there' if path.exists() else 'no such file or folder'}{hint}")


def list_checkpoints(run: Path) -> list[Path]:
    """Complete checkpoints of a run, oldest first."""
    return sorted(folder for folder in run.glob("checkpoints/[0-9]*") if (folder / STATE).is_file())


def prune(newest: Path, keep: int) -> None:
    """Remove all checkpoints but `newest`, the `keep` - 1 before it and the best one; also half-written ones and those
    after `newest`, which a resume from an earlier one has discarded.
    """
    run = newest.parents[1]
    earlier = [folder.name for folder in list_checkpoints(run) if folder.name <= newest.name]
    best = (run / "best").resolve().name
    for folder in newest.parent.iterdir():
        if folder.name not in earlier[-keep:] and (folder.name != best or best > newest.name):
            shutil.rmtree(folder, ignore_errors=True)
    if not (run / "best").exists():
        (run / "best").unlink(missing_ok=True)
