"""Loading of generators from any place: runs, checkpoints, weights files of ours or of others, published names."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors.torch import save_file

from i2i import __version__, interop, registry
from i2i.checkpoints import published
from i2i.checkpoints import run as checkpoint
from i2i.checkpoints.facts import build_to_fit, kind_of, read_table
from i2i.download import Progress
from i2i.interop.architectures import set_measured
from i2i.interop.files import is_safetensors
from i2i.networks.generators.base import Generator, ImageGenerator, LatentGenerator
from i2i.networks.generators.spandrel import ArchitectureGenerator
from i2i.networks.product import Product
from i2i.networks.segmenters.base import Segmenter
from i2i.recipe import import_plugins
from i2i.registry import did_you_mean
from i2i_runtime.engines import is_exported
from i2i_runtime.files import write_atomically


def load_generator(
    model: str | Path,
    product: str | None = None,
    *,
    progress: Progress | None = None,
    notify: Callable[[str], None] = lambda message: None,
) -> tuple[ImageGenerator, Mapping[str, str]]:
    """Load the generator of a run, a checkpoint folder, a weights file (ours or published) or a name of
    `i2i list weights`, on the CPU; with the facts of its file's metadata: at least `product`, `generator` (its spec as
    JSON) and `test_time`.

    An existing path wins over a name. `product` names the direction where there are several (the first by default).
    `progress` is for weights that are downloaded now, `notify` for what else takes time. Raises ValueError.
    """
    generator, facts = load_any(model, product, progress=progress, notify=notify)
    if not isinstance(generator, ImageGenerator):
        raise ValueError(f"{model}: makes images of noise, not of images; i2i sample, walk, invert and export take it")
    return generator, facts


def load_latent(model: str | Path, product: str | None = None) -> tuple[LatentGenerator, Mapping[str, str]]:
    """Load a generator of images from noise, as `load_generator` does one of images from images."""
    generator, facts = load_any(model, product)
    if not isinstance(generator, LatentGenerator):
        raise ValueError(f"{model}: makes images of images, not of noise; i2i translate takes it")
    return generator, facts


def load_any(
    model: str | Path,
    product: str | None = None,
    *,
    progress: Progress | None = None,
    notify: Callable[[str], None] = lambda message: None,
) -> tuple[Generator, Mapping[str, str]]:
    """Load a generator of any kind, as `load_generator` does."""
    network, facts = load_network(model, product, progress=progress, notify=notify)
    if not isinstance(network, Generator):
        raise ValueError(
            f"{model}: a segmenter, which gives label maps, not images; i2i evaluate and gate take it as --segmenter, "
            "and i2i export"
        )
    return network, facts


def load_segmenter(model: str | Path, product: str | None = None) -> tuple[Segmenter, Mapping[str, str]]:
    """Load a segmenter of a run, a checkpoint folder or a weights file, as `load_generator` does a generator."""
    network, facts = load_network(model, product)
    if not isinstance(network, Segmenter):
        raise ValueError(f"{model}: makes images, not label maps; a segmenter comes from: i2i train segmenter")
    return network, facts


def load_network(
    model: str | Path,
    product: str | None = None,
    *,
    progress: Progress | None = None,
    notify: Callable[[str], None] = lambda message: None,
) -> tuple[Product, Mapping[str, str]]:
    """Load a generator or a segmenter, as `load_generator` does."""
    path = _locate(model, progress, notify)
    if is_exported(path):
        raise ValueError(
            f"{path}: an exported file holds no torch network; i2i translate, bench and stream take it, or i2i sample "
            "one that makes images of noise, and in Python i2i_runtime"
        )
    if path.is_file() and not _is_ours(path):
        generator = interop.load_published(path, notify=notify)
        # Batch norm was published to be used with the statistics of the image at hand.
        test_time = "eval" if generator.batch_independent else "published"
        name = Path(model).stem if path == Path(model) else str(model)
        check_product(model, name, product)
        return generator, {"product": name, "generator": json.dumps(generator.spec), "test_time": test_time}
    if path.is_file():
        ours, facts = _load_ours(path, notify)
        check_product(model, facts["product"], product)
        return ours, facts
    folder = checkpoint.find(path)
    if folder.parent.name == "checkpoints":  # of a run
        import_plugins(folder.parent.parent)
    return _load_ours(_product_file(folder, product), notify)


def check_product(model: str | Path, held: str, product: str | None) -> None:
    """Raise ValueError where another `product` is asked for than the only one that a file holds."""
    if product not in (None, held):
        raise ValueError(f"{model}: holds {held!r} alone, not {product!r}; leave --product out, or name another file")


def list_products(model: str | Path) -> list[str]:
    """Names of the products in a run or checkpoint, the default first; none for a single file or a published name."""
    path = checkpoint.follow(Path(model))
    if path.is_file() or (not path.exists() and str(model) in registry.weights):
        return []
    return [file.stem for file in _product_files(checkpoint.find(path))]


def _locate(model: str | Path, progress: Progress | None, notify: Callable[[str], None]) -> Path:
    path = checkpoint.follow(Path(model))
    is_name = str(model) in registry.weights or (path.name == str(model) and not path.suffix)
    return published.find(str(model), progress=progress, notify=notify) if is_name and not path.exists() else path


def save_generator(file: Path, generator: Generator, facts: Mapping[str, str]) -> None:
    """Write a weights file (.safetensors) that `load_generator` reads with the same `facts`, atomically. Raises
    ValueError for another suffix.
    """
    if file.suffix != ".safetensors":
        raise ValueError(f"{file}: weights of ours are .safetensors; name such a file")
    file.parent.mkdir(parents=True, exist_ok=True)
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in generator.state_dict().items()}
    metadata = {"version": __version__, **facts, "generator": json.dumps(generator.spec)}
    with write_atomically(file) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def _load_ours(file: Path, notify: Callable[[str], None]) -> tuple[Product, Mapping[str, str]]:
    tensors, facts = checkpoint.load_product(file)
    if not (kind := kind_of(facts)):
        raise ValueError(f"{file}: does not say which network it is for; it was not written by this program")
    try:
        network = build_to_fit(kind, read_table(facts), tensors)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    if isinstance(network, ArchitectureGenerator):
        set_measured(network.eval(), tensors, notify)
    return network, {"product": file.stem, "test_time": "eval", **facts}


def _is_ours(file: Path) -> bool:
    """True for a safetensors file, whatever its name, whose metadata names a network."""
    return is_safetensors(file) and bool(kind_of(checkpoint.load_facts(file)))


def _product_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _product_file(folder: Path, product: str | None) -> Path:
    files = {file.stem: file for file in _product_files(folder)}
    if not files:
        raise ValueError(f"{folder}: no weights in this checkpoint; name an earlier one")
    if product is None:
        return next(iter(files.values()))
    if product not in files:
        raise ValueError(f"{folder}: no product {product!r}; {did_you_mean(product, files)}")
    return files[product]
