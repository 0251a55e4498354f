"""Images that a run generates for its report: translations of held-out images, or samples from noise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from i2i import registry
from i2i.checkpoints.load import list_products, load_any
from i2i.data.batch import Pair
from i2i.data.cache import cache_folder
from i2i.data.folders import UnpairedFiles
from i2i.data.sources import Files, find_files, open_samples
from i2i.devices import choose_device, preserve_random_state
from i2i.latent import sampler as sampling
from i2i.latent.sheet import sample_sheet
from i2i.methods.generation import Generation
from i2i.methods.segmentation import SemanticSegmentation
from i2i.methods.translation import Direction, Translation
from i2i.metrics.psnr import psnr
from i2i.metrics.ssim import ssim
from i2i.networks.generators.base import Generator
from i2i.networks.layers import set_test_time
from i2i.networks.value_range import ValueRange
from i2i.recipe import Recipe, load_run
from i2i.recipe.components import build
from i2i.report.contents import CYCLE, ImageResult, RunImages
from i2i.training.held_out import held_out, open_degradation, sample_kind
from i2i_runtime.images import Array

_SAMPLES = 64


def generate_images(run: Path, number: int, *, device: str = "auto") -> RunImages:
    """Translate and measure at most `number` held-out images of a run by each of its products, or draw samples.

    Downloads nothing, and keeps the state of the random number generators. An error becomes a note.
    """
    try:
        chosen = choose_device(device)
        with preserve_random_state(chosen), torch.inference_mode():
            torch.manual_seed(0)  # for dropout at test time: two pages of a run show the same images
            recipe = load_run(run)
            method: Any = registry.methods[recipe.method["name"]]
            if issubclass(method, SemanticSegmentation):
                return RunImages(notes=["Label maps of held-out images are on the sample sheets."])
            if issubclass(method, Generation):
                return _draw_samples(run, chosen)
            if missing := [source for source in recipe.data.source if not _is_available(source)]:
                return RunImages(notes=[f"Held-out images are left out: no data at {' and '.join(missing)}."])
            return _translate_held_out(run, recipe, number, chosen)
    except (ValueError, OSError, RuntimeError) as error:
        return RunImages(notes=[f"No images were generated for this page: {' '.join(str(error).split())}"])


def _draw_samples(run: Path, device: torch.device) -> RunImages:
    sampler = sampling.load(run, device=str(device))
    classes = sampler.generator.classes or 1
    return RunImages(samples=sample_sheet(sampler, range(_SAMPLES // classes * classes or classes)))


def _translate_held_out(run: Path, recipe: Recipe, number: int, device: torch.device) -> RunImages:
    with torch.device("meta"):  # a method without weights
        method: Translation = build(registry.methods, recipe.method)
    products = {name: load_any(run, name)[0] for name in list_products(run)}
    for product in products.values():
        set_test_time(product, method.test_time).to(device)
    kind = sample_kind(method)
    files = find_files(kind, recipe, lambda sentence: None)
    samples, degradation = open_samples(kind, recipe, files), open_degradation(method, recipe)
    by_image = []
    for index, batch in enumerate(held_out(method, samples, degradation, number)):
        on_device = type(batch)(*(each.to(device) for each in batch))
        by_image.append(_results_of_batch(_image_names(files, index), on_device, products, method.directions()))
    results = [result for by_product in zip(*by_image, strict=True) for result in by_product]
    notes = [] if samples.held_out_count else ["The data have no test images: those below were trained on."]
    return RunImages(results, notes=notes)


def _is_available(source: str) -> bool:
    """True for an existing folder, and for a known data set in the cache, paired or unpaired."""
    if Path(source).name != source or Path(source).is_dir():
        return Path(source).expanduser().is_dir()
    return any(each.name in (source, f"{source}-unpaired") for each in cache_folder("data").glob("*"))


def _image_names(files: Files, index: int) -> list[str]:
    """Names of a held-out sample's images: one, or one for each domain of unpaired images."""
    if isinstance(files, UnpairedFiles):
        domains = files.test if all(files.test) else files.train
        return [domain[index % len(domain)].stem for domain in domains]
    chosen = (files.test or files.train)[index]
    return [(chosen if isinstance(chosen, Path) else chosen[0]).stem]


def _results_of_batch(
    names: list[str], batch: Any, products: Mapping[str, Generator], directions: Mapping[str, Direction]
) -> list[ImageResult]:
    """Result of each product for a batch of one sample."""
    if isinstance(batch, Pair):
        return [_paired_result(names[0], batch, product) for product in products.values()]
    results = []
    for product, (source, target) in directions.items():
        name = f"{names[batch._fields.index(source)]}, {product.replace('_', ' ')}"
        reverse = next((products[other] for other, way in directions.items() if way == (target, source)), None)
        results.append(_unpaired_result(name, getattr(batch, source), products[product], reverse))
    return results


def _paired_result(name: str, pair: Pair, product: Generator) -> ImageResult:
    fake = product(pair.source)
    source, scale = pair.source, fake.shape[-1] // pair.source.shape[-1]
    if scale > 1:
        source = F.interpolate(source, scale_factor=scale, mode="bicubic", antialias=False)
    given = {"input": _pixels(source, product), "truth": _pixels(pair.target, product)}
    return ImageResult(name, given, {"result": _pixels(fake, product)}, _measures(fake, pair.target, product))


def _unpaired_result(name: str, source: Tensor, product: Generator, reverse: Generator | None) -> ImageResult:
    fake = product(source)
    generated, measures = {"result": _pixels(fake, product)}, {}
    if reverse is not None:
        reconstruction = reverse(fake)
        generated["reconstruction"] = _pixels(reconstruction, product)
        measures = {CYCLE + key: value for key, value in _measures(reconstruction, source, product).items()}
    return ImageResult(name, {"input": _pixels(source, product)}, generated, measures)


def _pixels(image: Tensor, product: Generator) -> Array:
    return ValueRange(*product.value_range).to_pixels(image)[0]


def _measures(image: Tensor, truth: Tensor, product: Generator) -> dict[str, float]:
    """L1 of values in [0, 1], PSNR in dB, and SSIM where the image is not smaller than its window."""
    value_range = ValueRange(*product.value_range)
    image, truth = (value_range.to_unit(each).clamp(0, 1).cpu().double() for each in (image, truth))
    measures = {"L1": float((image - truth).abs().mean()), "PSNR": float(psnr(image, truth))}
    try:
        return measures | {"SSIM": float(ssim(image, truth))}
    except ValueError:
        return measures
