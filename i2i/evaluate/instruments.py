"""Instruments of an evaluation: feature extractor, LPIPS and label consistency, opened before any image is read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from i2i.data.cache import cache_folder
from i2i.evaluate.generator_metrics import GENERATOR_METRICS
from i2i.evaluate.labels import LabelConsistency
from i2i.evaluate.pairs import Progress
from i2i.metrics.features import FeatureExtractor, FolderFeatures, features_of_folder, open_extractor
from i2i.metrics.features.inception import PUBLISHED
from i2i.metrics.lpips import Lpips
from i2i.metrics.set_metrics import SET_METRICS, check_metrics
from i2i.registry import did_you_mean

# Description of each metric by name.
METRICS = {
    "fid": "Frechet distance of the features of two sets of images; lower is better; needs 10,000 images",
    "kid": "kernel distance of the features of two sets, unbiased also for few images; lower is better",
    "precision": "share of generated images within the manifold of the real ones; higher is better",
    "recall": "share of real images within the manifold of the generated ones; higher is better",
    "density": "generated images in the neighbourhoods of real ones, robust to outliers; higher is better",
    "coverage": "share of real images with a generated one in their neighbourhood; higher is better",
    "is": "inception score, without real images; higher is better",
    "psnr": "peak signal-to-noise ratio against the truth in dB; higher is better",
    "ssim": "structural similarity to the truth; higher is better",
    "ms-ssim": "structural similarity to the truth at five scales; higher is better",
    "l1": "mean absolute difference to the truth in [0, 1]; lower is better",
    "lpips": "perceptual distance to the truth; lower is better",
    "diversity": "LPIPS between pairs of generated images; near 0: the generator has collapsed",
    "novelty": "feature distance to the nearest training image; near 0: images were memorised",
    "dependence": "how much a translation depends on its source",
    "labels": "whether the labels of the sources still fit: mIoU of a segmenter; higher is better",
    "structure": "how well a translation keeps its source's structure",
    "flicker": "change between neighbouring frames beyond that of the source; lower is better",
    **GENERATOR_METRICS,
}
FEATURE_METRICS = (*SET_METRICS, "novelty")
LPIPS_METRICS = ("lpips", "ppl")  # that need LPIPS


def _no_progress(noun: str) -> Progress:
    return lambda done, total: None


@dataclass
class Instruments:
    """Instruments that metrics need; None for one that is not available, for the reason in its `no_...`.

    `progress` makes the callback that counts items of a noun; `seed` is for random subsets.
    """

    extractor: FeatureExtractor | None = None
    no_extractor: str = "no feature extractor was opened"
    lpips: Lpips | None = None
    no_lpips: str = "LPIPS was not opened"
    labels: LabelConsistency | None = None
    seed: int = 0
    progress: Callable[[str], Progress] = _no_progress
    _features: dict[Path, FolderFeatures] = field(default_factory=dict)

    def features(self, folder: Path, *, cached: bool = False) -> FolderFeatures:
        """Features of a folder's images, extracted once; `cached` keeps them in the user's cache, by content.

        Raises ValueError like `features_of_folder`.
        """
        assert self.extractor is not None, "features need an extractor"
        if folder not in self._features:
            cache = cache_folder("features") if cached else None
            progress = self.progress(f"images seen by {self.extractor.name}")
            self._features[folder] = features_of_folder(self.extractor, folder, cache=cache, progress=progress)
        return self._features[folder]


def open_instruments(
    names: Sequence[str] | None = None,
    *,
    features: str = "",
    weights: Path | None = None,
    lpips_weights: Path | None = None,
    labels: LabelConsistency | None = None,
    device: str = "cpu",
) -> Instruments:
    """Open the instruments of the metrics `names`; for None those that are available without a download.

    `features` names the extractor, Inception by default. Raises ValueError for an unknown metric, and for one whose
    instrument is not available.
    """
    _check_names(names, labels)
    instruments = Instruments(labels=labels)
    of_features = [name for name in names or () if name in FEATURE_METRICS]
    for_diversity = (names is None or "diversity" in names) and any(file.is_file() for file in PUBLISHED.files)
    if features or weights or of_features or for_diversity:
        instruments.extractor = open_extractor(features or "inception", weights, device)
        check_metrics([name for name in of_features if name in SET_METRICS], instruments.extractor)
    instruments.no_extractor = (
        f"{PUBLISHED.title} is not at hand; download {PUBLISHED.url} to {PUBLISHED.files[0]}, "
        "or choose --features squeezenet1_1, for example, and --weights FILE"
    )
    needs_lpips = not set(LPIPS_METRICS).isdisjoint(names or ())
    if names is None or needs_lpips or "diversity" in names:
        try:
            instruments.lpips = Lpips(lpips_weights, device=device)
        except ValueError as error:
            if lpips_weights or needs_lpips:
                raise
            instruments.no_lpips = str(error)
    return instruments


def _check_names(names: Sequence[str] | None, labels: LabelConsistency | None) -> None:
    if names is None:
        return
    for name in names:
        if name not in METRICS:
            raise ValueError(f"unknown metric {name!r}; {did_you_mean(name, METRICS)}")
    if not names:
        raise ValueError(f"no metric is named; choose from: {', '.join(METRICS)}")
    if labels and "labels" not in names:
        raise ValueError(f"a segmenter is given, but labels is not among the metrics {', '.join(names)}; add it")
