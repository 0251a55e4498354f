"""Graphs in opsets below the lowest that the exporter writes, where their operators meant the same then.

What each version of an operator changed: https://onnx.ai/onnx/operators.
"""

from collections.abc import Sequence

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, defs, helper, numpy_helper

# Operators that opsets 16 to 18 gave types, inputs and options which graphs of ours do not use: the options are left at
# the values that were the only ones before, or (None) repeat what the graph says anyway.
_SAME_BEFORE: dict[str, dict[str, object]] = {
    "LeakyRelu": {},
    "PRelu": {},
    "Where": {},
    "Pad": {},
    "Resize": {"antialias": 0, "keep_aspect_ratio_policy": b"stretch"},
    "Split": {"num_outputs": None},
}
# Operators whose axes opset 18 made an input
_REDUCTIONS = {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
               "ReduceProd", "ReduceSumSquare"}  # fmt: skip


def lower_opset(model: ModelProto, opset: int) -> None:
    """Rewrite a graph in an earlier opset. Raises ValueError that names an operator which needs a later one."""
    (version,) = (each for each in model.opset_import if not each.domain)
    for node in model.graph.node:
        since = defs.get_schema(node.op_type, version.version).since_version
        if since > opset and not _lower(node, model.graph, opset):
            raise ValueError(f"opset: the network has {node.op_type} as of opset {since}, which {opset} does not have")
    version.version = opset


def _lower(node: NodeProto, graph: GraphProto, opset: int) -> bool:
    """Rewrite a node as of an earlier opset; False where it means something else there."""
    if node.op_type in _REDUCTIONS:
        return _axes_as_option(node, graph)
    if node.op_type not in _SAME_BEFORE:
        return False
    before, droppable = defs.get_schema(node.op_type, opset), _SAME_BEFORE[node.op_type]
    for each in (each for each in node.attribute if each.name not in before.attributes):
        if each.name not in droppable or droppable[each.name] not in (None, helper.get_attribute_value(each)):
            return False
    if any(node.input[before.max_input :]):
        return False
    del node.input[before.max_input :]
    _keep(node, [each for each in node.attribute if each.name in before.attributes])
    return True


def _axes_as_option(node: NodeProto, graph: GraphProto) -> bool:
    """Give a reduction its axes as an option; False where they are not constant."""
    names = [name for name in node.input[1:] if name]
    axes = [numpy_helper.to_array(each).tolist() for each in graph.initializer if each.name in names]
    if len(axes) != len(names):
        return False
    del node.input[1:]
    _keep(node, [each for each in node.attribute if each.name != "noop_with_empty_axes"])
    node.attribute.extend(helper.make_attribute("axes", each) for each in axes)
    return True


def _keep(node: NodeProto, attributes: Sequence[AttributeProto]) -> None:
    copies = [AttributeProto.FromString(each.SerializeToString()) for each in attributes]
    del node.attribute[:]
    node.attribute.extend(copies)
