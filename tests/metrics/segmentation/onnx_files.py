"""Segmenters in .onnx files whose labels are known."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# The class of a pixel is its largest channel; a fourth class is where none reaches 0.2.
WEIGHTS = np.concatenate([np.eye(3), np.zeros((1, 3))]).astype(np.float32).reshape(4, 3, 1, 1)
BIAS = np.array([0, 0, 0, 0.2], np.float32)


def picture(height: int = 12, width: int = 17, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def expected_labels(image: np.ndarray) -> np.ndarray:
    return np.where(image.max(2) / 255 < 0.2, 3, image.argmax(2))


def _constant(name: str, values: object, kind: type = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, kind), name)


def write_segmenter(
    path: Path,
    *,
    shape: tuple[object, ...] = (1, 3, "h", "w"),
    dtype: int = TensorProto.FLOAT,
    output: str = "logits",
    weights: np.ndarray = WEIGHTS,
    bias: np.ndarray = BIAS,
) -> Path:
    """Write an .onnx file of one convolution with input of `shape` and `dtype`, and logits or labels as `output`."""
    is_last = shape[3] == 3
    most = 255 if dtype == TensorProto.UINT8 else 1
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
        [helper.make_tensor_value_info("image", dtype, shape)],
        [outputs[output]],
        [_constant("weights", weights), _constant("bias", bias), _constant("most", most)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
