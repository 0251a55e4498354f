"""Convolutions in 8 bits: which ones, calibrated on which images, and proven on which."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from i2i.data.world import draw_scene
from i2i.export import export, read_calibration
from i2i_runtime import images
from tests.export.networks import card, generator_of


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streets")
    for index, size in enumerate((60, 45, 300, 18)):
        images.write(folder / f"{index}.png", draw_scene(size=size, seed=0, index=index).real)
    return folder


def test_one_half_of_the_images_calibrates_the_inner_convolutions_and_the_other_is_for_the_proof(
    streets: Path, tmp_path: Path
) -> None:
    generator, file = generator_of("srvgg"), tmp_path / "x.onnx"
    batches = read_calibration(streets, card(generator))
    exported, proof = export(generator, card(generator), file, int8=batches)
    assert exported.precision == "int8" and 35 <= proof.psnr < 100
    assert proof.batches == ((1, 3, 45, 45), (1, 3, 18, 18))
    graph = onnx.load(file).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    dequantised = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    weights = {
        node.output[0] for node in dequantised if node.input[0] in stored and stored[node.input[0]].dtype == np.int8
    }
    read_by = [node.input[1] in weights for node in graph.node if node.op_type == "Conv"]
    assert read_by == [False, True, False], "the first and the last read and write the image"
    assert not any(stored[node.input[2]].any() for node in graph.node if node.op_type == "QuantizeLinear"), "symmetric"
    assert exported.proof["int8"] == {"layers": 1, "float_layers": []}
    with pytest.raises(ValueError, match=r"all layers in 8 bits reach .* dB, and none can be at 90 dB"):
        export(generator, card(generator), file, int8=batches, least_psnr=90)


def test_calibration_crops_the_centre_of_an_image_to_an_allowed_size(streets: Path, tmp_path: Path) -> None:
    unet = card(generator_of("unet"))
    assert [batch.shape[2:] for batch in read_calibration(streets, unet)] == [(64, 64), (48, 48), (256, 256), (24, 24)]
    fixed = replace(unet, size=(2, 40, 48))
    assert {batch.shape for batch in read_calibration(streets, fixed)} == {(2, 3, 40, 48)}
    middle = images.read(streets / "2.png")[22:278, 22:278] / np.float32(255)
    np.testing.assert_allclose(read_calibration(streets, unet)[2][0].transpose(1, 2, 0), middle, atol=1e-6)
    (tmp_path / "one.png").write_bytes((streets / "0.png").read_bytes())
    with pytest.raises(ValueError, match="1 images are too few"):
        read_calibration(tmp_path, unet)
