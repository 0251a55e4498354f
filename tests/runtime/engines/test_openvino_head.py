"""The last convolution is drawn anew where that pays, and the result is the same."""

from pathlib import Path

import numpy as np
import pytest
import torch

from i2i.checkpoints.card import card_of
from i2i.export import export
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.rrdb import RRDBNet
from i2i.networks.generators.srvgg import SRVGGNet
from i2i.networks.generators.unet import UnetGenerator
from i2i_runtime.engines import open_model
from i2i_runtime.engines.openvino_head import widen_head

openvino = pytest.importorskip("openvino")
rng = np.random.default_rng(0)

WIDENED = {
    "7x7": lambda: ResnetGenerator(features=4, blocks=1),
    "grey": lambda: ResnetGenerator(features=4, blocks=1, in_channels=1, out_channels=1),
    "transposed": lambda: UnetGenerator(features=4, depth=3),
    "3x3": lambda: RRDBNet(features=4, blocks=1, growth=4),
}


def write(folder: Path, generator: ImageGenerator, **options) -> Path:
    with torch.no_grad():
        for parameter in generator.parameters():
            if parameter.ndim == 1:  # a bias of zeros would be left out of the file
                parameter.uniform_(0.1, 0.5)
    export(generator, card_of(generator.eval(), {"product": "generator"}), folder / "network.onnx", **options)
    return folder / "network.onnx"


def kinds(model) -> list[str]:
    return [node.get_type_name() for node in model.get_ordered_ops()]


@pytest.mark.parametrize("options", [{}, {"io": "uint8"}, {"half": True}, {"size": (2, 16, 24)}], ids=str)
@pytest.mark.parametrize("name", WIDENED)
def test_the_last_convolution_makes_four_pixels_at_a_time(tmp_path: Path, name: str, options) -> None:
    torch.manual_seed(0)
    file = write(tmp_path, WIDENED[name](), **options)
    model = openvino.Core().read_model(file)
    widen_head(model)
    assert kinds(model).count("DepthToSpace") == 1
    sessions = [open_model(file, engine=engine, providers=["cpu"]) for engine in ("onnxruntime", "openvino")]
    batch = rng.random((2, sessions[0].card.in_channels, 16, 24), np.float32)
    expected, found = (session.network(batch) for session in sessions)
    assert np.ptp(expected) > 0.01
    # Of values between two levels the engines may take either; in half precision they round at different places.
    tolerance = 1.01 / 255 if "io" in options else 5e-3 if "half" in options else 1e-5
    np.testing.assert_allclose(found, expected, atol=tolerance)


def test_what_makes_many_channels_is_left_as_it_is(tmp_path: Path) -> None:
    model = openvino.Core().read_model(write(tmp_path, SRVGGNet(features=8, convolutions=1)))
    before = kinds(model)
    widen_head(model)
    assert kinds(model).count("DepthToSpace") == before.count("DepthToSpace")
