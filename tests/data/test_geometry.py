import numpy as np
import pytest
from PIL import Image as Pillow

from i2i.data.augment import Pipeline
from i2i.data.geometry import fit_square
from tests.data.files import coordinates, smooth


def test_crop_is_a_window_of_the_image():
    (window,) = Pipeline({"crop": {"size": [20, 30]}})((coordinates(50, 60),), 3)
    top, left = window[0, 0, :2]
    assert window.shape == (20, 30, 3)
    assert (window == coordinates(50, 60)[top : top + 20, left : left + 30]).all()


def test_crop_reaches_every_position_and_no_other():
    crop = Pipeline({"crop": {"size": 3}})
    corners = {tuple(crop((coordinates(5, 4),), seed)[0][0, 0, :2]) for seed in range(200)}
    assert corners == {(row, column) for row in range(3) for column in range(2)}


def test_center_crop_is_in_the_middle():
    (window,) = Pipeline({"center_crop": {"size": 4}})((coordinates(10, 20),), 0)
    assert tuple(window[0, 0, :2]) == (3, 8)


def test_limit_crops_the_center_of_larger_sides_and_keeps_smaller_ones():
    (window,) = Pipeline({"limit": {"size": [30, 8]}})((coordinates(20, 40),), 0)
    assert window.shape == (20, 8, 3) and tuple(window[0, 0, :2]) == (0, 16)
    low, high = Pipeline({"limit": {"size": 12}})((coordinates(20, 3), doubled(coordinates(20, 3))), 0)
    assert low.shape == (6, 3, 3) and (high == doubled(low)).all() and low[0, 0, 0] == 7


def doubled(image: np.ndarray) -> np.ndarray:
    return image.repeat(2, 0).repeat(2, 1)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int32])
@pytest.mark.parametrize("size", [24, [24, 12], [120, 48]])
def test_low_and_high_stay_aligned_through_every_step(factor, dtype, size):
    pipeline = Pipeline({"crop": {"size": size, "pad": True}, "flip": {}, "quarter_turns": {}, "limit": {"size": 96}})
    low = coordinates(17, 20).astype(dtype)
    for seed in range(20):
        small, large = pipeline((low, low.repeat(factor, 0).repeat(factor, 1)), seed)
        assert (large == small.repeat(factor, 0).repeat(factor, 1)).all()
        assert small.dtype == dtype and small.shape[2] == 3
        swapped = pipeline((low.repeat(factor, 0).repeat(factor, 1), low), seed)
        assert (swapped[0] == large).all() and (swapped[1] == small).all()


def test_a_crop_takes_the_same_pixels_of_a_decimated_image():
    high = coordinates(60, 80)
    for seed in range(20):
        small, large = Pipeline({"crop": {"size": [24, 40]}})((high[::4, ::4], high), seed)
        assert large.shape == (24, 40, 3) and (small == large[::4, ::4]).all()


def test_an_aligned_crop_reaches_every_position_on_the_grid_of_the_smaller_image():
    crop = Pipeline({"crop": {"size": 6}})
    low = coordinates(5, 4)
    corners = {tuple(crop((low, doubled(low)), seed)[1][0, 0, :2]) for seed in range(200)}
    assert corners == {(row, column) for row in range(3) for column in range(2)}


def test_a_padded_crop_mirrors_a_smaller_image_at_its_right_and_bottom():
    (window,) = Pipeline({"crop": {"size": [8, 5], "pad": True}})((coordinates(4, 5)[..., :1],), 0)
    assert window[:, 0, 0].tolist() == [0, 1, 2, 3, 2, 1, 0, 1]
    padded, plain = (Pipeline({"crop": {"size": 8, **pad}})((coordinates(9, 9),), 1)[0] for pad in ({"pad": True}, {}))
    assert (padded == plain).all()


def test_flips_and_quarter_turns_give_all_eight_symmetries_with_equal_probability():
    image = coordinates(2, 2)
    symmetries = Pipeline({"flip": {}, "quarter_turns": {}})
    results = [symmetries((image,), seed)[0] for seed in range(1600)]
    corners = [tuple(map(tuple, np.concatenate([result[0], result[1]])[:, :2].tolist())) for result in results]
    counts = [corners.count(each) for each in set(corners)]
    assert len(counts) == 8 and min(counts) > 140 and max(counts) < 260  # 200 each on average, deviation 13


def test_flip_mirrors_columns_with_its_probability():
    image = coordinates(4, 6)
    assert (Pipeline({"flip": {"p": 1.0}})((image,), 0)[0] == image[:, ::-1]).all()
    flipped = sum(Pipeline({"flip": {"p": 0.3}})((image,), seed)[0][0, 0, 1] != 0 for seed in range(1000))
    assert 250 < flipped < 350


@pytest.mark.parametrize("step, size", [
    ({"resize": {"size": 32}}, (32, 32)),
    ({"resize": {"size": [20, 90]}}, (20, 90)),
    ({"scale_width": {"width": 120}}, (80, 120)),
    ({"scale_short": {"size": 20}}, (20, 30)),
])  # fmt: skip
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_resizing_gives_the_size_of_its_options(step, size, channels):
    image = np.zeros((40, 60, channels), np.uint8)
    assert Pipeline(step)((image,), 0)[0].shape == (*size, channels)


@pytest.mark.parametrize(("size", "levels"), [(72, 2.5), (90, 2.5), (144, 0), (286, 1.5)])
def test_resizing_is_close_to_the_bicubic_of_pillow(size, levels):
    image = smooth(144, 144, sigma=1)
    (ours,) = Pipeline({"resize": {"size": size}})((image,), 0)
    published = np.asarray(Pillow.fromarray(image).resize((size, size), Pillow.Resampling.BICUBIC))
    assert np.abs(ours.astype(int) - published).mean() <= levels


def test_nearest_takes_the_pixel_under_the_center():
    (resized,) = Pipeline({"resize": {"size": [17, 41], "interpolation": "nearest"}})((coordinates(60, 23),), 0)
    rows, columns = ((np.arange(new) + 0.5) * old // new for new, old in ((17, 60), (41, 23)))
    assert (resized[..., 0] == rows[:, None]).all() and (resized[..., 1] == columns).all()


def test_linear_interpolates_between_pixel_centers():
    step = np.array([[[0], [255]]], np.uint8)
    (resized,) = Pipeline({"resize": {"size": [1, 4], "interpolation": "linear"}})((step,), 0)
    assert resized[0, :, 0].tolist() == [0, 64, 191, 255]


def test_floats_stay_within_zero_and_one_and_agree_with_bytes():
    image = (np.indices((16, 16)).sum(0) // 4 % 2 * 255).astype(np.uint8)[..., None]
    pipeline = Pipeline({"resize": {"size": 40}})
    (eight,), (real,) = pipeline((image,), 0), pipeline((image.astype(np.float32) / 255,), 0)
    assert real.dtype == np.float32 and real.min() >= 0 and real.max() <= 1
    assert np.abs(eight / 255 - real).max() < 1.01 / 255


def test_an_image_smaller_than_the_crop_is_refused():
    with pytest.raises(ValueError, match="crop: 240x180 image is smaller than size 256; resize first"):
        Pipeline({"crop": {"size": 256}})((np.zeros((180, 240, 3), np.uint8),), 0)


@pytest.mark.parametrize("step", [{"crop": {"size": 8}}, {"Rotate": {}}])
def test_a_pair_of_unequal_sizes_is_refused_by_steps_that_need_one_size(step):
    unequal = np.zeros((20, 20, 3), np.uint8), np.zeros((20, 30, 3), np.uint8)
    with pytest.raises(ValueError, match="differ in size, 20x20 and 30x20; resize first"):
        Pipeline(step)(unequal, 0)


def test_a_crop_that_is_no_multiple_of_the_scale_is_refused():
    pair = np.zeros((20, 20, 3), np.uint8), np.zeros((80, 80, 3), np.uint8)
    with pytest.raises(ValueError, match="crop: size 30 is no multiple of 4, by which the images of a pair differ"):
        Pipeline({"crop": {"size": 30}})(pair, 0)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (20, 9), (9, 20), (3, 5), (64, 64)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_fit_square_gives_a_square_within_the_range(height, width, dtype):
    image = (coordinates(height, width) % 2 * (255 if dtype == np.uint8 else 1)).astype(dtype)
    square = fit_square(image, 8)
    assert square.shape == (8, 8, 3) and square.dtype == dtype
    assert dtype == np.uint8 or (square.min() >= 0 and square.max() <= 1)


def test_fit_square_keeps_the_center_of_the_longer_side():
    image = coordinates(8, 24)
    assert (fit_square(image, 8) == image[:, 8:16]).all()
