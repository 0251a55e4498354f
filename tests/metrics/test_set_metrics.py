"""Metrics of sets carry the name of their feature extractor, and a note where images are few."""

import math
from pathlib import Path

import pytest
from torch import Tensor

from i2i.metrics.features import FeatureExtractor, features_of_folder, open_extractor
from i2i.metrics.fid import fid
from i2i.metrics.set_metrics import ENOUGH, SET_METRICS, check_metrics, measure_sets
from tests.measures import normal


class Named(FeatureExtractor):
    """Extractor with a name and logits, for features that are given."""

    classes = True

    def __init__(self, name: str) -> None:
        super().__init__(name, "0", "cpu")

    def extract(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))

    def logits(self, features: Tensor) -> Tensor:
        return features


def test_only_published_inception_gives_a_plain_fid() -> None:
    fake, real = normal(30), normal(30, seed=1)
    names = list(SET_METRICS)
    plain = list(measure_sets(names, Named("inception"), fake, real))
    assert plain[:2] == ["FID", "KID"] and plain[2:6] == [f"{name}(inception)" for name in names[2:6]]
    assert plain[6] == "IS"
    for other in ("squeezenet1_1", "inception@00000000", "dinov2_vitl14"):
        found = measure_sets(names, Named(other), fake, real)
        assert all(name.endswith(f"({other})") for name in found)
        assert found[f"FID({other})"].value == fid(fake, real)


def test_few_images_have_a_note() -> None:
    few, more = normal(4), normal(ENOUGH["fid"])
    notes = {name: value.note for name, value in measure_sets(["fid", "is"], Named("x"), few, more).items()}
    assert "too high for 4 images" in notes["FID(x)"] and "singular for 4 images" in notes["FID(x)"]
    assert "too low for 4 images" in notes["IS(x)"]
    assert "outline a manifold" in measure_sets(["recall"], Named("x"), normal(30), more[:99])["recall(x)"].note
    assert not any(value.note for value in measure_sets(["fid", "is"], Named("x"), more, more).values())


def test_kid_of_few_images_has_a_caution() -> None:
    few, enough = (
        measure_sets(["kid"], Named("x"), normal(count), normal(200, seed=1))["KID(x)"] for count in (6, 100)
    )
    assert few.note.startswith("6 images say little") and enough.note == ""


def test_kid_has_an_error_and_fid_has_none() -> None:
    found = measure_sets(["fid", "kid"], Named("x"), normal(20), normal(20, seed=1))
    assert math.isnan(found["FID(x)"].error) and found["KID(x)"].error > 0


@pytest.mark.parametrize(
    ("names", "fake", "real", "said"),
    [
        (["fidd"], normal(9), normal(9), r"unknown metric 'fidd'; did you mean 'fid'\?"),
        (["fid"], normal(1), normal(9), "fake images: features of shape"),
        (["fid"], normal(9), normal(9)[:, :3], "6 and 3 features; use one extractor"),
        (["kid"], normal(9), normal(9) / 0, "real images: x gives features that are not finite"),
        (["coverage"], normal(9), normal(4), "by 5 neighbours"),
    ],
)
def test_features_that_cannot_be_measured_raise(names: list[str], fake: Tensor, real: Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        measure_sets(names, Named("x"), fake, real)


def test_kid_of_horses_and_zebras_exceeds_that_of_two_halves_of_horses(shared: Path) -> None:
    extractor = open_extractor("squeezenet1_1", shared / "weights/squeezenet1_1.pth")
    folders = [shared / "data/horse2zebra/testA", shared / "data/horse2zebra/testB"]
    horses, zebras = (features_of_folder(extractor, folder).features[:100] for folder in folders)
    across = measure_sets(["fid", "kid"], extractor, horses, zebras)
    within = measure_sets(["fid", "kid"], extractor, horses[::2], horses[1::2])
    kid = f"KID({extractor.name})"
    assert across[kid].value > 3 * across[kid].error and abs(within[kid].value) < 3 * within[kid].error


def test_inception_score_needs_a_classifier(shared: Path) -> None:
    extractor = open_extractor("squeezenet1_1", shared / "weights/squeezenet1_1.pth")
    with pytest.raises(ValueError, match="squeezenet1_1@35636600 is no classifier"):
        check_metrics(["fid", "is"], extractor)
