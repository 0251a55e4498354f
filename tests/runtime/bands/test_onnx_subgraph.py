"""A subgraph is a file of its own, with the nodes and weights that it needs and no others."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from i2i_runtime.bands.onnx_subgraph import OnnxGraph, ValueInfo


def model() -> onnx.ModelProto:
    """(x * two + long), at most two, * x, with a name of more than 127 letters and weights of two types."""
    node = helper.make_node
    nodes = [
        node("Mul", ["x", "two"], ["y"]),
        node("Cast", ["long" * 40], ["wide"], to=1),
        node("Add", ["y", "wide"], ["z"]),
        node("Clip", ["z", "", "two"], ["clipped"]),
        node("Mul", ["clipped", "x"], ["end"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1, "h", "w"]) for name in ("x", "end")]
    weights = [
        numpy_helper.from_array(np.array(2, np.float32), "two"),
        numpy_helper.from_array(np.full((1, 1, 1, 300), 0.5, np.float16), "long" * 40),
    ]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], weights, doc_string="a" * 200)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"key": "value"})
    return model


def run(file: bytes, **given: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, given)[0]


def test_subgraphs_one_after_the_other_give_the_result_of_the_graph() -> None:
    file = model().SerializeToString()
    x = np.random.default_rng(0).random((1, 1, 4, 300), np.float32)
    graph = OnnxGraph(file)
    y = run(graph.subgraph([ValueInfo("x", 1)], ValueInfo("y", 1)), x=x)
    np.testing.assert_array_equal(y, 2 * x)
    np.testing.assert_array_equal(
        run(graph.subgraph([ValueInfo("x", 1), ValueInfo("y", 1)], ValueInfo("end", 1)), x=x, y=y), run(file, x=x)
    )


def test_a_subgraph_has_the_nodes_and_weights_that_it_needs() -> None:
    subgraph = onnx.load_from_string(
        OnnxGraph(model().SerializeToString()).subgraph([ValueInfo("y", 1)], ValueInfo("z", 1))
    )
    onnx.checker.check_model(subgraph)
    assert [node.op_type for node in subgraph.graph.node] == ["Cast", "Add"]
    assert [tensor.name for tensor in subgraph.graph.initializer] == ["long" * 40]
    assert [end.name for end in (*subgraph.graph.input, *subgraph.graph.output)] == ["y", "z"]
    assert subgraph.ir_version == 10 and subgraph.opset_import[0].version == 18
    assert not subgraph.metadata_props and not subgraph.graph.doc_string


def test_weights_are_read_in_both_precisions() -> None:
    graph = OnnxGraph(model().SerializeToString())
    np.testing.assert_array_equal(graph.weights("two"), np.full(1, 2, np.float32))
    np.testing.assert_array_equal(graph.weights("long" * 40), np.full(300, 0.5, np.float32))
