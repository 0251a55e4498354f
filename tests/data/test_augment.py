import pickle

import cv2
import numpy as np
import pytest

from i2i import recipe
from i2i.data.augment import Pipeline
from i2i.registry import augmentations, batch_augmentations
from tests.data.files import smooth

DEFAULT = {"resize": {"size": 286}, "crop": {"size": 256}, "flip": {"p": 0.5}}


@pytest.mark.parametrize("kind", [augmentations, batch_augmentations])
def test_every_step_says_what_it_does_in_a_sentence(kind):
    for name in kind:
        paragraph = kind[name].__doc__.partition("\n\n")[0]
        assert paragraph[0].isupper() and "Args:" not in paragraph and len(paragraph) < 400, name


@pytest.mark.parametrize("extra", [None, "Rotate", "ElasticTransform"])
def test_images_of_a_pair_share_every_draw(extra):
    image = smooth(300, 280)
    pipeline = Pipeline({**DEFAULT, **({extra: {"border_mode": cv2.BORDER_REFLECT, "p": 1.0}} if extra else {})})
    for seed in range(5):
        first, second = pipeline((image, 255 - image), seed)
        assert np.abs(first.astype(int) + second - 255).max() <= 2  # each rounded on its own


def labels(height: int, width: int) -> np.ndarray:
    blocks = np.random.default_rng(1).choice([0, 7, 200], (height // 4, width // 4, 1))
    return blocks.repeat(4, 0).repeat(4, 1).astype(np.int32)


def test_label_maps_are_transformed_with_the_image_and_keep_their_values():
    classes = labels(280, 300)
    image = classes.astype(np.uint8).repeat(3, 2)
    pipeline = Pipeline({**DEFAULT, "ElasticTransform": {"p": 1.0}, "RandomBrightnessContrast": {"p": 1.0}})
    nearest = Pipeline({"resize": {"size": 286, "interpolation": "nearest"}, "crop": {"size": 256}, "flip": {}})
    _, moved = pipeline((image, classes), 4)
    assert moved.dtype == np.int32 and set(np.unique(moved)) == {0, 7, 200}
    augmented, moved = nearest((image, classes), 4)
    assert (augmented == moved).all()


def test_equal_seeds_give_equal_results_and_others_do_not():
    pipeline = Pipeline({**DEFAULT, "ColorJitter": {"p": 1.0}, "GaussNoise": {"p": 1.0}})
    image = smooth(300, 300)
    first, again, other = (pipeline((image,), seed)[0] for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


def test_every_albumentations_step_shares_its_draw_in_a_pair_and_repeats_it():
    needed = {
        "CenterCrop": {"height": 32, "width": 32},
        "Crop": {"x_max": 32, "y_max": 32},
        "CropAndPad": {"px": 4},
        "GridElasticDeform": {"num_grid_xy": [4, 4], "magnitude": 5},
        "LongestMaxSize": {"max_size": 40},
        "RandomCrop": {"height": 32, "width": 32},
        "RandomResizedCrop": {"size": [32, 32]},
        "RandomSizedCrop": {"min_max_height": [20, 40], "size": [32, 32]},
        "Resize": {"height": 32, "width": 32},
        "SmallestMaxSize": {"max_size": 40},
    }
    image = smooth(48, 48)
    names = [name for name in augmentations if name[0].isupper()]
    assert len(names) > 50
    for name in names:
        if name in ("PiecewiseAffine", "ShiftScaleRotate"):  # they warn: slow, and superseded
            continue
        pipeline = Pipeline({name: {"p": 1.0, **needed.get(name, {})}})
        for picture in (image, image.astype(np.float32) / 255):
            first, second = pipeline((picture, picture), 5)
            assert (first == second).all(), name
            assert (first == pipeline((picture, picture), 5)[0]).all(), name
            assert first.dtype == picture.dtype and first.ndim == 3, name


def recipe_steps(steps):
    """The steps as a recipe completes them."""
    table = recipe.load(recipe.find("pix2pix"), ["unused"]).model_dump(mode="json")
    return recipe.Recipe.parse(table | {"augment": {"train": steps}}).augment.train


def test_a_step_set_to_false_is_left_out():
    image = smooth(30, 30)
    assert Pipeline({"crop": {"size": 20}, "flip": False})((image,), 0)[0].shape == (20, 20, 3)
    assert Pipeline({})((image,), 0)[0] is image


def test_a_plain_callable_is_a_step():
    if "test-invert" not in augmentations:

        @augmentations.register("test-invert")
        class Invert:
            def __init__(self, *, p: float = 1.0) -> None:
                self.p = p

            def __call__(self, images, rng):
                return tuple(255 - image for image in images) if rng.random() < self.p else images

    image = smooth(8, 8)
    assert (Pipeline({"test-invert": {}})((image,), 0)[0] == 255 - image).all()


def test_a_pipeline_can_be_pickled():
    pipeline = Pipeline({**DEFAULT, "ColorJitter": {}})
    image = smooth(300, 300)
    assert (pickle.loads(pickle.dumps(pipeline))((image,), 9)[0] == pipeline((image,), 9)[0]).all()


@pytest.mark.parametrize("steps, words", [
    ({"flop": {}}, ["unknown step 'flop'", "did you mean 'flip'"]),
    ({"flip": {"prob": 1.0}}, ["flip.prob"]),
    ({"crop": {"size": "big"}}, ["crop.size"]),
    ({"crop": {}}, ["crop.size", "missing"]),
    ({"crop": {"size": 0}}, ["crop.size = 0", "from 1"]),
    ({"flip": {"p": 1.5}}, ["flip.p = 1.5", "up to 1"]),
    ({"quarter_turns": {"p": 0.5}}, ["quarter_turns.p"]),
    ({"limit": {"size": 0}}, ["limit.size = 0", "from 1"]),
    ({"Rotate": {"limt": 3}}, ["Rotate.limt", "did you mean 'limit'"]),
    ({"Rotate": {"limit": "far"}}, ["Rotate.limit"]),
    ({"Rotate": {"p": 2.0}}, ["Rotate: p: Input should be less than or equal to 1"]),
])  # fmt: skip
def test_a_wrong_step_of_a_recipe_is_refused_in_one_sentence(steps, words):
    with pytest.raises(ValueError) as caught:
        Pipeline(recipe_steps(steps))
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_transform_that_needs_colour_is_refused_for_grey():
    with pytest.raises(ValueError, match=r"^RandomRain: "):
        Pipeline({"RandomRain": {"p": 1.0}})((np.zeros((20, 20, 1), np.uint8),), 0)
