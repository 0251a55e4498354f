"""Mixed precision: the layers that cost the most stay in float32, no more than the target needs."""

import numpy as np
import pytest
import torch
from onnx import ModelProto

from i2i.data.world import draw_scene
from i2i.export.graph import InUnitRange, trace_generator
from i2i.export.int8 import Float
from i2i.export.mixed_precision import quantise_to
from i2i.networks.generators.srvgg import SRVGGNet


@pytest.fixture(scope="module")
def streets() -> list[Float]:
    scenes = [draw_scene(size=32, seed=0, index=index).real for index in range(3)]
    return [np.ascontiguousarray(scene.transpose(2, 0, 1)[None] / np.float32(255)) for scene in scenes]


@pytest.fixture(scope="module")
def fragile() -> ModelProto:
    """A network whose fourth layer gives one channel a hundred times as large, and whose fifth makes up for it."""
    torch.manual_seed(0)
    network = SRVGGNet(features=4, convolutions=6, scale=1, activation="relu")
    large, next_one = network.body[3][0], network.body[4][0]
    with torch.no_grad():
        large.weight[0] *= 100
        large.bias[0] *= 100
        next_one.weight[:, 0] /= 100
    return trace_generator(InUnitRange(network).eval(), opset=18)


def test_only_layers_that_eight_bits_damage_stay_in_float(fragile: ModelProto, streets: list[Float]) -> None:
    everything = quantise_to(fragile, streets, 50.0)
    assert (everything.layers, everything.floats) == (6, ())
    mixed = quantise_to(fragile, streets, 70.0)
    assert (mixed.layers, mixed.floats) == (5, ("body.3.0",))
    in_eight_bits = [
        node for node in mixed.model.graph.node if node.op_type == "Conv" and "Dequantize" in node.input[1]
    ]
    assert len(in_eight_bits) == mixed.layers


def test_a_target_out_of_reach_is_refused_with_what_is_reached(fragile: ModelProto, streets: list[Float]) -> None:
    with pytest.raises(ValueError, match=r"all layers in 8 bits reach \d+\.\d dB, and none can be at 150 dB"):
        quantise_to(fragile, streets, 150.0)
