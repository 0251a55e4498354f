"""EXIF rotation is applied, and colour profiles are kept where they speak of such colours."""

import zlib
from itertools import product
from struct import pack

import numpy as np
import pytest
from PIL import Image

from i2i_runtime import images
from tests.runtime.pictures import encoded, noise, smooth, srgb_profile

MODES = ["L", "RGB", "RGBA"]


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
    path.write_bytes(encoded(stored, kind, exif=exif, **options))
    result, expected = images.read(path), np.asarray(upright.convert("RGB" if mode == "L" else mode))
    assert images.header(path)[:3] == result.shape
    difference = np.abs(images.with_channels(result, expected.shape[2]).astype(int) - expected)
    assert difference.max() <= (4 if kind == "JPEG" else 0)


def test_16_bit_alpha_is_rotated_too(tmp_path):
    image = noise(21, 34, 4, dtype=np.uint16)
    images.write(tmp_path / "a.png", image)
    data = (tmp_path / "a.png").read_bytes()
    exif = Image.Exif()
    exif[0x112] = 6
    body = b"eXIf" + exif.tobytes()[6:]
    chunk = pack(">I", len(body) - 4) + body + pack(">I", zlib.crc32(body))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])  # behind the header chunk
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), np.rot90(image, -1))
    assert images.header(tmp_path / "a.png") == (34, 21, 4, 16)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_colour_profiles_of_16_bit_images_are_kept(tmp_path, suffix):
    image = noise(20, 30, 3, dtype=np.uint16)
    images.write(tmp_path / f"a{suffix}", image, metadata=images.Metadata(profile=srgb_profile()))
    np.testing.assert_array_equal(images.read(tmp_path / f"a{suffix}"), image)
    assert images.read_with_metadata(tmp_path / f"a{suffix}").metadata.profile == srgb_profile()


def test_a_profile_of_other_channels_is_left_out(tmp_path):
    grey = srgb_profile()[:16] + b"GRAY" + srgb_profile()[20:]
    images.write(tmp_path / "a.png", noise(4, 4, 1), metadata=images.Metadata(profile=grey))
    assert images.read_with_metadata(tmp_path / "a.png").metadata.profile == grey
    images.write(tmp_path / "b.png", noise(4, 4, 3), metadata=images.Metadata(profile=grey))
    images.write(tmp_path / "c.png", noise(4, 4, 1), metadata=images.Metadata(profile=srgb_profile()))
    assert (
        images.read_with_metadata(tmp_path / "b.png").metadata.profile
        == images.read_with_metadata(tmp_path / "c.png").metadata.profile
        == b""
    )
