"""Every kind of image file is read as grey, RGB or RGBA; what is none is refused with a sentence that names it."""

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from i2i_runtime import images
from tests.runtime.pictures import encoded, noise, smooth

RGB = Image.fromarray(smooth())


PALETTE = RGB.quantize(16)


ODD_KINDS = {
    "palette png": (encoded(PALETTE, "PNG"), PALETTE.convert("RGB")),
    "palette tiff": (encoded(PALETTE, "TIFF"), PALETTE.convert("RGB")),
    "palette bmp": (encoded(PALETTE, "BMP"), PALETTE.convert("RGB")),
    "1-bit png": (encoded(RGB.convert("1"), "PNG"), RGB.convert("1").convert("L")),
    "1-bit tiff": (encoded(RGB.convert("1"), "TIFF"), RGB.convert("1").convert("L")),
    "1-bit bmp": (encoded(RGB.convert("1"), "BMP"), RGB.convert("1").convert("L")),
    "grey and alpha png": (encoded(RGB.convert("LA"), "PNG"), RGB.convert("LA").convert("RGBA")),
    "grey and alpha tiff": (encoded(RGB.convert("LA"), "TIFF"), RGB.convert("LA").convert("RGBA")),
    "cmyk tiff": (encoded(RGB.convert("CMYK"), "TIFF"), RGB),
    "1x1": (encoded(RGB.resize((1, 1)), "PNG"), RGB.resize((1, 1))),
}


@pytest.mark.parametrize("name", ODD_KINDS)
def test_odd_kinds_are_read_as_grey_or_colour(tmp_path, name):
    data, expected = ODD_KINDS[name]
    (tmp_path / "a").write_bytes(data)
    result = images.read(tmp_path / "a")
    array = np.asarray(expected)
    np.testing.assert_array_equal(result, array.reshape(*array.shape[:2], -1))
    assert images.header(tmp_path / "a") == (*result.shape, 8)


@pytest.mark.parametrize("mode", ["P", "L"])
def test_a_transparent_colour_becomes_alpha(tmp_path, mode):
    image = PALETTE if mode == "P" else RGB.convert("L")
    value = int(np.asarray(image)[10, 20])
    (tmp_path / "a.png").write_bytes(encoded(image, "PNG", transparency=value))
    result = images.read(tmp_path / "a.png")
    np.testing.assert_array_equal(result[..., 3], np.where(np.asarray(image) == value, 0, 255))
    assert images.header(tmp_path / "a.png").channels == 4


def test_cmyk_jpeg_is_read_as_rgb(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(RGB.convert("CMYK"), "JPEG", quality=98))
    assert np.abs(images.read(tmp_path / "a.jpg").astype(int) - np.asarray(RGB)).mean() < 2


def test_alpha_of_a_tiff_does_not_darken_its_colours(tmp_path):
    image = noise(21, 34, 4)
    (tmp_path / "a.tif").write_bytes(encoded(Image.fromarray(image), "TIFF"))
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), image)


def changed_tag(file, tag: int, old: int, new: int) -> None:
    """Change a short number in the directory of a TIFF that we wrote."""
    data = file.read_bytes()
    entry = struct.pack("<HHIH", tag, 3, 1, old)
    assert data.count(entry) == 1
    file.write_bytes(data.replace(entry, struct.pack("<HHIH", tag, 3, 1, new)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tiff_whose_white_is_zero_is_no_negative(tmp_path, dtype):
    image = noise(21, 34, 1, dtype=dtype)
    images.write(tmp_path / "a.tif", np.iinfo(dtype).max - image)
    changed_tag(tmp_path / "a.tif", 262, 1, 0)
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_that_a_tiff_has_multiplied_by_alpha_are_divided_again(tmp_path, dtype):
    largest, image = np.iinfo(dtype).max, noise(21, 34, 4, dtype=dtype)
    image[..., 3] |= np.iinfo(dtype).max // 2 + 1  # where alpha is small, colours are lost
    stored = image.copy()
    stored[..., :3] = np.rint(image[..., :3] * (image[..., 3:] / largest))
    images.write(tmp_path / "a.tif", stored)
    changed_tag(tmp_path / "a.tif", 338, 2, 1)
    assert np.abs(images.read(tmp_path / "a.tif").astype(int) - image).max() <= 2


@pytest.mark.parametrize("colours", [1, 3])
def test_a_transparent_colour_of_16_bits_becomes_alpha(tmp_path, colours):
    image = noise(21, 34, colours, dtype=np.uint16)
    images.write(tmp_path / "a.png", image)
    data, content = (tmp_path / "a.png").read_bytes(), image[3, 4].astype(">u2").tobytes()
    chunk = b"tRNS" + content
    chunk = struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    result = images.read(tmp_path / "a.png")
    assert result.dtype == np.uint16 and images.header(tmp_path / "a.png") == (21, 34, 4, 16)
    np.testing.assert_array_equal(result[..., :3], np.broadcast_to(image, (21, 34, 3)))
    np.testing.assert_array_equal(result[..., 3] == 0, (image == image[3, 4]).all(axis=2))


def test_the_content_counts_not_the_name(tmp_path):
    image = noise(21, 34, 3)
    images.write(tmp_path / "a.png", image)
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(images.read(tmp_path / "a.jpg"), image)


def test_a_name_that_is_not_utf_8_can_be_printed(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="empty") as caught:
        images.read(path)
    str(caught.value).encode()


TRUNCATED = {
    "jpeg": encoded(RGB, "JPEG"),
    "progressive": encoded(RGB, "JPEG", progressive=True),
    "grey jpeg": encoded(RGB.convert("L"), "JPEG"),
    "png": encoded(RGB, "PNG"),
    "rgba png": encoded(RGB.convert("RGBA"), "PNG"),
    "webp": encoded(RGB, "WEBP"),
    "bmp": encoded(RGB, "BMP"),
    "tiff": encoded(RGB, "TIFF"),
    "rgba tiff": encoded(RGB.convert("RGBA"), "TIFF"),
}


@pytest.mark.parametrize("name", TRUNCATED)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_truncated_file_is_refused(tmp_path, name, share):
    path = tmp_path / "cut.png"
    path.write_bytes(TRUNCATED[name])
    images.read(path)
    path.write_bytes(TRUNCATED[name][: int(share * len(TRUNCATED[name]))])
    with pytest.raises(ValueError, match=r"cut\.png: the file is truncated"):
        images.read(path)


def test_a_size_out_of_bounds_is_refused_before_decoding(tmp_path, monkeypatch):
    def must_not_run(*_):
        raise AssertionError("decoded")

    head = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    body = b"IDAT" + zlib.compress(b"\0" * 1000)
    (tmp_path / "bomb.png").write_bytes(
        bomb + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    )
    images.write(tmp_path / "small.jpg", smooth())
    monkeypatch.setattr(cv2, "imdecode", must_not_run)
    with pytest.raises(ValueError, match=r"bomb\.png: 100000x100000 image is larger than max_pixels"):
        images.read(tmp_path / "bomb.png")
    with pytest.raises(ValueError, match=r"small\.jpg: 160x96 image is larger than max_pixels 100"):
        images.read(tmp_path / "small.jpg", max_pixels=100)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("empty.png", b"", "the file is empty"),
        ("text.jpg", b"hello, I am text", "not an image; readable: PNG"),
        ("anim.gif", encoded(RGB, "GIF"), "not an image; readable: PNG"),
        ("sound.webp", b"RIFF\x04\0\0\0WAVEfmt ", "truncated, damaged or"),
        ("float.tif", cv2.imencode(".tif", np.ones((4, 5), np.float32))[1].tobytes(), "floating numbers of 32 bits"),
        ("missing.png", None, "No such file"),
        ("pages.tif", encoded(RGB, "TIFF", save_all=True, append_images=[RGB]), "a TIFF of several pages"),
        ("anim.webp", encoded(RGB, "WEBP", save_all=True, append_images=[RGB.rotate(9)]), "an animation of 2 frames"),
        ("anim.png", encoded(RGB, "PNG", save_all=True, append_images=[RGB.rotate(9)]), "an animation of 2 frames"),
    ],
)
@pytest.mark.parametrize("function", [images.read, images.header])
def test_what_is_no_image_is_refused_with_a_sentence(tmp_path, name, data, sentence, function):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=sentence) as caught:
        function(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def tiff(path: Path, samples: int, photometric: int, extra: tuple[int, ...], *, subfile: int = 0) -> Path:
    """A TIFF of 8 bits, uncompressed: 5 x 4 pixels with that many samples, and where `subfile`, a second page."""
    tags = [(256, 5), (257, 4), (258, 8), (259, 1), (262, photometric), (273, 8), (277, samples), (278, 4)]
    tags += [(279, 20 * samples)] + ([(338, extra[0])] if extra else [])
    pixels, entry = bytes(range(20)) * samples, "<HHII"
    page = struct.pack("<H", len(tags)) + b"".join(struct.pack(entry, tag, 4, 1, value) for tag, value in tags)
    start = 8 + len(pixels)
    following = start + len(page) + 4 if subfile else 0
    data = b"II*\0" + struct.pack("<I", start) + pixels + page + struct.pack("<I", following)
    if subfile:
        tags = [(254, subfile), *tags]
        page = struct.pack("<H", len(tags)) + b"".join(struct.pack(entry, tag, 4, 1, value) for tag, value in tags)
        data += page + bytes(4)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("function", [images.read, images.header])
def test_samples_of_a_tiff_that_are_neither_colour_nor_alpha_are_refused(tmp_path, function):
    for samples, photometric in ((4, 2), (2, 1)):
        with pytest.raises(
            ValueError, match=f"{samples} samples a pixel, .*allowed: grey or RGB, with alpha or without"
        ):
            function(tiff(tmp_path / "bands.tif", samples, photometric, (0,)))


def test_a_smaller_copy_or_a_mask_behind_a_page_is_no_second_page(tmp_path):
    for kind in (1, 4):
        assert images.read(tiff(tmp_path / "copy.tif", 1, 1, (), subfile=kind)).shape == (4, 5, 1)
    with pytest.raises(ValueError, match="several pages"):
        images.read(tiff(tmp_path / "pages.tif", 1, 1, (), subfile=2))


def test_folders_and_pipes_are_refused_at_once(tmp_path):
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match=r"folder\.png: a folder"):
        images.read(tmp_path / "folder.png")
    with pytest.raises(ValueError, match=r"pipe\.png: a device or pipe"):
        images.read(tmp_path / "pipe.png")
