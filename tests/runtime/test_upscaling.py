"""Folders of real images through a network that enlarges: all kinds, all sizes, in tiles, in bounded memory."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, translate_folder
from i2i_runtime.tiles import Tiling
from i2i_runtime.translate import translate_image
from tests.runtime.pictures import noise, srgb_profile

RNG = np.random.default_rng(0)
X4 = Card(product="generator", in_channels=3, out_channels=3, scale=4, overlap=8)


def enlarge(batch: np.ndarray) -> np.ndarray:
    """Four times as large, each pixel mixed with its neighbours at a distance of up to 4; zeros around the image."""
    kernel = np.ones((9, 1), np.float32) / 9
    mixed = np.stack([cv2.sepFilter2D(plane, -1, kernel, kernel, borderType=cv2.BORDER_CONSTANT) for plane in batch[0]])
    return (0.7 * batch + 0.3 * mixed).repeat(4, axis=2).repeat(4, axis=3)


def repeat(batch: np.ndarray) -> np.ndarray:
    return batch.repeat(4, axis=2).repeat(4, axis=3)


def upscale(tmp_path: Path, name: str, **options) -> np.ndarray:
    """What becomes of a file, by way of a folder."""
    report = translate_folder(repeat, X4, tmp_path / name, tmp_path / "out", FolderOptions(overwrite=True, **options))
    assert report.failed == []
    return images.read(tmp_path / "out" / name)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("size", [(40, 40), (41, 17), (100, 64), (9, 130)])
def test_tiles_give_the_result_of_the_whole_image(size, dtype):
    image = RNG.random((*size, 3), np.float32) if dtype is np.float32 else noise(*size, 3, dtype=dtype)
    whole = translate_image(enlarge, X4, image, tiling=Tiling(X4, 0))
    tiled = translate_image(enlarge, X4, image, tiling=Tiling(X4, 20))
    step = 1e-5 if dtype is np.float32 else 1  # the seam itself is a mean of two
    assert np.abs(tiled.astype(float) - whole.astype(float)).max() <= step


def test_tiles_without_their_overlap_would_not_give_it():
    image = noise(40, 40, 3)
    whole = translate_image(enlarge, X4, image)
    card = Card(product="generator", in_channels=3, out_channels=3, scale=4, overlap=1)
    tiled = translate_image(enlarge, card, image, tiling=Tiling(card, 20))
    assert np.abs(tiled.astype(int) - whole).max() > 5


def test_tiles_of_a_network_with_sizes_of_its_own_are_allowed_ones():
    card = Card(product="generator", in_channels=3, out_channels=3, scale=4, overlap=16, multiple_of=4, min_size=8)
    seen: set[tuple[int, ...]] = set()

    def network(batch):
        seen.add(batch.shape[2:])
        return repeat(batch)

    image = noise(101, 43, 3)
    result = translate_image(network, card, image, tiling=Tiling(card, 39))
    np.testing.assert_array_equal(result, image.repeat(4, axis=0).repeat(4, axis=1))
    assert len(seen) == 1 and all(size % 4 == 0 and 8 <= size <= 39 for size in next(iter(seen)))


def test_too_little_memory_makes_tiles_smaller_and_they_stay_so(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        images.write(tmp_path / "in" / name, noise(200, 150, 3))
    seen: list[int] = []

    def network(batch):
        seen.append(batch.shape[2])
        if batch.shape[2] * batch.shape[3] > 60 * 60:
            raise MemoryError
        return repeat(batch)

    report = translate_folder(network, X4, tmp_path / "in", tmp_path / "out", FolderOptions(threads=1))
    assert [str(name) for name in report.done] == ["a.png", "b.png"]
    for name in ("a.png", "b.png"):
        expected = images.read(tmp_path / "in" / name).repeat(4, axis=0).repeat(4, axis=1)
        np.testing.assert_array_equal(images.read(tmp_path / "out" / name), expected)
    assert sum(size > 60 for size in seen) <= 3, "the second image did not have to learn it again"


@pytest.mark.parametrize(("overlap", "why"), [(8, "no smaller tile is possible"), (0, "generator needs it whole")])
def test_an_image_that_no_memory_suffices_for_is_a_sentence_and_no_file(tmp_path, overlap, why):
    images.write(tmp_path / "a.png", noise(40, 50, 3))
    card = Card(product="generator", in_channels=3, out_channels=3, scale=4, overlap=overlap)

    def network(batch):
        raise MemoryError

    report = translate_folder(network, card, tmp_path / "a.png", tmp_path / "out")
    sentence = f"{tmp_path}/a.png: 50x40 image: not enough memory, and {why}; try a smaller image"
    assert report.failed == [(Path("a.png"), sentence)]
    assert list((tmp_path / "out").iterdir()) == []


def test_one_wrong_tile_is_an_error_and_no_file(tmp_path):
    images.write(tmp_path / "a.png", noise(100, 100, 3))
    calls = []

    def network(batch):
        calls.append(batch)
        return repeat(batch) * (np.nan if len(calls) == 3 else 1)

    report = translate_folder(network, X4, tmp_path / "a.png", tmp_path / "out", FolderOptions(tile=40))
    assert "not finite" in report.failed[0][1] and list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (8, 1), (1, 300)])
@pytest.mark.parametrize("outscale", [None, 4, 0.3, 2.5, 3.3])
def test_the_smallest_images_and_odd_factors(tmp_path, size, outscale):
    images.write(tmp_path / "a.png", np.full((*size, 3), 99, np.uint8))
    result = upscale(tmp_path, "a.png", outscale=outscale)
    assert result.shape == (*(max(1, round(side * (outscale or 4))) for side in size), 3)
    assert (result == 99).all()


@pytest.mark.parametrize("outscale", [0, -1, float("nan"), 17])
def test_impossible_factors_are_refused_before_anything_is_done(tmp_path, outscale):
    images.write(tmp_path / "a.png", noise(4, 4, 3))
    with pytest.raises(ValueError, match=r"outscale: .* is refused; allowed: above 0, up to 16"):
        translate_folder(repeat, X4, tmp_path / "a.png", tmp_path / "out", FolderOptions(outscale=outscale))
    assert not (tmp_path / "out").exists()


def test_a_dark_16_bit_image_stays_16_bit_and_keeps_its_levels(tmp_path):
    dark = RNG.integers(0, 200, (20, 30, 3)).astype(np.uint16)
    for name in ("a.png", "a.tif"):
        images.write(tmp_path / name, dark)
        np.testing.assert_array_equal(upscale(tmp_path, name), dark.repeat(4, axis=0).repeat(4, axis=1))
    assert upscale(tmp_path, "a.png", outscale=3).dtype == np.uint16


def test_grey_stays_grey(tmp_path):
    grey = noise(20, 30, 1)
    images.write(tmp_path / "a.png", grey)
    np.testing.assert_array_equal(upscale(tmp_path, "a.png"), grey.repeat(4, axis=0).repeat(4, axis=1))


def test_palettes_become_colours_and_grey_with_alpha_becomes_rgba(tmp_path):
    colours = Image.fromarray(noise(20, 30, 3))
    colours.quantize(7).save(tmp_path / "palette.png")
    colours.quantize(7).save(tmp_path / "transparent.png", transparency=3)
    colours.convert("LA").save(tmp_path / "la.png")
    colours.convert("1").save(tmp_path / "bits.png")
    shapes = {name: upscale(tmp_path, f"{name}.png").shape[2] for name in ("palette", "transparent", "la", "bits")}
    assert shapes == {"palette": 3, "transparent": 4, "la": 4, "bits": 1}


def test_rotated_photos_come_out_upright(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(noise(20, 30, 3)).save(tmp_path / "a.jpg", exif=exif)
    assert upscale(tmp_path, "a.jpg").shape == (120, 80, 3)
    assert not Image.open(tmp_path / "out" / "a.jpg").getexif().get(0x112)


@pytest.mark.parametrize("outscale", [None, 2, 1, 0.5])
def test_the_colour_under_transparency_does_not_bleed(tmp_path, outscale):
    image = np.full((40, 40, 4), (255, 0, 255, 0), np.uint8)
    image[10:30, 12:28] = (20, 200, 40, 255)
    images.write(tmp_path / "a.png", image)
    report = translate_folder(
        enlarge, X4, tmp_path / "a.png", tmp_path / "out", FolderOptions(tile=20, outscale=outscale)
    )
    assert not report.failed
    result = images.read(tmp_path / "out" / "a.png")
    seen = result[result[..., 3] > 0].astype(int)
    assert np.abs(seen[:, :3] - (20, 200, 40)).max() <= 1
    centre, size = len(result) // 2, len(result)
    assert result[centre, centre, 3] == 255 and 0.19 < (result[..., 3] > 127).sum() / size**2 < 0.21


def test_opaque_alpha_stays_opaque(tmp_path):
    for dtype in (np.uint8, np.uint16):
        image = noise(30, 31, 4, dtype=dtype)
        image[..., 3] = np.iinfo(dtype).max
        images.write(tmp_path / "a.png", image)
        for outscale in (None, 2.7, 0.6):
            assert (upscale(tmp_path, "a.png", outscale=outscale)[..., 3] == np.iinfo(dtype).max).all()


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [*((each, np.uint8) for each in (".png", ".jpg", ".webp", ".tif")), (".png", np.uint16), (".tif", np.uint16)],
)
def test_colour_profiles_are_kept(tmp_path, suffix, dtype):
    images.write(
        tmp_path / f"a{suffix}", noise(20, 30, 3, dtype=dtype), metadata=images.Metadata(profile=srgb_profile())
    )
    upscale(tmp_path, f"a{suffix}")
    assert Image.open(tmp_path / "out" / f"a{suffix}").info["icc_profile"] == srgb_profile()


def test_a_tree_with_other_files_in_it(tmp_path):
    for name in ("a.png", "deep/er/b.jpg", "deep/c.webp"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        images.write(tmp_path / "in" / name, noise(5, 6, 3))
    (tmp_path / "in" / "notes.txt").write_text("no image, and not called one")
    (tmp_path / "in" / "deep" / "text.png").write_text("called an image")
    report = translate_folder(repeat, X4, tmp_path / "in", tmp_path / "out", FolderOptions(outscale=2))
    assert [str(name) for name in report.done] == ["a.png", "deep/c.webp", "deep/er/b.jpg"]
    assert report.failed[0][1].endswith("text.png: not an image; readable: PNG, JPEG, WebP, BMP, TIFF")
    assert {images.read(tmp_path / "out" / name).shape for name in report.done} == {(10, 12, 3)}


def test_a_result_that_its_format_cannot_hold_is_refused_before_the_work(tmp_path):
    images.write(tmp_path / "a.webp", np.zeros((2, 5000, 3), np.uint8))

    def network(batch):
        raise AssertionError("was asked")

    report = translate_folder(network, X4, tmp_path / "a.webp", tmp_path / "out")
    assert report.failed[0][1] == f"{tmp_path}/out/a.webp: 20000x8 is too large for .webp; write a .png"
