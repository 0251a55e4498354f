"""Checkpoints of a run: written atomically, found by name, the last few and the best kept.

A checkpoint is a folder `RUN/checkpoints/00002000` with `state.pt` (the training state) and one `.safetensors` for
each product, which is all that translation needs. `RUN/latest` and `RUN/best` are links to checkpoints, or text files
with their paths.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from i2i.networks.product import Product
from i2i_runtime.files import is_temporary, write_atomically

STATE = "state.pt"
FOLDER = "checkpoints"  # of a run
_STEP = re.compile("[0-9]{8,}")  # the name of a checkpoint
_LEFTOVER = re.compile(r"\.[0-9]{8,}\.(partial|removed)")  # of a process that was killed
_LONGEST_PATH = 4096


def save(
    run: Path,
    step: int,
    state: dict[str, Any],
    products: Mapping[str, Product],
    facts: Mapping[str, Any],
    product_facts: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Path:
    """Write a checkpoint atomically; `settle` is to follow. `facts` go into each product's metadata, and those of a
    product into its own.

    Raises ValueError for weights that are not finite, and OSError where the disk is full, with nothing lost.
    """
    final = run / FOLDER / f"{step:08d}"
    partial = final.with_name(f".{final.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for name, product in products.items():
            own = {"product": name, product.kind: product.spec, "value_range": list(product.value_range)}
            own |= product_facts.get(name, {})
            _save_product(partial / f"{name}.safetensors", product, {**facts, **own, "step": step})
        _save_state(partial / STATE, state)
        for given_up in list_checkpoints(run):  # before a kill could make one of them the newest again
            if int(given_up.name) >= step:
                _remove(given_up)
        partial.rename(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return final


def _save_state(file: Path, state: dict[str, Any]) -> None:
    with write_atomically(file, sync=True) as temporary, temporary.open("wb") as stream:
        try:
            torch.save(state, stream)
        except RuntimeError as error:  # of torch's archive writer, which hides the file system's
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def _save_product(file: Path, product: Product, facts: Mapping[str, Any]) -> None:
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
        raise ValueError(
            f"{checkpoint}: no {STATE} in it, so training cannot go on from here; use an earlier one"
        ) from None
    except Exception as error:
        raise ValueError(
            f"{checkpoint / STATE}: damaged or not a checkpoint ({_first_line(error)}); use an earlier one"
        ) from None
    if not isinstance(state, dict) or "step" not in state:
        raise ValueError(f"{checkpoint / STATE}: not a training state of this program")
    return state


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def load_product(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Load weights and metadata of a product. Raises ValueError for a damaged file."""
    with _opened(file) as stream:
        return {key: stream.get_tensor(key) for key in stream.keys()}, stream.metadata() or {}  # noqa: SIM118 (no iterator)


def load_facts(file: Path) -> dict[str, str]:
    """Load the metadata of a safetensors file, without its weights. Raises ValueError for a damaged file."""
    with _opened(file) as stream:
        return stream.metadata() or {}


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        with safe_open(file, framework="pt") as stream:
            yield stream
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{file}: damaged or not a safetensors file ({error})") from None


def point(link: Path, checkpoint: Path) -> None:
    """Make `link`, in a run's folder, lead to a checkpoint, in one step: there is always one that works. On disks
    without symbolic links it is a text file with the checkpoint's path.
    """
    if link.is_dir() and not link.is_symlink() and _has_only_our_files(link):
        shutil.rmtree(link)  # a copy of a checkpoint, by a program that copies no links
    target = os.path.join(FOLDER, checkpoint.name)
    with write_atomically(link) as temporary:
        try:
            temporary.symlink_to(target, target_is_directory=True)
        except (OSError, NotImplementedError):
            temporary.write_text(target + "\n", encoding="utf-8")


def follow(path: Path) -> Path:
    """The checkpoint that a run's `latest` or `best` leads to, as a link, a text file or a copy; any other path as it
    is. It lies in the run's folder also where its checkpoints are linked to another disk.
    """
    if path.name not in ("latest", "best"):
        return path
    if path.is_symlink():
        name = Path(os.readlink(path)).name
    elif path.is_file():
        name = Path(path.read_text(encoding="utf-8", errors="replace")[:_LONGEST_PATH].strip()).name
    else:
        name = next((_step_of(product) for product in path.glob("*.safetensors")), "")
    checkpoint = path.parent / FOLDER / name
    return checkpoint if _STEP.fullmatch(name) and checkpoint.is_dir() else path


def _step_of(product: Path) -> str:
    with suppress(SafetensorError, OSError, ValueError), safe_open(product, framework="pt") as stream:
        return f"{int((stream.metadata() or {}).get('step', '')):08d}"
    return ""


def find(path: Path) -> Path:
    """The absolute path of the checkpoint meant by a run, its `latest` or `best`, or a checkpoint folder. Raises
    ValueError where there is none.
    """
    # The newest needs no link, which is lost where a run is copied to a disk without links.
    newest = list_checkpoints(path.parent if path.name == "latest" else path)
    found = newest[-1] if newest else follow(path)
    if newest or any(found.glob("*.safetensors")):
        return Path(os.path.abspath(found)) if found.parent.name == FOLDER else found.resolve()
    if (path / "recipe.toml").is_file():
        raise ValueError(f"{path}: this run has no checkpoint yet")
    runs = (
        sorted(str(folder.parent) for folder in path.glob("**/latest") if folder.exists())[:5] if path.is_dir() else []
    )
    hint = f"; runs below it: {', '.join(runs)}" if runs else ""
    raise ValueError(f"{path}: {'no checkpoint there' if path.exists() else 'no such file or folder'}{hint}")


def list_checkpoints(run: Path) -> list[Path]:
    """The checkpoints of a run, oldest first. Folders of other names are not ours."""
    folders = [folder for folder in run.glob(f"{FOLDER}/*") if _STEP.fullmatch(folder.name)]
    return sorted(filter(_is_checkpoint, folders), key=lambda folder: int(folder.name))


def _is_checkpoint(folder: Path) -> bool:
    """Whether a folder with the name of a step has a state, or weights that say this step."""
    return (folder / STATE).is_file() or any(_step_of(file) == folder.name for file in folder.glob("*.safetensors"))


def settle(newest: Path, *, best: int | None, keep: int) -> None:
    """Bring a run to its state after `newest` was saved, also where a program was killed on the way: `latest` and
    `best` (a step; None leaves it) lead to their checkpoints, and of the others the `keep` - 1 before `newest` stay.
    """
    run = newest.parents[1]
    point(run / "latest", newest)
    if best is not None and _is_checkpoint(newest.with_name(f"{best:08d}")):
        point(run / "best", newest.with_name(f"{best:08d}"))
    prune(newest, keep)


def prune(newest: Path, keep: int) -> None:
    """Keep `newest`, the `keep` - 1 before it, and the one that `best` leads to; remove half-written ones and later
    ones, which belong to a continuation that was given up by resuming before them.

    A folder is removed only if its name and all its files are those of a checkpoint.
    """
    run = newest.parents[1]
    saved = list_checkpoints(run)
    kept = [folder for folder in saved if int(folder.name) <= int(newest.name)][-keep:]
    best = follow(run / "best")
    for folder in saved:
        if folder not in kept and (folder.name != best.name or int(best.name) > int(newest.name)):
            _remove(folder)
    for folder in newest.parent.glob(".*"):
        if _LEFTOVER.fullmatch(folder.name) and folder.is_dir() and _has_only_our_files(folder):
            shutil.rmtree(folder, ignore_errors=True)
    link = run / "best"
    if follow(link) == link and not link.is_dir():
        link.unlink(missing_ok=True)


def _remove(checkpoint: Path) -> None:
    """Remove a checkpoint, never half of it under its name; one that holds anything else stays."""
    if _has_only_our_files(checkpoint):
        removed = checkpoint.with_name(f".{checkpoint.name}.removed")
        shutil.rmtree(removed, ignore_errors=True)
        checkpoint.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


def _has_only_our_files(folder: Path) -> bool:
    """Whether a folder, itself no link, has nothing but a state, weights and what a killed process left of them."""
    return not folder.is_symlink() and all(
        file.is_file() and (file.name == STATE or file.suffix == ".safetensors" or is_temporary(file))
        for file in folder.iterdir()
    )
