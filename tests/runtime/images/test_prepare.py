"""Images are prepared as those of training, by the recipe that a model carries."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tomli_w

from i2i.data.augment import Pipeline
from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, translate_folder
from i2i_runtime.images.prepare import is_unlike, preparation, prepared_size, size_advice
from i2i_runtime.translate import translate_image
from tests.runtime.pictures import noise

CARD = Card(product="generator", in_channels=3, out_channels=3)
RESIZED = tomli_w.dumps({"augment": {"test": {"resize": {"size": [20, 30]}}}})


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "steps",
    [
        {"resize": {"size": 20}, "scale_width": {"width": 31, "interpolation": "linear"}},
        {"scale_short": {"size": 90, "interpolation": "area"}},
        {"resize": {"size": [90, 13]}},
    ],
)
def test_size_steps_are_those_of_training(steps: dict, channels: int, dtype: type) -> None:
    image = noise(41, 57, channels)
    image = image if dtype is np.uint8 else images.to_float(image)
    (trained,) = Pipeline(steps)((image,), 0)
    recipe = tomli_w.dumps({"augment": {"test": {**steps, "limit": {"size": 8}, "flip": {"p": 1.0}}}})
    np.testing.assert_array_equal(preparation(recipe)(image), trained)
    assert prepared_size(recipe, 41, 57) == trained.shape[:2]


def test_class_indices_are_not_mixed() -> None:
    labels = noise(41, 57, 1)
    for size in (20, 90):
        steps = {"scale_short": {"size": size}}
        (trained,) = Pipeline(steps)((labels.astype(np.int32),), 0)
        prepared = preparation(tomli_w.dumps({"augment": {"test": steps}}), of_labels=True)(labels)
        np.testing.assert_array_equal(prepared, trained)


def test_the_result_is_as_large_as_what_was_prepared_or_as_is_asked() -> None:
    image = noise(41, 57, 4)
    options = {"prepare": preparation(RESIZED)}
    result = translate_image(lambda batch: batch, CARD, image, keep_hidden=True, **options)
    np.testing.assert_array_equal(result[..., :3], preparation(RESIZED)(np.ascontiguousarray(image[..., :3])))
    assert result.shape == (20, 30, 4)
    assert translate_image(lambda batch: batch, CARD, image, outscale=1, **options).shape == (41, 57, 4)


def test_a_step_that_is_not_known_here_is_refused_and_a_recipe_that_is_none() -> None:
    with pytest.raises(ValueError, match="prepare: images of training went through window, which is known where"):
        preparation(tomli_w.dumps({"augment": {"test": {"window": {"low": 3}}}}))
    for size in (0, 2**17, "9", [1, 2, 3], True):
        with pytest.raises(ValueError, match=r"prepare: resize of .* cannot be used; allowed: sizes from 1 to 65536"):
            preparation(tomli_w.dumps({"augment": {"test": {"resize": {"size": size}}}}))
    for text in ("augment = 3", "[", "augment = {test = {resize = 3}}"):
        with pytest.raises(ValueError, match=r"the recipe in the model cannot be read"):
            preparation(text)
        assert prepared_size(text, 3, 4) == (3, 4)


def test_a_folder_says_which_images_are_unlike_those_of_training_and_refuses_what_was_prepared_otherwise(
    tmp_path: Path,
) -> None:
    (tmp_path / "in").mkdir()
    for name, size in (("like", (40, 59)), ("large", (41, 61)), ("small", (9, 15))):
        images.write(tmp_path / "in" / f"{name}.png", noise(*size, 3))
    card, prepare = replace(CARD, recipe=RESIZED), preparation(RESIZED)

    def run(**options):
        return translate_folder(lambda batch: batch, card, tmp_path / "in", tmp_path / "out", **options)

    report = run()
    assert sorted(path.stem for path in report.unlike) == ["large", "small"]
    assert "less than half as large as those of training: 2; --prepare as-trained" in "".join(report.lines())
    with pytest.raises(ValueError, match=r"3 results of other settings .prepare unset, now as-trained"):
        run(prepare=prepare)
    report = run(prepare=prepare, options=FolderOptions(overwrite=True))
    assert len(report.done) == 3 and report.unlike == []
    assert {images.header(file)[:2] for file in (tmp_path / "out").glob("*.png")} == {(20, 30)}
    assert run(prepare=prepare).done == []
    report = run(prepare=prepare, options=FolderOptions(outscale=1, overwrite=True))
    assert images.header(tmp_path / "out" / "large.png")[:2] == (41, 61)


def test_the_size_of_training_is_that_of_its_images_once_prepared() -> None:
    known = replace(CARD, trained_size=(100, 160))
    assert is_unlike(known, 201, 321) and not is_unlike(known, 200, 320)
    assert is_unlike(known, 49, 79) and not is_unlike(known, 50, 80) and not is_unlike(CARD, 9, 9)
    assert size_advice(known) == "for results as in training, resize them to about 160x100 before"
    prepared = replace(known, recipe=RESIZED)  # to 20x30
    assert is_unlike(prepared, 100, 160) and not is_unlike(prepared, 40, 60)
    assert (
        size_advice(prepared)
        == size_advice(replace(CARD, recipe=RESIZED))
        == "--prepare as-trained resizes them as then"
    )


@pytest.mark.parametrize("size", [(0, 4), (2**17, 4), (4,), (1.5, 4), "4x4"])
def test_a_size_of_training_that_is_none_is_refused(size: object) -> None:
    with pytest.raises(ValueError, match="card: trained_size"):
        Card.from_dict({**CARD.to_dict(), "trained_size": size})
    assert "trained_size" not in CARD.to_dict()
    known = replace(CARD, trained_size=(4, 5))
    assert Card.from_dict(known.to_dict()) == known
