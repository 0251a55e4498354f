"""Image files: what is written is read, what cannot be read is refused with a sentence that names the file."""

import os
import zlib
from io import BytesIO
from itertools import product
from pathlib import Path
from struct import pack

import cv2
import numpy as np
import pytest
from PIL import Image

from i2i_runtime import images

RNG = np.random.default_rng(0)
KINDS = [(dtype, channels) for dtype in (np.uint8, np.uint16) for channels in (1, 3, 4)]
MODES = ["L", "RGB", "RGBA"]
LOSSLESS = [".png", ".tif", ".tiff", ".bmp", ".PNG"]


def noise(channels: int, dtype=np.uint8, height: int = 21, width: int = 34) -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


def smooth(channels: int = 3, height: int = 96, width: int = 160) -> np.ndarray:
    ramp = np.linspace(0, 255, height * width * channels).reshape(height, width, channels)
    return cv2.GaussianBlur(ramp, (0, 0), 3).reshape(ramp.shape).astype(np.uint8)


def pillow_bytes(image: Image.Image, kind: str, **options) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_what_is_written_is_read(tmp_path, suffix, dtype, channels):
    path, image = tmp_path / f"a{suffix}", noise(channels, dtype)
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
    path, image = tmp_path / "a.webp", noise(channels)
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


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "L"), ("JPEG", "RGB"), *product(["PNG", "WEBP", "TIFF"], MODES)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path, kind, mode, orientation):
    upright = Image.fromarray(smooth(4)).convert(mode)
    # What a camera held that way stores: the inverse of what the tag asks for.
    turns = [None, 0, 3, 1, 5, 2, 6, 4]  # Image.Transpose by orientation
    stored = upright if orientation == 1 else upright.transpose(turns[orientation - 1])
    exif = Image.Exif()
    exif[0x112] = orientation
    options = {"WEBP": {"lossless": True, "exact": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
    path = tmp_path / "a.png"
    path.write_bytes(pillow_bytes(stored, kind, exif=exif, **options))
    result, expected = images.read(path), np.asarray(upright.convert("RGB" if mode == "L" else mode))
    assert images.header(path)[:3] == result.shape
    difference = np.abs(images.with_channels(result, expected.shape[2]).astype(int) - expected)
    assert difference.max() <= (4 if kind == "JPEG" else 0)


def test_16_bit_alpha_is_rotated_too(tmp_path):
    image = noise(4, np.uint16)
    images.write(tmp_path / "a.png", image)
    data = (tmp_path / "a.png").read_bytes()
    exif = Image.Exif()
    exif[0x112] = 6
    body = b"eXIf" + exif.tobytes()[6:]
    chunk = pack(">I", len(body) - 4) + body + pack(">I", zlib.crc32(body))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])  # behind the header chunk
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), np.rot90(image, -1))
    assert images.header(tmp_path / "a.png") == (34, 21, 4, 16)


RGB = Image.fromarray(smooth())
PALETTE = RGB.quantize(16)
ODD_KINDS = {
    "palette png": (pillow_bytes(PALETTE, "PNG"), PALETTE.convert("RGB")),
    "palette tiff": (pillow_bytes(PALETTE, "TIFF"), PALETTE.convert("RGB")),
    "palette bmp": (pillow_bytes(PALETTE, "BMP"), PALETTE.convert("RGB")),
    "1-bit png": (pillow_bytes(RGB.convert("1"), "PNG"), RGB.convert("1").convert("L")),
    "1-bit tiff": (pillow_bytes(RGB.convert("1"), "TIFF"), RGB.convert("1").convert("L")),
    "1-bit bmp": (pillow_bytes(RGB.convert("1"), "BMP"), RGB.convert("1").convert("L")),
    "grey and alpha png": (pillow_bytes(RGB.convert("LA"), "PNG"), RGB.convert("LA").convert("RGBA")),
    "grey and alpha tiff": (pillow_bytes(RGB.convert("LA"), "TIFF"), RGB.convert("LA").convert("RGBA")),
    "cmyk tiff": (pillow_bytes(RGB.convert("CMYK"), "TIFF"), RGB),
    "animated png": (pillow_bytes(RGB, "PNG", save_all=True, append_images=[RGB.rotate(180)]), RGB),
    "animated webp": (
        pillow_bytes(RGB, "WEBP", lossless=True, save_all=True, append_images=[RGB.rotate(180)]),
        RGB.convert("RGBA"),  # animations declare alpha
    ),
    "pages of tiff": (pillow_bytes(RGB, "TIFF", save_all=True, append_images=[RGB.rotate(180)]), RGB),
    "1x1": (pillow_bytes(RGB.resize((1, 1)), "PNG"), RGB.resize((1, 1))),
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
    (tmp_path / "a.png").write_bytes(pillow_bytes(image, "PNG", transparency=value))
    result = images.read(tmp_path / "a.png")
    np.testing.assert_array_equal(result[..., 3], np.where(np.asarray(image) == value, 0, 255))
    assert images.header(tmp_path / "a.png").channels == 4


def test_cmyk_jpeg_is_read_as_rgb(tmp_path):
    (tmp_path / "a.jpg").write_bytes(pillow_bytes(RGB.convert("CMYK"), "JPEG", quality=98))
    assert np.abs(images.read(tmp_path / "a.jpg").astype(int) - np.asarray(RGB)).mean() < 2


def test_alpha_of_a_tiff_does_not_darken_its_colours(tmp_path):
    image = noise(4)
    (tmp_path / "a.tif").write_bytes(pillow_bytes(Image.fromarray(image), "TIFF"))
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), image)


def test_the_content_counts_not_the_name(tmp_path):
    image = noise(3)
    images.write(tmp_path / "a.png", image)
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(images.read(tmp_path / "a.jpg"), image)


@pytest.mark.parametrize("name", ["with space.png", "猫 и кот.png", "a%d.png", "x" * 251 + ".png"])
def test_any_name_is_written_and_read(tmp_path, name):
    image = noise(3)
    images.write(tmp_path / name, image)
    np.testing.assert_array_equal(images.read(tmp_path / name), image)
    assert images.list_images(tmp_path) == [Path(name)]


def test_a_name_that_is_not_utf_8_can_be_told(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="empty") as caught:
        images.read(path)
    str(caught.value).encode()


TRUNCATED = {
    "jpeg": pillow_bytes(RGB, "JPEG"),
    "progressive": pillow_bytes(RGB, "JPEG", progressive=True),
    "grey jpeg": pillow_bytes(RGB.convert("L"), "JPEG"),
    "png": pillow_bytes(RGB, "PNG"),
    "rgba png": pillow_bytes(RGB.convert("RGBA"), "PNG"),
    "webp": pillow_bytes(RGB, "WEBP"),
    "bmp": pillow_bytes(RGB, "BMP"),
    "tiff": pillow_bytes(RGB, "TIFF"),
    "rgba tiff": pillow_bytes(RGB.convert("RGBA"), "TIFF"),
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

    head = b"IHDR" + pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + pack(">I", 13) + head + pack(">I", zlib.crc32(head))
    body = b"IDAT" + zlib.compress(b"\0" * 1000)
    (tmp_path / "bomb.png").write_bytes(bomb + pack(">I", len(body) - 4) + body + pack(">I", zlib.crc32(body)))
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
        ("anim.gif", pillow_bytes(RGB, "GIF"), "not an image; readable: PNG"),
        ("sound.webp", b"RIFF\x04\0\0\0WAVEfmt ", "truncated, damaged or"),
        ("float.tif", cv2.imencode(".tif", np.ones((4, 5), np.float32))[1].tobytes(), "floating numbers of 32 bits"),
        ("missing.png", None, "No such file"),
    ],
)
@pytest.mark.parametrize("function", [images.read, images.header])
def test_what_is_no_image_is_refused_with_a_sentence(tmp_path, name, data, sentence, function):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=sentence) as caught:
        function(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_folders_and_pipes_are_refused_at_once(tmp_path):
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match=r"folder\.png: a folder"):
        images.read(tmp_path / "folder.png")
    with pytest.raises(ValueError, match=r"pipe\.png: a device or pipe"):
        images.read(tmp_path / "pipe.png")


def test_a_failed_write_leaves_neither_a_part_nor_a_loss(tmp_path, monkeypatch):
    image = noise(3)
    images.write(tmp_path / "a.png", image)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        images.write(tmp_path / "a.png", noise(3))
    assert os.listdir(tmp_path) == ["a.png"]
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), image)


@pytest.mark.parametrize(
    ("name", "image", "sentence"),
    [
        ("a.jpg", noise(3, np.uint16), r"\.jpg holds 8 bits, not 16; choose from: \.png"),
        ("a.webp", noise(3, np.uint16), r"\.webp holds 8 bits"),
        ("a.jpeg", noise(4), r"\.jpeg holds no alpha"),
        ("a.xyz", noise(3), r"cannot write \.xyz; choose from: \.png"),
        ("a", noise(3), "cannot write without a suffix"),
        ("a.png", noise(2), r"shape \(21, 34, 2\)"),
        ("a.png", np.ones((3, 4, 3), np.float32), "cannot write float32"),
        ("a.png", np.ones((0, 4, 3), np.uint8), "at least one pixel"),
        ("a.webp", np.ones((2, 20000, 3), np.uint8), r"20000x2 is too large for \.webp"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path, name, image, sentence):
    with pytest.raises(ValueError, match=sentence):
        images.write(tmp_path / name, image)
    assert os.listdir(tmp_path) == []


def test_images_are_listed_in_natural_order_without_hidden_ones(tmp_path):
    names = ["10.png", "2.PNG", "a/1.JPeG", "a/b/3.tif", "b2/x.bmp", "b10/x.webp", "z.tiff"]
    for name in [*names, ".hidden.png", ".git/a.png", "notes.txt", "a/png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert images.list_images(tmp_path) == [Path(n) for n in ("2.PNG", "10.png", *names[2:])]


def test_links_are_followed_but_not_in_circles(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "1.png").touch()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "z")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    assert images.list_images(tmp_path) == [Path("b/1.png"), Path("dangling.png"), Path("z/1.png")]


def test_a_missing_folder_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        images.list_images(tmp_path / "nowhere")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_level_survives_the_way_through_floats(dtype):
    levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(1, -1, 1)
    floats = images.to_float(levels)
    assert floats.dtype == np.float32
    assert floats.min() == 0
    assert floats.max() == 1
    np.testing.assert_array_equal(images.from_float(floats, dtype), levels)


def test_floats_are_rounded_and_clipped():
    floats = np.array([-0.5, 0.4999 / 255, 0.5001 / 255, 254.9 / 255, 1.5], np.float32)
    assert images.from_float(floats, np.uint8).tolist() == [0, 0, 1, 255, 255]
    assert images.from_float(floats, np.float32).max() == 1
    with pytest.raises(ValueError, match="int64; allowed"):
        images.to_float(np.arange(3))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_channels_are_converted(dtype):
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    grey = (np.arange(12).reshape(3, 4, 1) * full / 11).astype(dtype)
    for channels in (1, 3, 4):
        back = images.with_channels(images.with_channels(grey, channels), 1)
        np.testing.assert_allclose(back, grey, rtol=1e-6)
    assert (images.with_channels(grey, 4)[..., 3] == full).all()
    green = np.zeros((1, 1, 3), dtype)
    green[..., 1] = full
    # ITU-R BT.601 luma
    assert images.with_channels(green, 1).item() == pytest.approx(0.587 * full, abs=0.5 if full > 1 else 1e-6)
    with pytest.raises(ValueError, match="cannot make 2 channels of 3"):
        images.with_channels(green, 2)
