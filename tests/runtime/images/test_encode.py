"""What is written is read again, also by others; what a format cannot hold is refused."""

import os
import struct
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from i2i_runtime import images
from tests.runtime.pictures import encoded, noise, smooth, srgb_profile

KINDS = [(dtype, channels) for dtype in (np.uint8, np.uint16) for channels in (1, 3, 4)]


LOSSLESS = [".png", ".tif", ".tiff", ".bmp", ".PNG"]


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_what_is_written_is_read(tmp_path, suffix, dtype, channels):
    path, image = tmp_path / f"a{suffix}", noise(21, 34, channels, dtype=dtype)
    if suffix == ".bmp" and dtype == np.uint16:
        with pytest.raises(ValueError, match=r"a\.bmp: \.bmp holds 8 bits"):
            images.write(path, image)
        return
    images.write(path, image)
    result = images.read(path)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, image)
    assert images.header(path) == (*image.shape, 8 * image.itemsize)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_webp_is_lossless_at_quality_100_and_keeps_alpha(tmp_path, channels):
    path, image = tmp_path / "a.webp", noise(21, 34, channels)
    if channels == 4:
        image[..., 3] |= 1  # WebP may forget the colour of what is wholly transparent
    images.write(path, image, quality=100)
    np.testing.assert_array_equal(images.read(path), images.with_channels(image, max(channels, 3)))


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_files_stay_close_and_closer_at_higher_quality(tmp_path, suffix):
    errors = []
    for quality in (30, 95):
        images.write(tmp_path / f"a{suffix}", smooth(), quality=quality)
        errors.append(np.abs(images.read(tmp_path / f"a{suffix}").astype(int) - smooth()).mean())
    assert errors[1] < 1.0
    assert errors[1] < errors[0]


def test_grey_jpeg_stays_grey(tmp_path):
    images.write(tmp_path / "a.jpg", smooth(1))
    assert images.read(tmp_path / "a.jpg").shape == smooth(1).shape
    assert images.header(tmp_path / "a.jpg").channels == 1


@pytest.mark.parametrize("name", ["with space.png", "猫 и кот.png", "a%d.png", "x" * 251 + ".png"])
def test_any_name_is_written_and_read(tmp_path, name):
    image = noise(21, 34, 3)
    images.write(tmp_path / name, image)
    np.testing.assert_array_equal(images.read(tmp_path / name), image)
    assert images.list_images(tmp_path) == [Path(name)]


def test_a_failed_write_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    image = noise(21, 34, 3)
    images.write(tmp_path / "a.png", image)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        images.write(tmp_path / "a.png", noise(21, 34, 3))
    assert os.listdir(tmp_path) == ["a.png"]
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), image)


@pytest.mark.parametrize(
    ("name", "image", "sentence"),
    [
        ("a.jpg", noise(21, 34, 3, dtype=np.uint16), r"\.jpg holds 8 bits, not 16; choose from: \.png"),
        ("a.webp", noise(21, 34, 3, dtype=np.uint16), r"\.webp holds 8 bits"),
        ("a.jpeg", noise(21, 34, 4), r"\.jpeg holds no alpha"),
        ("a.xyz", noise(21, 34, 3), r"cannot write \.xyz; choose from: \.png"),
        ("a", noise(21, 34, 3), "cannot write without a suffix"),
        ("a.png", noise(21, 34, 2), r"shape \(21, 34, 2\)"),
        ("a.png", np.ones((3, 4, 3), np.float32), "cannot write float32"),
        ("a.png", np.ones((0, 4, 3), np.uint8), "at least one pixel"),
        ("a.webp", np.ones((2, 20000, 3), np.uint8), r"20000x2 is too large for \.webp"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path, name, image, sentence):
    with pytest.raises(ValueError, match=sentence):
        images.write(tmp_path / name, image)
    assert os.listdir(tmp_path) == []


def test_files_written_in_many_strips_are_read_by_others(tmp_path, monkeypatch):
    monkeypatch.setattr("i2i_runtime.images.png_tiff._STRIP", 300)
    image = noise(23, 31, 3)
    for suffix in (".png", ".tif"):
        images.write(tmp_path / f"a{suffix}", image, metadata=images.Metadata(profile=srgb_profile()))
        np.testing.assert_array_equal(np.asarray(Image.open(BytesIO((tmp_path / f"a{suffix}").read_bytes()))), image)
        np.testing.assert_array_equal(cv2.imread(str(tmp_path / f"a{suffix}"))[..., ::-1], image)


def test_a_large_image_is_the_same_after_it_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr("i2i_runtime.images.encode._NOT_COPIED", 0)
    image = noise(23, 31, 3)
    before = image.copy()
    for suffix in (".jpg", ".bmp"):
        images.write(tmp_path / f"a{suffix}", image)
        np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(images.read(tmp_path / "a.bmp"), before)


@pytest.mark.parametrize(("sampling", "name"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_the_sampling_of_a_jpeg_is_kept(tmp_path, sampling, name):
    source = encoded(Image.fromarray(smooth()), "JPEG", subsampling=name)
    (tmp_path / "a.jpg").write_bytes(source)
    pixels, metadata = images.read_with_metadata(tmp_path / "a.jpg")
    images.write(tmp_path / "b.jpg", pixels, metadata=metadata)
    assert JpegImagePlugin.get_sampling(Image.open(tmp_path / "b.jpg")) == sampling


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("is_extended", [False, True])
def test_a_webp_is_as_lossless_as_its_source_and_keeps_hidden_colours(tmp_path, channels, is_extended):
    image = noise(21, 34, channels)
    extended = {"icc_profile": srgb_profile()} if is_extended else {}
    for lossless in (True, False):
        source = encoded(Image.fromarray(image), "WEBP", lossless=lossless, exact=True, quality=90, **extended)
        (tmp_path / "a.webp").write_bytes(source)
        pixels, metadata = images.read_with_metadata(tmp_path / "a.webp")
        images.write(tmp_path / "b.webp", pixels, metadata=metadata)
        assert (images.read(tmp_path / "b.webp") == pixels).all() == lossless
        images.write(tmp_path / "b.webp", pixels, metadata=metadata, quality=80)
        assert not (images.read(tmp_path / "b.webp") == pixels).all(), "quality wins"


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png", ".tif"])
@pytest.mark.parametrize("size", [4_000, 65_519, 65_520, 300_000])
def test_a_colour_profile_of_any_size_is_kept(tmp_path, suffix, size):
    profile = srgb_profile()[:128] + os.urandom(size - 128)
    images.write(tmp_path / f"a{suffix}", smooth(), metadata=images.Metadata(profile=profile))
    assert Image.open(tmp_path / f"a{suffix}").info["icc_profile"] == profile
    assert images.read_with_metadata(tmp_path / f"a{suffix}").metadata.profile == profile


def test_what_a_png_says_about_colour_is_kept(tmp_path):
    chunks = ((b"gAMA", struct.pack(">I", 45455)), (b"cICP", bytes([9, 16, 0, 1])))
    images.write(tmp_path / "a.png", noise(5, 6, 3), metadata=images.Metadata(png_colour=chunks))
    pixels, metadata = images.read_with_metadata(tmp_path / "a.png")
    assert metadata.png_colour == chunks and Image.open(tmp_path / "a.png").info["gamma"] == 0.45455
    images.write(tmp_path / "b.png", pixels, metadata=metadata)
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "a.png").read_bytes()
