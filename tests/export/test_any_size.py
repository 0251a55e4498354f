"""A file of any size gives what the network gives of the padded image, without a word of padding by its caller."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from i2i.export import export
from i2i.inference import Translator
from i2i.networks.generators.rrdb import RRDBNet
from i2i_runtime.engines.onnxruntime import Session
from i2i_runtime.tiles import Tiling
from tests.export.networks import card, generator_of
from tests.export.test_image import shapes


def run(file: Path, image: np.ndarray) -> np.ndarray:
    """The result of an image (H, W, C) in [0, 1], in ONNX Runtime itself."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image.transpose(2, 0, 1)[None]})[0][0].transpose(1, 2, 0)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("resnet", [(65, 97), (2, 51), (64, 8)]), ("unet", [(65, 97), (1, 1), (8, 16)])],
)
def test_images_of_odd_sizes_come_back_in_their_size(name: str, sizes: list[tuple[int, int]], tmp_path: Path) -> None:
    generator, file = generator_of(name), tmp_path / "x.onnx"
    exported, proof = export(generator, card(generator), file, any_size=True)
    assert proof.holds and all(side % 2 for batch in proof.batches for side in batch[2:])
    assert shapes(onnx.load(file)) == [["batch", 3, "height", "width"]] * 2
    assert (exported.multiple_of, exported.min_size) == (1, 1) and "pads the whole image" in exported.proof[
        "large_images"
    ]
    for height, width in sizes:
        image = np.random.default_rng(0).random((height, width, 3), np.float32)
        expected = Translator(generator, card(generator))(image)
        np.testing.assert_allclose(run(file, image), expected, atol=1e-4)
        np.testing.assert_allclose(Session(file, providers=["cpu"])(image), expected, atol=1e-4)


def test_one_size_that_the_network_does_not_take(tmp_path: Path) -> None:
    generator, file = generator_of("resnet"), tmp_path / "x.onnx"
    calibration = [np.random.default_rng(seed).random((1, 3, 68, 100), np.float32) for seed in range(2)]
    export(generator, card(generator), file, any_size=True, size=(1, 65, 97), int8=calibration, least_psnr=10)
    model = onnx.load(file)
    assert shapes(model) == [[1, 3, 65, 97]] * 2
    assert not {"Range", "Mod"} & {node.op_type for node in model.graph.node}, "its indices are constants"
    with pytest.raises(ValueError, match="must be multiples of 4"):
        export(generator, card(generator), file, size=(1, 65, 97))


def test_any_size_goes_with_half_precision_pixels_and_an_early_opset(tmp_path: Path) -> None:
    generator, file = generator_of("unet"), tmp_path / "x.onnx"
    export(generator, card(generator), file, any_size=True, half=True, io="uint8", opset=15)
    image = np.random.default_rng(0).random((13, 21, 3), np.float32)
    expected = Translator(generator, card(generator))(image)
    assert np.abs(Session(file, providers=["cpu"])(image) - expected).max() < 0.01


def test_tiles_of_a_network_that_needs_a_multiple_still_begin_at_one(tmp_path: Path) -> None:
    generator, file = RRDBNet(features=4, blocks=1, growth=2, scale=1, unshuffle=2), tmp_path / "x.onnx"
    exported, _ = export(generator, card(generator), file, any_size=True)
    assert exported.multiple_of == 2 and all(span.start % 2 == 0 for span in Tiling(exported).axis(1000)[1])
    image = np.random.default_rng(0).random((13, 21, 3), np.float32)
    np.testing.assert_allclose(run(file, image), Translator(generator, card(generator))(image), atol=1e-4)
