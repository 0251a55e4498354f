"""Whatever lies in a folder: each file becomes a result or a sentence, none a crash, and no other file is lost."""

import os
import socket
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from i2i_runtime import images
from i2i_runtime.card import Card
from i2i_runtime.folder import FolderOptions, translate_folder

CARD = Card(product="generator", in_channels=3, out_channels=3, scale=2)
RNG = np.random.default_rng(0)
PHOTO = Image.fromarray(cv2.resize(RNG.integers(0, 256, (6, 7, 3)).astype(np.uint8), (63, 41)))


def double(batch: np.ndarray) -> np.ndarray:
    return batch.repeat(2, axis=2).repeat(2, axis=3)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *chunks: bytes, bits: int = 8, colours: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x112] = orientation
    return tags


def noise(*shape: int, dtype=np.uint8) -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def stored(suffix: str, image: np.ndarray) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


PNG, JPEG, WEBP, TIFF, BMP = (encoded(PHOTO, kind) for kind in ("PNG", "JPEG", "WEBP", "TIFF", "BMP"))
FRAMES = [PHOTO, PHOTO.rotate(180)]
LONG = "n" * 251 + ".png"

# Become results, though some usual scripts stumble over them.
GOOD: dict[str, bytes] = {
    "good.png": PNG,
    "upper.PNG": PNG,
    "png called.jpg": PNG,
    "jpeg called.png": JPEG,
    "1x1.png": encoded(PHOTO.crop((0, 0, 1, 1)), "PNG"),
    "1x20000.png": encoded(PHOTO.resize((1, 20000)), "PNG"),
    "20000x1.jpg": encoded(PHOTO.resize((20000, 1)), "JPEG"),
    "cmyk.jpg": encoded(PHOTO.convert("CMYK"), "JPEG"),
    "cmyk.tif": encoded(PHOTO.convert("CMYK"), "TIFF"),
    "1 bit.png": encoded(PHOTO.convert("1"), "PNG"),
    "1 bit.tif": encoded(PHOTO.convert("1"), "TIFF", compression="group4"),
    "palette.png": encoded(PHOTO.quantize(9), "PNG"),
    "transparent palette.png": encoded(PHOTO.quantize(9), "PNG", transparency=2),
    "palette.bmp": encoded(PHOTO.quantize(9), "BMP"),
    "grey with alpha.png": encoded(PHOTO.convert("LA"), "PNG"),
    "16 bit.png": stored(".png", noise(9, 8, 3, dtype=np.uint16)),
    "16 bit with alpha.png": stored(".png", noise(9, 8, 4, dtype=np.uint16)),
    "16 bit grey.tif": stored(".tif", noise(9, 8, dtype=np.uint16)),
    "progressive.jpg": encoded(PHOTO, "JPEG", progressive=True),
    "grey.jpg": encoded(PHOTO.convert("L"), "JPEG"),
    "rotated.jpg": encoded(PHOTO, "JPEG", exif=exif(6)),
    "senseless rotation.jpg": encoded(PHOTO, "JPEG", exif=exif(99)),
    "damaged exif.jpg": encoded(PHOTO, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
    "senseless profile.png": encoded(PHOTO, "PNG", icc_profile=os.urandom(300)),
    "more after its end.jpg": JPEG + os.urandom(1000),
    "more after its end.png": PNG + bytes(1000),
    "lzw.tif": encoded(PHOTO, "TIFF", compression="tiff_lzw"),
    "name with\nnewline.png": PNG,
    "-rf %s $HOME;.png": PNG,
    "猫 🐈.png": PNG,
    "two.dots.png": PNG,
    LONG: PNG,
    os.fsdecode(b"caf\xe9.png"): PNG,
}

# Become a sentence in which this stands.
BAD: dict[str, tuple[bytes, str]] = {
    "empty.png": (b"", "the file is empty"),
    "truncated.png": (PNG[: len(PNG) // 2], "truncated"),
    "truncated.webp": (WEBP[: len(WEBP) // 2], "truncated"),
    "truncated.tif": (TIFF[: len(TIFF) // 2], "truncated"),
    "truncated.bmp": (BMP[:40], "truncated"),
    "cut after the header.png": (PNG[:33], "truncated"),
    "cut in the header.jpg": (JPEG[:20], "truncated"),
    "text.png": (b"no image\n", "not an image"),
    "error page.jpg": (b"<!DOCTYPE html><title>404</title>", "not an image"),
    "lfs pointer.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "not an image"),
    "gif called.png": (encoded(PHOTO, "GIF"), "not an image"),
    "svg called.png": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not an image"),
    "heic called.jpg": (b"\0\0\0\x18ftypheic" + bytes(99), "not an image"),
    "bytes.webp": (b"RIFF" + bytes(99), "truncated, damaged"),
    "100 megapixel header.png": (png(10_000, 10_000), "truncated, damaged"),
    "a million by a million.png": (png(10**6, 10**6), "larger than max_pixels"),
    "0x0.png": (png(0, 0), "truncated, damaged"),
    "damaged data.png": (png(9, 9, chunk(b"IDAT", b"no deflate stream")), "truncated, damaged"),
    "damaged header.png": (PNG[:20] + b"\xff\xff" + PNG[22:], "truncated, damaged"),
    "text bomb.png": (
        png(1, 1, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8), 9)), chunk(b"IDAT", b"")),
        "damaged",
    ),
    "animated.png": (encoded(PHOTO, "PNG", save_all=True, append_images=FRAMES), "an animation of"),
    "animated.webp": (encoded(PHOTO, "WEBP", save_all=True, append_images=FRAMES), "an animation of"),
    "pages.tif": (encoded(PHOTO, "TIFF", save_all=True, append_images=FRAMES), "a TIFF of several pages"),
    "floating.tif": (encoded(PHOTO.convert("F"), "TIFF"), "floating numbers of 32 bits"),
    "32 bit.tif": (encoded(PHOTO.convert("I"), "TIFF"), "numbers of 32 bits"),
    "endless directory.tif": (b"II*\0\x08\0\0\0" + struct.pack("<H", 65535), "truncated, damaged"),
    "alpha.png.jpg": (encoded(PHOTO.convert("RGBA"), "PNG"), ".jpg holds no alpha; write a .png"),
    "16 bit png called.jpg": (stored(".png", noise(9, 8, 3, dtype=np.uint16)), "holds 8 bits, not 16"),
}

# No files, but called so.
ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe.png": (os.mkfifo, "a device or pipe, not a file"),
    "dangling.png": (lambda path: path.symlink_to("nowhere"), "cannot be read (No such file"),
    "socket.png": (lambda path: _socket(path), "a device or pipe, not a file"),
    "device.png": (lambda path: path.symlink_to("/dev/zero"), "a device or pipe, not a file"),
}


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(path.parent, os.O_RDONLY)  # the path itself may be too long for a socket
        try:
            listener.bind(f"/proc/self/fd/{here}/{path.name}")
        finally:
            os.close(here)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "folder.png" / "deep").mkdir(parents=True)
    (folder / "folder.png" / "deep" / "inside.png").write_bytes(PNG)
    (folder / "loop.png").symlink_to(folder, target_is_directory=True)
    for name, data in GOOD.items():
        (folder / name).write_bytes(data)
    for name, (data, _) in BAD.items():
        (folder / name).write_bytes(data)
    for name, (make, _) in ODD.items():
        make(folder / name)
    return folder


@pytest.mark.skipif(not hasattr(os, "mkfifo") or not Path("/proc").exists(), reason="files that only Linux can have")
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (3, 2)])
def test_each_of_sixty_kinds_is_a_result_or_a_sentence(world: Path, batch: int, workers: int) -> None:
    assert len(GOOD) + len(BAD) + len(ODD) >= 60
    out = world.parent / "out"
    report = translate_folder(double, CARD, world, out, FolderOptions(batch=batch, workers=workers))
    sentences = {str(name): sentence for name, sentence in report.failed}
    for name, (_, said) in (BAD | ODD).items():
        sentence = sentences.pop(name)
        assert said in sentence and name in sentence and len(sentence.splitlines()) == 1, sentence
        assert not (out / name).exists()
    assert sentences == {}
    assert {str(name) for name in report.done} == {*GOOD, "folder.png/deep/inside.png"}
    assert not report.stopped
    for name in report.done:
        source, result = images.header(world / name), images.header(out / name)
        assert images.read(out / name).shape[:2] == (result.height, result.width)
        assert (result.height, result.width, result.bits) == (2 * source.height, 2 * source.width, source.bits)
    left = [path.name for path in out.rglob("*") if path.name.startswith(".")]
    assert left == [".i2i-manifest.jsonl"], "no part of a file is left"
    again = translate_folder(double, CARD, world, out)
    assert again.done == [] and [name for name, _ in again.failed] == [name for name, _ in report.failed]


def test_a_link_to_itself_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").symlink_to("a.png")
    (tmp_path / "in" / "b.png").write_bytes(PNG)
    report = translate_folder(double, CARD, tmp_path / "in", tmp_path / "out")
    assert report.done == [Path("b.png")] and "cannot be read (Too many levels" in report.failed[0][1]


def test_a_truncated_jpeg_is_never_a_silent_result(tmp_path: Path) -> None:
    """Decoders fill what is missing with grey, and say so on a channel of their own only."""
    (tmp_path / "a.jpg").write_bytes(JPEG[: len(JPEG) // 2])
    report = translate_folder(double, CARD, tmp_path / "a.jpg", tmp_path / "out")
    assert report.done == [] and "truncated" in report.failed[0][1]


def test_files_that_may_not_be_read_are_a_sentence(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(PNG)
    (tmp_path / "a.png").chmod(0)
    if os.access(tmp_path / "a.png", os.R_OK):
        pytest.skip("this user may read everything")
    report = translate_folder(double, CARD, tmp_path, tmp_path.with_name(tmp_path.name + "-out"))
    assert report.done == [Path("b.png")] and "cannot be read (Permission denied)" in report.failed[0][1]


@pytest.mark.parametrize("where", ["result", "carried"])
def test_names_that_get_too_long_are_a_sentence(tmp_path: Path, where: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / LONG).write_bytes(PNG)
    (tmp_path / "in" / "b.png").write_bytes(PNG)
    options = {"format": "webp"} if where == "result" else {"carry": [LONG[:9] + "*"]}
    report = translate_folder(double, CARD, tmp_path / "in", tmp_path / "out", FolderOptions(**options))
    assert report.done == [Path("b.png")]
    assert report.carried == [Path(LONG)] if where == "carried" else "File name too long" in report.failed[0][1]
