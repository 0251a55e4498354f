"""What the latest products of a run make of images that it was not trained on, or of noise."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i import registry
from i2i.checkpoints.load import list_products, load_any
from i2i.data.batch import Pair, Unpaired
from i2i.data.cache import cache_folder
from i2i.data.folders import UnpairedFiles
from i2i.data.sources import Files, find_files, open_samples
from i2i.devices import choose_device, kept_random_numbers
from i2i.latent import sampler as sampling
from i2i.latent.sheet import sample_sheet
from i2i.methods.generation import Generation
from i2i.methods.translation import Direction, Translation
from i2i.metrics.psnr import psnr
from i2i.metrics.ssim import ssim
from i2i.networks.generators.base import Generator
from i2i.networks.layers import set_test_time
from i2i.networks.value_range import ValueRange
from i2i.recipe import load_run
from i2i.recipe.components import build
from i2i.report.parts import CYCLE, Case
from i2i.training.held_out import held_out, open_degradation, sample_kind
from i2i_runtime.images import Array

_SAMPLES = 64


class Shown(NamedTuple):
    """Held-out images, or samples in one picture where a run makes images of noise; and what stands in the way."""

    cases: Sequence[Case] = ()
    samples: Array | None = None
    notes: Sequence[str] = ()


def cases_of(run: Path, number: int, *, device: str = "auto") -> Shown:
    """At most so many held-out images of the run's data, each translated by every product, and measured where there is
    something to measure with. Nothing is downloaded, and the process's random numbers stay as they were.
    """
    try:
        chosen = choose_device(device)
        with kept_random_numbers(chosen), torch.inference_mode():
            return _cases(run, number, chosen)
    except (ValueError, OSError, RuntimeError) as error:
        return Shown(notes=[f"Nothing was made for this page: {' '.join(str(error).split())}"])


def _cases(run: Path, number: int, device: torch.device) -> Shown:
    recipe = load_run(run)
    if issubclass(registry.methods[recipe.method["name"]], Generation):  # type: ignore[arg-type]
        sampler = sampling.load(run, device=str(device))
        classes = sampler.generator.classes or 1
        return Shown(samples=sample_sheet(sampler, range(_SAMPLES // classes * classes or classes)))
    if missing := [source for source in recipe.data.source if not _is_here(source)]:
        return Shown(notes=[f"Held-out images are left out: no data at {' and '.join(missing)}."])
    with torch.device("meta"):  # a method without weights, which tells how its products are used
        method: Translation = build(registry.methods, recipe.method)
    products = {name: load_any(run, name)[0] for name in list_products(run)}
    for product in products.values():
        set_test_time(product, method.test_time).to(device)
    wanted = sample_kind(method)
    files = find_files(wanted, recipe, lambda sentence: None)
    samples, degradation = open_samples(wanted, recipe, files), open_degradation(method, recipe)
    by_image = []
    for place, batch in enumerate(held_out(method, samples, degradation, number)):
        there = type(batch)(*(each.to(device) for each in batch))
        by_image.append(_of_one(_names(files, place), there, products, method.directions()))
    cases = [case for by_product in zip(*by_image, strict=True) for case in by_product]
    trained_on = [] if samples.held_out_count else ["The data have no test images: those below were trained on."]
    return Shown(cases, notes=trained_on)


def _is_here(source: str) -> bool:
    """Whether it is a folder, or a known data set in the cache, of which there may be a paired and an unpaired one."""
    if Path(source).name != source or Path(source).is_dir():
        return Path(source).expanduser().is_dir()
    return any(each.name in (source, f"{source}-unpaired") for each in cache_folder("data").glob("*"))


def _names(files: Files, place: int) -> list[str]:
    """What held-out images are called, one name for each domain."""
    if isinstance(files, UnpairedFiles):
        domains = files.test if all(files.test) else files.train
        return [domain[place % len(domain)].stem for domain in domains]
    chosen = (files.test or files.train)[place]
    return [(chosen if isinstance(chosen, Path) else chosen[0]).stem]


def _of_one(
    names: list[str], batch: Any, products: Mapping[str, Generator], directions: Mapping[str, Direction]
) -> list[Case]:
    """A batch of one image (or one of each domain) as cases, one for each product."""
    if isinstance(batch, Pair):
        return [_paired(names[0], batch, product) for product in products.values()]
    assert isinstance(batch, Unpaired)
    cases = []
    for product, (source, target) in directions.items():
        name = f"{names[batch._fields.index(source)]}, {product.replace('_', ' ')}"
        back = next((products[other] for other, way in directions.items() if way == (target, source)), None)
        cases.append(_unpaired(name, getattr(batch, source), products[product], back))
    return cases


def _paired(name: str, pair: Pair, product: Generator) -> Case:
    fake = product(pair.source)
    source, scale = pair.source, fake.shape[-1] // pair.source.shape[-1]
    if scale > 1:
        source = F.interpolate(source, scale_factor=scale, mode="bicubic", antialias=False)
    given = {"input": _pixels(source, product), "truth": _pixels(pair.target, product)}
    return Case(name, given, {"result": _pixels(fake, product)}, _measures(fake, pair.target, product))


def _unpaired(name: str, source: Tensor, product: Generator, back: Generator | None) -> Case:
    fake = product(source)
    made, measures = {"result": _pixels(fake, product)}, {}
    if back is not None:
        again = back(fake)
        made["and back"] = _pixels(again, product)
        measures = {CYCLE + key: value for key, value in _measures(again, source, product).items()}
    return Case(name, {"input": _pixels(source, product)}, made, measures)


def _pixels(image: Tensor, product: Generator) -> Array:
    return ValueRange(*product.value_range).to_pixels(image)[0]


def _measures(image: Tensor, truth: Tensor, product: Generator) -> dict[str, float]:
    """L1 of values in [0, 1], PSNR in dB, and SSIM where the image is large enough for its window."""
    value_range = ValueRange(*product.value_range)
    one, other = (value_range.to_unit(each).clamp(0, 1).cpu().double() for each in (image, truth))
    measures = {"L1": float((one - other).abs().mean()), "PSNR": float(psnr(one, other))}
    try:
        return measures | {"SSIM": float(ssim(one, other))}
    except ValueError:
        return measures
