"""Segmenters of every allowed kind say the same of an image, and others are refused in a sentence."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional as F

from i2i.metrics.segmenter import IMAGENET_MEAN, IMAGENET_STD, OnnxSegmenter, load_segmenter

# The class of a pixel is its largest channel; a fourth class is where none reaches 0.2.
WEIGHTS = np.concatenate([np.eye(3), np.zeros((1, 3))]).astype(np.float32).reshape(4, 3, 1, 1)
BIAS = np.array([0, 0, 0, 0.2], np.float32)


def picture(height: int = 12, width: int = 17, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def expected(image: np.ndarray) -> np.ndarray:
    return np.where(image.max(2) / 255 < 0.2, 3, image.argmax(2))


def constant(name: str, values: object, kind: type = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, kind), name)


def made(
    path: Path,
    *,
    shape: tuple[object, ...] = (1, 3, "h", "w"),
    kind: int = TensorProto.FLOAT,
    gives: str = "logits",
    weights: np.ndarray = WEIGHTS,
    bias: np.ndarray = BIAS,
) -> Path:
    """A segmenter of one convolution in an .onnx file that takes `shape` of `kind` and gives logits or labels."""
    is_last = shape[3] == 3
    most = 255 if kind == TensorProto.UINT8 else 1
    nodes = [helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT)]
    nodes.append(helper.make_node("Transpose", ["float"], ["first"], perm=[0, 3, 1, 2] if is_last else [0, 1, 2, 3]))
    nodes.append(helper.make_node("Div", ["first", "most"], ["values"]))
    nodes.append(helper.make_node("Conv", ["values", "weights", "bias"], ["logits"]))
    nodes.append(helper.make_node("ArgMax", ["logits"], ["kept"], axis=1))
    nodes.append(helper.make_node("ArgMax", ["logits"], ["labels"], axis=1, keepdims=0))
    rows, columns = shape[1:3] if is_last else shape[2:]
    outputs = {
        "logits": helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, len(weights), rows, columns)),
        "kept": helper.make_tensor_value_info("kept", TensorProto.INT64, (1, 1, rows, columns)),
        "labels": helper.make_tensor_value_info("labels", TensorProto.INT64, (1, rows, columns)),
    }
    graph = helper.make_graph(
        nodes,
        "segmenter",
        [helper.make_tensor_value_info("image", kind, shape)],
        [outputs[gives]],
        [constant("weights", weights), constant("bias", bias), constant("most", most)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("gives", ["logits", "labels", "kept"])
@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((1, 3, "h", "w"), TensorProto.FLOAT),
        ((1, 3, 12, 17), TensorProto.FLOAT),
        (("n", 3, "h", "w"), TensorProto.FLOAT),
        ((1, "h", "w", 3), TensorProto.UINT8),
        ((1, 3, "h", "w"), TensorProto.UINT8),
        ((1, "h", "w", 3), TensorProto.FLOAT),
    ],
)
def test_every_layout_sees_the_same(shape: tuple[object, ...], kind: int, gives: str, tmp_path: Path) -> None:
    segmenter = load_segmenter(str(made(tmp_path / "a.onnx", shape=shape, kind=kind, gives=gives)))
    assert segmenter.classes == (4 if gives == "logits" else None)
    np.testing.assert_array_equal(segmenter(picture()), expected(picture()))


def test_half_floats_are_taken(tmp_path: Path) -> None:
    segmenter = load_segmenter(str(made(tmp_path / "a.onnx", kind=TensorProto.FLOAT16)))
    assert (segmenter(picture()) == expected(picture())).mean() > 0.98


def test_a_segmenter_of_another_size_is_given_it_and_its_logits_come_back(tmp_path: Path) -> None:
    image = cv2.resize(picture(5, 5), (64, 48), interpolation=cv2.INTER_CUBIC)
    fixed = load_segmenter(str(made(tmp_path / "fixed.onnx", shape=(1, 3, 24, 32))))
    asked = load_segmenter(str(made(tmp_path / "dynamic.onnx")), size=(32, 24))
    assert fixed(image).shape == (48, 64)
    np.testing.assert_array_equal(fixed(image), asked(image))
    assert (fixed(image) == expected(image)).mean() > 0.95
    # As torch resizes logits.
    small = torch.from_numpy(cv2.resize(image, (32, 24), interpolation=cv2.INTER_AREA)).permute(2, 0, 1)[None] / 255
    logits = F.conv2d(small, torch.from_numpy(WEIGHTS), torch.from_numpy(BIAS))
    theirs = F.interpolate(logits, (48, 64), mode="bilinear").argmax(1)[0].numpy()
    assert (fixed(image) == theirs).mean() > 0.995  # the rest are ties but for rounding


def test_labels_of_another_size_come_back_without_new_classes(tmp_path: Path) -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, 20:, 2] = 255  # classes 3 and 2, and nothing between
    segmenter = load_segmenter(str(made(tmp_path / "a.onnx", shape=(1, 3, 20, 20), gives="labels")))
    np.testing.assert_array_equal(segmenter(image), expected(image))


def test_mean_and_std_undo_what_the_network_expects(tmp_path: Path) -> None:
    # A network on normalised values that gives the same logits as one on plain ones.
    mean, std = (np.array(values, np.float32) for values in (IMAGENET_MEAN, IMAGENET_STD))
    weights = WEIGHTS * std.reshape(1, 3, 1, 1)
    bias = BIAS + (WEIGHTS[..., 0, 0] * mean).sum(1)
    file = str(made(tmp_path / "a.onnx", weights=weights, bias=bias))
    normalised = load_segmenter(file, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    assert (normalised(picture()) == expected(picture())).mean() > 0.99  # but for ties and rounding
    assert (load_segmenter(file)(picture()) == expected(picture())).mean() < 0.9


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"shape": (1, 1, "h", "w"), "weights": WEIGHTS[:, :1]}, "takes tensor"),
        ({"shape": (4, 3, "h", "w")}, "allowed: float"),
        ({"shape": (1, "c", "h", 4), "kind": TensorProto.UINT8}, "allowed: float"),
        ({"kind": TensorProto.INT64}, "allowed: float"),
    ],
)
def test_what_takes_no_colour_image_is_refused(options: dict, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        OnnxSegmenter(made(tmp_path / "a.onnx", **options))


def test_one_channel_of_logits_is_no_choice_of_classes(tmp_path: Path) -> None:
    segmenter = OnnxSegmenter(made(tmp_path / "a.onnx", weights=WEIGHTS[:1], bias=BIAS[:1]))
    with pytest.raises(ValueError, match=r"gives float32 of shape \(1, 12, 17\)"):
        segmenter(picture())


def test_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    plain = made(tmp_path / "a.onnx")
    for options, sentence in (
        ({"mean": (0.5,)}, "three numbers"),
        ({"std": (1, 0, 1)}, "has a 0"),
        ({"size": (0, 8)}, "size 0x8"),
    ):
        with pytest.raises(ValueError, match=sentence):
            OnnxSegmenter(plain, **options)
    with pytest.raises(ValueError, match="size 8x8; allowed for this file: 17x12"):
        OnnxSegmenter(made(tmp_path / "b.onnx", shape=(1, 3, 12, 17)), size=(8, 8))
    pixels = made(tmp_path / "c.onnx", shape=(1, "h", "w", 3), kind=TensorProto.UINT8)
    with pytest.raises(ValueError, match="this one takes uint8"):
        OnnxSegmenter(pixels, mean=IMAGENET_MEAN)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone\.onnx: no such file"):
        load_segmenter(str(tmp_path / "gone.onnx"))
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"bad\.onnx: not a file that ONNX Runtime can run"):
        load_segmenter(str(tmp_path / "bad.onnx"))


def test_a_function_in_a_file_is_a_segmenter(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def largest(image):\n    return image.argmax(2)\nlimit = 3\n")
    segmenter = load_segmenter(f"{file}:largest")
    np.testing.assert_array_equal(segmenter(picture()), picture().argmax(2))
    for name, sentence in (
        (f"{file}:limit", "no function 'limit'"),
        (f"{file}:missing", "no function 'missing'"),
        (f"{tmp_path}/gone.py:largest", "no file"),
    ):
        with pytest.raises(ValueError, match=sentence):
            load_segmenter(name)


def test_a_function_in_a_module_is_a_segmenter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_segmenters.py").write_text("def darkest(image):\n    return image.argmin(2)\n")
    monkeypatch.syspath_prepend(tmp_path)
    np.testing.assert_array_equal(load_segmenter("my_segmenters:darkest")(picture()), picture().argmin(2))
    with pytest.raises(ValueError, match="ModuleNotFoundError"):
        load_segmenter("no_such_module_at_all:f")


@pytest.mark.parametrize("body", ["image / 255", "image.argmax(2).astype(float)", "image.argmax(2)[1:]", "None"])
def test_a_function_that_gives_no_label_map_is_refused(body: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"def f(image):\n    return {body}\n")
    with pytest.raises(ValueError, match=r"mine\.py:f: gave .*; allowed: whole numbers of shape \(12, 17\)"):
        load_segmenter(f"{file}:f")(picture())


def test_a_function_takes_no_normalisation_and_other_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"are for \.onnx files"):
        load_segmenter("mine.py:f", mean=IMAGENET_MEAN)
    for name in ("model.pt", "mine.py", "mine.py:", ":f"):
        with pytest.raises(ValueError, match=r"allowed: a file\.onnx, file\.py:function or module:function"):
            load_segmenter(name)
