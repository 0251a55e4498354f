"""One image: any kind comes back as its own kind, whatever the network takes."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from i2i_runtime import translate
from i2i_runtime.card import Card
from i2i_runtime.tiles import Tiling
from i2i_runtime.translate import Progress, no_progress, translate_image

RNG = np.random.default_rng(0)
RGB = Card(product="generator", in_channels=3, out_channels=3)
GREY = Card(product="generator", in_channels=1, out_channels=1)
X3 = Card(product="generator", in_channels=3, out_channels=3, scale=3, multiple_of=4, min_size=24)


def image(shape: tuple[int, ...], dtype) -> np.ndarray:
    if dtype == np.float32:
        return RNG.random(shape, np.float32)
    return RNG.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def enlarge(batch: np.ndarray) -> np.ndarray:
    return batch.repeat(3, axis=2).repeat(3, axis=3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [3, 4])
def test_the_identity_changes_nothing(dtype, channels):
    given = image((13, 18, channels), dtype)
    card = Card(product="generator", in_channels=3, out_channels=3, multiple_of=16, min_size=40)
    result = translate_image(lambda batch: batch, card, given, keep_hidden=True)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, given)


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1)])
def test_grey_through_a_grey_network_keeps_its_shape(shape):
    given = image(shape, np.uint16)
    np.testing.assert_array_equal(translate_image(lambda batch: batch, GREY, given), given)


def test_grey_through_a_colour_network_comes_out_in_colour():
    given = image((9, 7), np.uint8)
    result = translate_image(lambda batch: batch, RGB, given)
    np.testing.assert_array_equal(result, np.dstack([given] * 3))


@pytest.mark.parametrize(("keeps_grey", "channels"), [(True, 1), (False, 3)])
def test_grey_stays_grey_through_a_network_that_restores_and_not_through_one_that_may_colour(keeps_grey, channels):
    given = image((9, 7, 1), np.uint8)
    result = translate_image(lambda batch: batch, replace(RGB, keeps_grey=keeps_grey), given)
    np.testing.assert_array_equal(result, given.repeat(channels, axis=2))


def test_hidden_colours_are_kept_where_alpha_is_a_map_and_else_filled():
    given = image((9, 7, 4), np.uint8)
    given[..., 3] = np.arange(7) // 2 * 80
    kept = translate_image(lambda batch: batch, RGB, given, keep_hidden=True)
    np.testing.assert_array_equal(kept, given)
    filled = translate_image(lambda batch: batch, RGB, given)
    np.testing.assert_array_equal(filled[:, 2:], given[:, 2:])
    np.testing.assert_array_equal(filled[:, 1, :3], given[:, 2, :3])


def test_a_hidden_colour_does_not_bleed_through_a_blur_of_the_same_size():
    given = np.full((20, 20, 4), (255, 0, 255, 0), np.uint8)
    given[5:15, 5:15] = (20, 200, 40, 255)

    def blur(batch):
        padded = np.pad(batch, ((0, 0), (0, 0), (1, 1), (1, 1)), "edge")
        return np.mean([padded[..., y : y + 20, x : x + 20] for y in range(3) for x in range(3)], axis=0)

    result = translate_image(blur, RGB, given)
    assert np.abs(result[5:15, 5:15].astype(int) - (20, 200, 40, 255)).max() <= 1


def test_colour_with_alpha_through_a_grey_network_stays_rgba():
    given = image((9, 7, 4), np.uint8)
    result = translate_image(lambda batch: batch, GREY, given)
    assert result.shape == given.shape
    assert (result[..., 0] == result[..., 1]).all()
    np.testing.assert_array_equal(result[..., 3], given[..., 3])


def test_the_network_gets_an_allowed_batch():
    seen = []

    def network(batch):
        seen.append(batch)
        return enlarge(batch)

    given = image((10, 50, 3), np.uint8)
    result = translate_image(network, X3, given)
    assert seen[0].shape == (1, 3, 24, 52)
    assert seen[0].dtype == np.float32
    assert seen[0].flags.c_contiguous
    assert 0 <= seen[0].min() < seen[0].max() <= 1
    np.testing.assert_array_equal(result, given.repeat(3, axis=0).repeat(3, axis=1))


def test_alpha_grows_with_the_image():
    given = np.zeros((8, 8, 4), np.uint8)
    given[:, 4:, 3] = 255
    alpha = translate_image(enlarge, X3, given)[..., 3]
    assert alpha.shape == (24, 24)
    assert (alpha[:, :10] == 0).all()
    assert (alpha[:, 14:] == 255).all()


def test_results_out_of_range_are_clipped():
    given = np.array([[[0, 128, 255]]], np.uint8)
    assert translate_image(lambda batch: 3 * batch - 1, RGB, given).tolist() == [[[0, 129, 255]]]


@pytest.mark.parametrize(
    ("network", "given", "sentence"),
    [
        (lambda batch: batch[:, :, 1:], image((4, 4, 3), np.uint8), r"generator made \(1, 3, 3, 4\) of \(1, 3, 4, 4\)"),
        (lambda batch: batch * np.nan, image((4, 4, 3), np.uint8), "generator gave values that are not finite"),
        (lambda batch: batch, image((4, 4, 2), np.uint8), r"image of shape \(4, 4, 2\); allowed"),
        (lambda batch: batch, image((0, 4, 3), np.uint8), r"image of shape \(0, 4, 3\); allowed"),
        (lambda batch: batch, np.zeros((4, 4, 3), np.int32), "image of int32; allowed: uint8"),
    ],
)
def test_what_cannot_be_right_is_refused(network, given, sentence):
    with pytest.raises(ValueError, match=sentence):
        translate_image(network, RGB, given)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_network_of_rgba_is_shown_the_alpha_and_makes_it(channels):
    seen = []
    card = Card(product="generator", in_channels=4, out_channels=4)
    given = image((5, 6, channels), np.uint8)
    result = translate_image(lambda batch: (seen.append(batch), batch[:, ::-1])[1], card, given)
    assert seen[0].shape == (1, 4, 5, 6) and result.shape == (5, 6, 4)
    np.testing.assert_array_equal(result[..., 0], given[..., 3] if channels == 4 else 255)


def in_bands(image: np.ndarray, out: np.ndarray, *, progress: Progress = no_progress) -> None:
    """What `double` makes of a whole image, without the network."""
    out[...] = np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_what_needs_the_whole_image_takes_a_large_one_in_bands(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(batch: np.ndarray) -> np.ndarray:
        raise AssertionError("the whole image at once")

    monkeypatch.setattr(translate, "LARGEST_WHOLE", 99)
    card = Card(product="x", in_channels=3, out_channels=3, scale=2)
    image = np.random.default_rng(0).integers(0, 256, (10, 10, channels), np.uint8)
    image[..., 3:] = 255
    large = translate_image(never, card, image, banded=in_bands)
    assert np.array_equal(large, np.repeat(np.repeat(image, 2, axis=0), 2, axis=1))
    with pytest.raises(AssertionError, match="at once"):
        translate_image(never, card, image[:9], banded=in_bands)
    with pytest.raises(AssertionError, match="at once"):  # as the user has asked for it
        translate_image(never, card, image, banded=in_bands, tiling=Tiling(card, 0))


def test_the_progress_of_an_image_in_tiles_goes_up_to_all_of_it() -> None:
    card, shares = Card(product="x", in_channels=3, out_channels=3, overlap=1), []
    image = np.zeros((20, 30, 3), np.uint8)
    translate_image(lambda batch: batch, card, image, tiling=Tiling(card, 11), progress=shares.append)
    assert len(shares) == 6 and shares == sorted(set(shares)) and shares[-1] == 1
    translate_image(lambda batch: batch, card, image, tiling=Tiling(card, 0), progress=shares.append)
    assert len(shares) == 6, "an image that goes through at once has none"


def test_without_memory_for_the_whole_image_it_goes_in_bands() -> None:
    def full(batch: np.ndarray) -> np.ndarray:
        raise MemoryError

    card = Card(product="x", in_channels=3, out_channels=3, scale=2)
    image = np.full((4, 6, 3), 7, np.uint8)
    assert translate_image(full, card, image, banded=in_bands).shape == (8, 12, 3)
    with pytest.raises(ValueError, match="not enough memory, and x needs it whole"):
        translate_image(full, card, image)


@pytest.mark.parametrize("image", [Image.new("RGB", (4, 4)), [np.zeros((4, 4, 3))]], ids=["PIL", "list"])
def test_what_is_no_array_is_one_sentence(image) -> None:
    with pytest.raises(ValueError, match=r"is not an image; allowed: NumPy arrays, of which numpy\.asarray makes one"):
        translate_image(lambda batch: batch, Card(product="x", in_channels=3, out_channels=3), image)
