"""Metrics on held-out images during training, computed as `i2i evaluate` computes them afterwards."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count, islice, zip_longest
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from i2i.data.batch import PAIRED, Images, to_device
from i2i.methods.base import Method
from i2i.methods.generation import Generation
from i2i.methods.segmentation import SemanticSegmentation
from i2i.metrics.direction import DIRECTIONS
from i2i.metrics.features import FeatureExtractor, open_extractor
from i2i.metrics.lpips import Lpips
from i2i.metrics.pair_metrics import PAIR_METRICS, full_name_of_pair_metric, measure_pair
from i2i.metrics.set_metrics import SET_METRICS, check_metrics, full_name, measure_sets
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.value_range import ValueRange
from i2i.recipe import Evaluate
from i2i.registry import did_you_mean
from i2i.training.distributed import SINGLE_PROCESS, World
from i2i_runtime.seeds import latents

_BATCH = 8  # samples in memory at a time
_FEW = 50  # images, on which sets of images can hardly be compared
_MISSING = object()

HeldOut = Callable[[slice], Iterator[Any]]
"""Returns a part of the held-out samples as batches of one, the same every time."""


class Metrics(NamedTuple):
    """Metrics as `PRODUCT.METRIC`, standard errors as `PRODUCT.METRIC error`. `objective` is the metric that says which
    checkpoint is the best, negated where higher is better; infinite if none does.
    """

    values: dict[str, float]
    objective: float

    def sentence(self) -> str:
        values = [f"{name} {value:.4g}" for name, value in self.values.items() if not name.endswith(" error")]
        return ", ".join(values) or "nothing could be measured"


class Evaluation:
    """Computes metrics of products on held-out samples. The features of the real images are computed once and kept.

    Raises ValueError for metrics that the method's samples do not allow, and where weights that they need are missing.
    """

    def __init__(
        self, options: Evaluate, method: Method, held_out: HeldOut, device: torch.device, world: World = SINGLE_PROCESS
    ) -> None:
        _check(options, method)
        self._options, self._held_out, self._device, self._world = options, held_out, device, world
        self._of_sets = [name for name in options.metrics if name in SET_METRICS]
        self._of_pairs = [name for name in options.metrics if name in PAIR_METRICS]
        self._extractor = (
            open_extractor(options.features, options.weights or None, str(device)) if self._of_sets else None
        )
        if self._extractor:
            check_metrics(self._of_sets, self._extractor)
        weights = Path(options.lpips_weights).expanduser() if options.lpips_weights else None
        self._lpips = Lpips(weights, device=device) if "lpips" in options.metrics else None
        self._real: dict[str, list[Tensor]] = {}

    def measure(self, method: Method, products: Mapping[str, nn.Module], notify: Callable[[str], None]) -> Metrics:
        """Collective: the metrics of every product on rank 0, none on the others; each rank computes a part. `notify`
        gets a sentence about a metric that cannot be computed this time.

        The method is in evaluation mode, and gradients are off.
        """
        parts = self._world.gather(self._measure_part(method, products))
        if not parts:
            return Metrics({}, math.inf)
        fake, real, pairs = (
            {name: _interleaved([part[kind].get(name, []) for part in parts]) for name in parts[0][kind]}
            for kind in ("fake", "real", "pairs")
        )
        values: dict[str, float] = {}
        for product, features in fake.items():
            for name in self._of_sets:
                assert self._extractor is not None
                try:
                    found = measure_sets([name], self._extractor, torch.stack(features), torch.stack(real[product]))
                except ValueError as error:
                    notify(f"warning: evaluate.metrics {name} of {product}: {error}")
                    continue
                for full, each in found.items():
                    values[f"{product}.{full}"] = each.value
                    values |= {f"{product}.{full} error": each.error} if math.isfinite(each.error) else {}
        for product, measures in pairs.items():
            for full in measures[0]:
                values[f"{product}.{full}"] = sum(each[full] for each in measures) / len(measures)
        return Metrics(values, self._objective(values))

    def _measure_part(self, method: Method, products: Mapping[str, nn.Module]) -> dict[str, dict[str, list[Any]]]:
        """Measure this rank's part of the samples, by product: the features of "fake" and of "real" images, and the
        measures of "pairs", one for each sample.
        """
        fake: dict[str, list[Tensor]] = {}
        real: dict[str, list[Tensor]] = {}
        pairs: dict[str, list[dict[str, float]]] = {}
        part = self._world.round_robin
        samples, indices = self._held_out(part), count(part.start or 0, part.step or 1)
        while batches := [to_device(batch, self._device) for batch in islice(samples, _BATCH)]:
            for name, sides in _outputs(method, products, batches, [*islice(indices, len(batches))]).items():
                fakes, reals = ([_as_picture(image, method.value_range) for image in side] for side in sides)
                # In full precision, whatever the networks train in.
                with torch.autocast(self._device.type, enabled=False):
                    if self._extractor:
                        fake.setdefault(name, []).extend(_features(self._extractor, fakes))
                        if name not in self._real:
                            real.setdefault(name, []).extend(_features(self._extractor, reals))
                    if self._of_pairs:
                        pairs.setdefault(name, []).extend(
                            measure_pair(self._of_pairs, *pair, self._lpips) for pair in zip(fakes, reals, strict=True)
                        )
        self._real |= real
        return {"fake": fake, "real": self._real, "pairs": pairs}

    def _objective(self, values: Mapping[str, float]) -> float:
        """The metric that decides, as a mean over products; lower is better."""
        best = self._options.best
        if not best:
            return math.inf
        by = self._extractor if best in SET_METRICS else None
        full = full_name(best, by) if by else full_name_of_pair_metric(best, self._lpips)
        found = [value for name, value in values.items() if name.partition(".")[2] == full]
        mean = sum(found) / len(found) if found else math.nan
        return math.inf if math.isnan(mean) else -mean if DIRECTIONS[best] == "higher" else mean


def open_evaluation(
    options: Evaluate,
    method: Method,
    held_out: Callable[[int, slice], Iterator[Any]],
    count: int,
    device: torch.device,
    notify: Callable[[str], None],
    world: World = SINGLE_PROCESS,
) -> Evaluation | None:
    """The recipe's evaluation on at most `count` samples, which `held_out(count, part)` returns, or None.

    Raises ValueError like `Evaluation`, and where there are fewer than two samples.
    """
    if not options.every:
        return None
    if count < 2:
        raise ValueError(
            f"evaluate.every = {options.every}: {count} images are held out; put some into test/ (testA/ and testB/ "
            "where there are two kinds), give 20 or more to train on, or set evaluate.every=0"
        )
    count = min(count, options.samples)
    evaluation = Evaluation(options, method, partial(held_out, count), device, world)
    few = "; they are few, so mind the error" * (count < _FEW)
    notify(f"every {options.every} steps {', '.join(options.metrics)} on {count} images{few}")
    return evaluation


def _check(options: Evaluate, method: Method) -> None:
    if isinstance(method, SemanticSegmentation):
        raise ValueError("evaluate.every: metrics are of images; the score of a segmenter, 1 - mIoU, is logged anyway")
    choices = (*SET_METRICS, *PAIR_METRICS) if method.batch in PAIRED else SET_METRICS
    for name in options.metrics:
        if name in PAIR_METRICS and name not in choices:
            raise ValueError(f"evaluate.metrics: {name} needs pairs, which {type(method).__name__} does not train on")
        if name not in choices:
            raise ValueError(f"evaluate.metrics: unknown metric {name!r}; {did_you_mean(name, choices)}")
    if not options.metrics:
        raise ValueError(f"evaluate.metrics names none; choose from: {', '.join(choices)}")
    if options.best and options.best not in options.metrics:
        raise ValueError(
            f"evaluate.best = {options.best!r} is refused; choose from: evaluate.metrics, {options.metrics}"
        )


def _outputs(
    method: Method, products: Mapping[str, nn.Module], batches: Sequence[Any], indices: Sequence[int]
) -> dict[str, tuple[Sequence[Tensor], Sequence[Tensor]]]:
    """Outputs of each product for the batches, and real images, each (1, C, H, W) in the networks' range. `indices` are
    the places of the batches among all samples.
    """
    if not isinstance(method, Generation):
        return {name: (each.fake, each.real) for name, each in method.outputs(batches, products).items()}
    # The latents are seeded by place, so that every evaluation has the same ones and none of them twice.
    real, label = (torch.cat(field) for field in zip(*cast(Sequence[Images], batches), strict=True))
    outputs = {}
    for name, product in products.items():
        latent = cast(LatentGenerator, product)
        z = torch.from_numpy(latents(indices, latent.latent)).to(label.device)
        outputs[name] = (latent(z, label if latent.classes else None).split(1), real.split(1))
    return outputs


def _as_picture(image: Tensor, value_range: ValueRange) -> Tensor:
    """An image as an 8-bit RGB file would hold it: (1, 3, H, W) in [0, 1], in 256 levels."""
    levels = value_range.to_levels(image)
    return levels[:, :3] if levels.shape[1] >= 3 else levels[:, :1].expand(-1, 3, -1, -1)


def _features(extractor: FeatureExtractor, pictures: Sequence[Tensor]) -> Iterable[Tensor]:
    """One row of features for each picture."""
    if len({picture.shape for picture in pictures}) == 1:
        return extractor(torch.cat(list(pictures))).unbind()
    return [extractor(picture)[0] for picture in pictures]


def _interleaved(parts: Sequence[Sequence[Any]]) -> list[Any]:
    """Undo the round-robin split of samples over ranks: the first item of each part, the second of each, and so on."""
    rounds = zip_longest(*parts, fillvalue=_MISSING)
    return [each for one_round in rounds for each in one_round if each is not _MISSING]
