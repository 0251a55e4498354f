"""Segmenters in .onnx files of every allowed kind give the same labels; others raise."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from onnx import TensorProto
from torch.nn import functional as F

from i2i.metrics.segmentation.onnx_segmenter import OnnxSegmenter
from i2i.metrics.segmentation.segmenter import IMAGENET_MEAN, IMAGENET_STD, load_segmenter
from tests.metrics.segmentation.onnx_files import BIAS, WEIGHTS, expected_labels, picture, write_segmenter


@pytest.mark.parametrize("output", ["logits", "labels", "kept"])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((1, 3, "h", "w"), TensorProto.FLOAT),
        ((1, 3, 12, 17), TensorProto.FLOAT),
        (("n", 3, "h", "w"), TensorProto.FLOAT),
        ((1, "h", "w", 3), TensorProto.UINT8),
        ((1, 3, "h", "w"), TensorProto.UINT8),
        ((1, "h", "w", 3), TensorProto.FLOAT),
    ],
)
def test_every_input_layout_and_output_gives_the_same_labels(
    shape: tuple[object, ...], dtype: int, output: str, tmp_path: Path
) -> None:
    segmenter = load_segmenter(str(write_segmenter(tmp_path / "a.onnx", shape=shape, dtype=dtype, output=output)))
    assert segmenter.classes == (4 if output == "logits" else None)
    np.testing.assert_array_equal(segmenter(picture()), expected_labels(picture()))


def test_half_floats_are_accepted(tmp_path: Path) -> None:
    segmenter = load_segmenter(str(write_segmenter(tmp_path / "a.onnx", dtype=TensorProto.FLOAT16)))
    assert (segmenter(picture()) == expected_labels(picture())).mean() > 0.98


def test_images_are_resized_to_a_fixed_input_and_logits_back(tmp_path: Path) -> None:
    image = cv2.resize(picture(5, 5), (64, 48), interpolation=cv2.INTER_CUBIC)
    fixed = load_segmenter(str(write_segmenter(tmp_path / "fixed.onnx", shape=(1, 3, 24, 32))))
    chosen = load_segmenter(str(write_segmenter(tmp_path / "dynamic.onnx")), size=(32, 24))
    assert fixed(image).shape == (48, 64)
    np.testing.assert_array_equal(fixed(image), chosen(image))
    assert (fixed(image) == expected_labels(image)).mean() > 0.95
    # Against torch's bilinear resizing of logits.
    small = torch.from_numpy(cv2.resize(image, (32, 24), interpolation=cv2.INTER_AREA)).permute(2, 0, 1)[None] / 255
    logits = F.conv2d(small, torch.from_numpy(WEIGHTS), torch.from_numpy(BIAS))
    theirs = F.interpolate(logits, (48, 64), mode="bilinear").argmax(1)[0].numpy()
    assert (fixed(image) == theirs).mean() > 0.995  # the others are ties up to rounding


def test_labels_are_resized_without_new_classes(tmp_path: Path) -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, 20:, 2] = 255  # classes 3 and 2, and nothing between
    segmenter = load_segmenter(str(write_segmenter(tmp_path / "a.onnx", shape=(1, 3, 20, 20), output="labels")))
    np.testing.assert_array_equal(segmenter(image), expected_labels(image))


def test_mean_and_std_normalise_the_input(tmp_path: Path) -> None:
    # A network on normalised values that gives the same logits as one on plain ones.
    mean, std = (np.array(values, np.float32) for values in (IMAGENET_MEAN, IMAGENET_STD))
    weights = WEIGHTS * std.reshape(1, 3, 1, 1)
    bias = BIAS + (WEIGHTS[..., 0, 0] * mean).sum(1)
    file = str(write_segmenter(tmp_path / "a.onnx", weights=weights, bias=bias))
    normalised = load_segmenter(file, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    assert (normalised(picture()) == expected_labels(picture())).mean() > 0.99  # up to ties and rounding
    assert (load_segmenter(file)(picture()) == expected_labels(picture())).mean() < 0.9


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"shape": (1, 1, "h", "w"), "weights": WEIGHTS[:, :1]}, "takes tensor"),
        ({"shape": (4, 3, "h", "w")}, "allowed: float"),
        ({"shape": (1, "c", "h", 4), "dtype": TensorProto.UINT8}, "allowed: float"),
        ({"dtype": TensorProto.INT64}, "allowed: float"),
    ],
)
def test_inputs_other_than_a_colour_image_raise(options: dict, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        OnnxSegmenter(write_segmenter(tmp_path / "a.onnx", **options))


def test_logits_of_one_class_raise(tmp_path: Path) -> None:
    segmenter = OnnxSegmenter(write_segmenter(tmp_path / "a.onnx", weights=WEIGHTS[:1], bias=BIAS[:1]))
    with pytest.raises(ValueError, match=r"gives float32 of shape \(1, 12, 17\)"):
        segmenter(picture())


def test_wrong_options_raise(tmp_path: Path) -> None:
    plain = write_segmenter(tmp_path / "a.onnx")
    for options, sentence in (
        ({"mean": (0.5,)}, "three numbers"),
        ({"std": (1, 0, 1)}, "has a 0"),
        ({"size": (0, 8)}, "size 0x8"),
    ):
        with pytest.raises(ValueError, match=sentence):
            OnnxSegmenter(plain, **options)
    with pytest.raises(ValueError, match="size 8x8; allowed for this file: 17x12"):
        OnnxSegmenter(write_segmenter(tmp_path / "b.onnx", shape=(1, 3, 12, 17)), size=(8, 8))
    pixels = write_segmenter(tmp_path / "c.onnx", shape=(1, "h", "w", 3), dtype=TensorProto.UINT8)
    with pytest.raises(ValueError, match="this one takes uint8"):
        OnnxSegmenter(pixels, mean=IMAGENET_MEAN)


def test_a_missing_or_broken_file_raises(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone\.onnx: no such file"):
        load_segmenter(str(tmp_path / "gone.onnx"))
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"bad\.onnx: not a file that ONNX Runtime can run"):
        load_segmenter(str(tmp_path / "bad.onnx"))
