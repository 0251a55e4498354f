"""What metrics look through: a feature extractor, LPIPS, a segmenter; opened before any image is made or read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from i2i.data.cache import cache_folder
from i2i.metrics.features import FeatureExtractor, FolderFeatures, features_of_folder, open_extractor
from i2i.metrics.features.inception import PUBLISHED
from i2i.metrics.lpips import Lpips
from i2i.metrics.pair_metrics import PAIR_METRICS
from i2i.metrics.segmentation.class_map import read_class_map, read_class_names
from i2i.metrics.segmentation.segmenter import IMAGENET_MEAN, IMAGENET_STD, Segmenter, load_segmenter
from i2i.metrics.set_metrics import SET_METRICS, check_metrics
from i2i.registry import did_you_mean

METRICS = (*SET_METRICS, *PAIR_METRICS, "diversity", "novelty", "dependence", "labels", "structure", "flicker")
OF_FEATURES = (*SET_METRICS, "novelty")

Count = Callable[[int, int], None]


def _uncounted(noun: str) -> Count:
    return lambda done, total: None


@dataclass(frozen=True)
class Labels:
    """A segmenter, the folder of the sources' label maps, and what both mean, as `label_consistency` takes them."""

    segmenter: Segmenter
    folder: Path
    classes: tuple[str, ...] | None = None
    class_map: Path | None = None
    segmenter_map: Path | None = None


@dataclass
class Tools:
    """Each is None where it is not at hand, and then there is a sentence why. `progress` makes a callback (done, total)
    for a noun.
    """

    extractor: FeatureExtractor | None = None
    no_extractor: str = "no feature extractor was opened"
    lpips: Lpips | None = None
    no_lpips: str = "LPIPS was not opened"
    labels: Labels | None = None
    seed: int = 0
    progress: Callable[[str], Count] = _uncounted
    _seen: dict[Path, FolderFeatures] = field(default_factory=dict)

    def features(self, folder: Path, *, keep: bool = False) -> FolderFeatures:
        """What the extractor sees, looked at once; with `keep`, for good: in the user's cache, by content.

        Raises ValueError like `features_of_folder`.
        """
        assert self.extractor is not None, "features were asked for without an extractor"
        if folder not in self._seen:
            cache = cache_folder("features") if keep else None
            count = self.progress(f"images seen by {self.extractor.name}")
            self._seen[folder] = features_of_folder(self.extractor, folder, cache=cache, progress=count)
        return self._seen[folder]


def open_tools(
    names: Sequence[str] | None = None,
    *,
    features: str = "",
    weights: Path | None = None,
    lpips_weights: Path | None = None,
    labels: Labels | None = None,
    device: str = "cpu",
) -> Tools:
    """What the metrics of these names need; for None, whatever is at hand without a download.

    `features` names the extractor, Inception by default. Raises ValueError for an unknown metric, and where what one
    needs cannot be had.
    """
    for name in names or ():
        if name not in METRICS:
            raise ValueError(f"unknown metric {name!r}; {did_you_mean(name, METRICS)}")
    if names is not None and not names:
        raise ValueError(f"no metric is named; choose from: {', '.join(METRICS)}")
    if labels and names is not None and "labels" not in names:
        raise ValueError(f"a segmenter is given, but labels is not among the metrics {', '.join(names)}; add it")
    tools = Tools(labels=labels)
    of_features = [name for name in names or () if name in OF_FEATURES]
    welcome = (names is None or "diversity" in names) and any(file.is_file() for file in PUBLISHED.files)
    if features or weights or of_features or welcome:
        tools.extractor = open_extractor(features or "inception", weights, device)
        check_metrics([name for name in of_features if name in SET_METRICS], tools.extractor)
    tools.no_extractor = (
        f"{PUBLISHED.title} is not at hand; download {PUBLISHED.url} to {PUBLISHED.files[0]}, "
        "or choose --features squeezenet1_1, for example, and --weights FILE"
    )
    if names is None or "lpips" in names or "diversity" in names:
        try:
            tools.lpips = Lpips(lpips_weights, device=device)
        except ValueError as error:
            if lpips_weights or "lpips" in (names or ()):
                raise
            tools.no_lpips = str(error)
    return tools


def open_labels(
    segmenter: str | None,
    folder: Path | None,
    *,
    classes: Path | None = None,
    class_map: Path | None = None,
    segmenter_map: Path | None = None,
    imagenet: bool = False,
) -> Labels | None:
    """The segmenter and what is compared with it; None where neither is given. Raises ValueError for one alone, and for
    what cannot be read.
    """
    if segmenter is None and folder is None:
        if classes or class_map or segmenter_map:
            raise ValueError("classes and their maps are for label consistency, which needs --segmenter and --labels")
        return None
    if segmenter is None or folder is None:
        missing = "--labels DIR, the label maps of the sources" if segmenter else "--segmenter FILE"
        raise ValueError(f"label consistency needs {missing}")
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of label maps")
    usual = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD} if imagenet else {}
    found = load_segmenter(segmenter, **usual)  # type: ignore[arg-type]
    names = read_class_names(classes) if classes else None
    for each in (class_map, segmenter_map):
        if each and names:
            read_class_map(each, names)
    if names and segmenter_map is None and found.classes not in (None, len(names)):
        raise ValueError(
            f"{found.name}: knows {found.classes} classes, but {classes} names {len(names)}; give a segmenter of "
            "these, or --segmenter-map, which says what its classes mean"
        )
    return Labels(found, folder, names, class_map, segmenter_map)
