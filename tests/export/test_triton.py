"""A Triton model repository against the server's own schema, as its client package ships it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from i2i.checkpoints.card import card_of
from i2i.export import export
from i2i.export.triton import write_repository
from i2i.networks.generators.srvgg import SRVGGNet
from i2i_runtime.card import Card
from i2i_runtime.engines.onnxruntime import Session


def exported(file: Path, **options: Any) -> Card:
    torch.manual_seed(0)
    generator = SRVGGNet(features=4, convolutions=1, scale=2)
    return export(generator, card_of(generator, {"product": "low_to_high"}), file, **options)[0]


def configured(model: Path) -> Any:
    return text_format.Parse((model / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def test_a_repository_holds_the_file_and_its_configuration(tmp_path: Path) -> None:
    card = exported(tmp_path / "x2.onnx")
    model = write_repository(tmp_path / "x2.onnx", card, tmp_path / "models")
    config = configured(model)
    assert model == tmp_path / "models" / "x2" and config.name == "x2" and config.backend == "onnxruntime"
    assert config.max_batch_size == 8 and config.HasField("dynamic_batching")
    (image,), (result,) = config.input, config.output
    assert (image.name, list(image.dims)) == ("image", [3, -1, -1])
    assert (result.name, list(result.dims)) == ("result", [3, -1, -1])
    assert image.data_type == result.data_type == model_config_pb2.TYPE_FP32
    assert Card.from_dict(json.loads(config.parameters["i2i_card"].string_value)) == card
    assert Session(model / "1" / "model.onnx", providers=["cpu"]).card == card


def test_a_fixed_size_and_pixels_are_declared(tmp_path: Path) -> None:
    card = exported(tmp_path / "still x2.onnx", size=(2, 16, 24), io="uint8")
    config = configured(write_repository(tmp_path / "still x2.onnx", card, tmp_path / "models"))
    assert config.name == "still_x2" and config.max_batch_size == 0 and not config.HasField("dynamic_batching")
    assert list(config.input[0].dims) == [2, 16, 24, 3] and list(config.output[0].dims) == [2, 32, 48, 3]
    assert config.input[0].data_type == model_config_pb2.TYPE_UINT8


def test_a_model_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    card = exported(tmp_path / "x2.onnx")
    write_repository(tmp_path / "x2.onnx", card, tmp_path / "models")
    with pytest.raises(ValueError, match="is there already"):
        write_repository(tmp_path / "x2.onnx", card, tmp_path / "models")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["x2"]
