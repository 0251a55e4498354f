"""Metrics while a run trains: what the products make of held-out images, measured as `i2i evaluate` does afterwards."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count, islice, zip_longest
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from i2i.data.batch import Images, Pair, to_device
from i2i.methods.base import Method
from i2i.methods.generation import Generation
from i2i.metrics.direction import DIRECTIONS
from i2i.metrics.features import FeatureExtractor, open_extractor
from i2i.metrics.lpips import Lpips
from i2i.metrics.pair_metrics import PAIR_METRICS, full_name_of_pair_metric, measure_pair
from i2i.metrics.set_metrics import SET_METRICS, check_metrics, full_name, measure_sets
from i2i.networks.generators.base import LatentGenerator
from i2i.networks.value_range import ValueRange
from i2i.recipe import Evaluate
from i2i.registry import did_you_mean
from i2i.training.distributed import ALONE, Processes

_TOGETHER = 8  # samples in memory at a time
_FEW = 50
_NOTHING = object()

Looks = Callable[[slice], Iterator[Any]]
"""A part of the held-out samples as batches of one, the same every time."""


class Measured(NamedTuple):
    """Figures as `PRODUCT.METRIC`, errors as `PRODUCT.METRIC error`. `badness` is that of the metric that says which
    checkpoint is the best, lower is better; infinite if none does.
    """

    values: dict[str, float]
    badness: float

    def sentence(self) -> str:
        shown = [f"{name} {value:.4g}" for name, value in self.values.items() if not name.endswith(" error")]
        return ", ".join(shown) or "nothing could be measured"


class Evaluation:
    """Holds what real images look like to the extractor, which is computed once, and never the images themselves.

    Raises ValueError for metrics that cannot be measured here, and where the weights that they need cannot be had.
    """

    def __init__(
        self, options: Evaluate, method: Method, looks: Looks, device: torch.device, processes: Processes = ALONE
    ) -> None:
        _check(options, method)
        self._options, self._looks, self._device, self._processes = options, looks, device, processes
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

    def measure(self, method: Method, products: Mapping[str, nn.Module], tell: Callable[[str], None]) -> Measured:
        """The metrics of every product; `tell` is given a sentence about one that cannot be computed this time.

        The method is in evaluation mode, and gradients are off. Of several processes each looks at a part, and the
        first one knows the result.
        """
        parts = self._processes.gather(self._seen(method, products))
        if not parts:
            return Measured({}, math.inf)
        fake, real, pairs = (
            {name: _in_turns([part[kind].get(name, []) for part in parts]) for name in parts[0][kind]}
            for kind in ("fake", "real", "pairs")
        )
        values: dict[str, float] = {}
        for product, features in fake.items():
            for name in self._of_sets:
                assert self._extractor is not None
                try:
                    found = measure_sets([name], self._extractor, torch.stack(features), torch.stack(real[product]))
                except ValueError as error:
                    tell(f"warning: evaluate.metrics {name} of {product}: {error}")
                    continue
                for full, each in found.items():
                    values[f"{product}.{full}"] = each.value
                    values |= {f"{product}.{full} error": each.error} if math.isfinite(each.error) else {}
        for product, measures in pairs.items():
            for full in measures[0]:
                values[f"{product}.{full}"] = sum(each[full] for each in measures) / len(measures)
        return Measured(values, self._badness(values))

    def _seen(self, method: Method, products: Mapping[str, nn.Module]) -> dict[str, dict[str, list[Any]]]:
        """Of this process's part, one for each sample, by product: features of the "fake", those of the "real", and
        measures of "pairs".
        """
        fake: dict[str, list[Tensor]] = {}
        real: dict[str, list[Tensor]] = {}
        pairs: dict[str, list[dict[str, float]]] = {}
        mine = self._processes.turns
        looks, places = self._looks(mine), count(mine.start or 0, mine.step or 1)
        while batches := [to_device(batch, self._device) for batch in islice(looks, _TOGETHER)]:
            for name, sides in _made(method, products, batches, [*islice(places, len(batches))]).items():
                fakes, reals = ([_shown(image, method.value_range) for image in side] for side in sides)
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

    def _badness(self, values: Mapping[str, float]) -> float:
        """Of the metric that decides, the mean over products."""
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
    looks: Callable[[int, slice], Iterator[Any]],
    count: int,
    device: torch.device,
    tell: Callable[[str], None],
    processes: Processes = ALONE,
) -> Evaluation | None:
    """On `count` images at most, the first of which `looks` gives; None where the recipe wants none.

    Raises ValueError like `Evaluation`, and where the images are too few for anything.
    """
    if not options.every:
        return None
    if count < 2:
        raise ValueError(
            f"evaluate.every = {options.every}: {count} images are held out; put some into test/ (testA/ and testB/ "
            "where there are two kinds), give 20 or more to train on, or set evaluate.every=0"
        )
    count = min(count, options.samples)
    evaluation = Evaluation(options, method, partial(looks, count), device, processes)
    few = "; they are few, so mind the error" * (count < _FEW)
    tell(f"every {options.every} steps {', '.join(options.metrics)} on {count} images{few}")
    return evaluation


def _check(options: Evaluate, method: Method) -> None:
    choices = (*SET_METRICS, *PAIR_METRICS) if method.batch is Pair else SET_METRICS
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


def _made(
    method: Method, products: Mapping[str, nn.Module], batches: Sequence[Any], places: Sequence[int]
) -> dict[str, tuple[Sequence[Tensor], Sequence[Tensor]]]:
    """What each product makes of the batches, which are at those places of all, and real images, each (1, C, H, W) in
    the networks' range.
    """
    if not isinstance(method, Generation):
        return {name: (each.fake, each.real) for name, each in method.outputs(batches, products).items()}
    # From noise of their own: every look shows the same latents, and none of them twice.
    real, label = (torch.cat(field) for field in zip(*cast(Sequence[Images], batches), strict=True))
    made = {}
    for name, product in products.items():
        latent = cast(LatentGenerator, product)
        seeds = [torch.Generator().manual_seed(place) for place in places]
        z = torch.cat([latent.draw(1, seed) for seed in seeds]).to(label.device)
        made[name] = (latent(z, label if latent.classes else None).split(1), real.split(1))
    return made


def _shown(image: Tensor, value_range: ValueRange) -> Tensor:
    """As a file of it would be seen: (1, 3, H, W) in [0, 1], in 256 levels."""
    levels = value_range.to_levels(image)
    return levels[:, :3] if levels.shape[1] >= 3 else levels[:, :1].expand(-1, 3, -1, -1)


def _features(extractor: FeatureExtractor, pictures: Sequence[Tensor]) -> Iterable[Tensor]:
    """One row for each."""
    if len({picture.shape for picture in pictures}) == 1:
        return extractor(torch.cat(list(pictures))).unbind()
    return [extractor(picture)[0] for picture in pictures]


def _in_turns(parts: Sequence[Sequence[Any]]) -> list[Any]:
    """The first of each part, the second of each, and so on: the order in which processes have shared them."""
    rounds = zip_longest(*parts, fillvalue=_NOTHING)
    return [each for together in rounds for each in together if each is not _NOTHING]
