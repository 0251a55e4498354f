"""Loader workers that are started anew, as on macOS, Windows and from Python 3.14 on, have what a fork would have."""

import multiprocessing
import pickle
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from i2i.data.augment import Pipeline
from i2i.data.batch import Unpaired
from i2i.data.loader import batches
from i2i.data.samples import LabelledImages
from i2i.data.unpaired_samples import UnpairedImages
from i2i.registry import load_plugins
from tests.data.files import RANDOM, domains, opened, paired, pairs, photos, singles
from tests.plugins import no_plugins

__all__ = ["no_plugins"]
pytestmark = pytest.mark.usefixtures("no_plugins")

STEP = """
from i2i.registry import augmentations

@augmentations.register("brighter")
class Brighter:
    def __init__(self, *, by: int) -> None:
        self.by = by

    def __call__(self, images, rng):
        return tuple(image + self.by for image in images)
"""


@pytest.fixture
def spawned() -> Iterator[None]:
    """Processes start by spawn, the default of macOS and Windows."""
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.usefixtures("spawned")
def test_steps_of_a_plugin_run_in_workers_that_are_no_forks(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text(STEP)
    load_plugins([tmp_path / "steps.py"])
    steps = Pipeline({"brighter": {"by": 40}, "flip": {}, "GaussNoise": {"p": 0.0}})
    dataset = opened(UnpairedImages, domains(tmp_path, 2, 2), train=steps, value_range=(0.0, 255.0))
    stream = batches(dataset, batch_size=2, seed=0, workers=1)
    for batch, expected in zip(islice(stream, 2), islice(batches(dataset, batch_size=2, seed=0), 2), strict=True):
        assert type(batch) is Unpaired and batch.a.equal(expected.a) and batch.b.equal(expected.b)
        assert sorted(batch.a[:, 0, 0, 0].tolist()) == [40, 41]


def test_every_kind_of_data_set_can_be_pickled_with_its_draws(tmp_path: Path) -> None:
    kinds = [
        paired(pairs(tmp_path / "pairs"), RANDOM),
        opened(UnpairedImages, domains(tmp_path / "domains", 3, 2), train=RANDOM),
        photos(singles(tmp_path / "photos"), RANDOM),
        opened(LabelledImages, singles(tmp_path / "cat"), train=RANDOM, size=16, classes=("dog", "cat")),
    ]
    for dataset in kinds:
        again = pickle.loads(pickle.dumps(dataset))
        for ours, theirs in zip(dataset[3, 1], again[3, 1], strict=True):
            assert ours.equal(theirs)
