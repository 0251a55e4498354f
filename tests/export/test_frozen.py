"""Exported with frozen norms: the folded graph, tiles, the difference from the image's own statistics, and refusals."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from i2i.data.world import draw_scene
from i2i.export import export, read_frames
from i2i.export.frozen import Frames, freeze
from i2i.networks.frozen_norms import freeze_norms
from i2i.networks.generators.unet import UnetGenerator
from i2i_runtime import images
from i2i_runtime.engines.onnxruntime import Session
from i2i_runtime.folder.manifest import is_same_model, model_identity
from i2i_runtime.tiles import Tiling
from i2i_runtime.translate import translate_image
from tests.export.networks import card, generator_of


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streets")
    for index in range(10):
        images.write(folder / f"{index}.png", draw_scene(size=40, seed=0, index=index).real)
    return folder


@pytest.fixture(scope="module")
def frozen(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator, file = generator_of("resnet"), tmp_path_factory.mktemp("frozen") / "x.onnx"
    export(generator, card(generator), file, frames=read_frames(streets), frozen_psnr=0)
    return file


def test_the_graph_has_no_norm_left_and_the_card_says_on_what_it_was_frozen(frozen: Path) -> None:
    operators = [node.op_type for node in onnx.load(frozen).graph.node]
    assert not {"InstanceNormalization", "BatchNormalization"} & set(operators), "folded into the convolutions"
    assert operators.count("Mul") + operators.count("Div") <= 2, "of the value range"
    proof = Session(frozen, providers=["cpu"]).card.proof
    assert proof["holds"] and proof["max_error"] < 1e-5 and proof["large_images"].startswith("in tiles that share")
    assert (proof["frozen_norms"]["frames"], proof["frozen_norms"]["held_out"]) == (8, 2)


def test_a_frozen_file_is_another_model_than_the_network_it_comes_from(frozen: Path) -> None:
    own, torch_card = Session(frozen, providers=["cpu"]).card, card(generator_of("resnet"))
    assert not is_same_model(model_identity(own, "file"), model_identity(replace(torch_card, test_time="eval")))


def test_tiles_give_the_result_of_the_whole_image(frozen: Path) -> None:
    session = Session(frozen, providers=["cpu"])
    image = np.random.default_rng(0).random((300, 180, 3), np.float32)
    whole = translate_image(session.network, session.card, image, tiling=Tiling(session.card, 0))
    tiled = translate_image(session.network, session.card, image, tiling=Tiling(session.card, 112))
    assert np.ptp(whole) > 0.01
    np.testing.assert_allclose(tiled, whole, atol=2e-6)


def test_the_difference_is_that_of_every_fifth_frame_from_the_images_own_statistics(streets: Path) -> None:
    generator, frames = generator_of("resnet"), read_frames(streets)
    assert len(frames.calibration) == 8
    np.testing.assert_array_equal(frames.held_out[1], images.read(streets / "9.png"))
    _, difference = freeze(generator, card(generator), frames, least_psnr=0)
    read = [torch.from_numpy(images.read(file)) for file in sorted(streets.iterdir())]
    batches = [frame.permute(2, 0, 1)[None] / 127.5 - 1 for frame in read]
    network = freeze_norms(generator, [batch for index, batch in enumerate(batches) if index not in (4, 9)])
    with torch.no_grad():
        errors = torch.cat([(network(batches[index]) - generator(batches[index])) / 2 for index in (4, 9)])
    assert difference.psnr == pytest.approx(-10 * errors.square().mean().log10().item(), abs=1e-3)
    assert difference.levels == pytest.approx(255 * errors.abs().mean().item(), rel=1e-3)
    assert difference.worst_psnr < difference.psnr


def test_too_large_a_difference_is_refused_with_figures(streets: Path) -> None:
    torch.manual_seed(0)
    generator = UnetGenerator(features=4, depth=3, norm="instance", init_gain=1.0, dropout=False)
    sentence = r"frozen norms would change its pictures too much: norms frozen on 8 frames; on 2 others .* below 25 dB"
    with pytest.raises(ValueError, match=sentence):
        freeze(generator.eval(), card(generator), read_frames(streets))


def test_batch_norm_on_the_images_own_statistics_is_frozen_too(streets: Path, tmp_path: Path) -> None:
    generator, file = generator_of("unet"), tmp_path / "x.onnx"
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in generator.modules())
    frames = read_frames(streets)
    exported, proof = export(generator, card(generator), file, frames=frames, frozen_psnr=0, test_time="published")
    assert exported.overlap == generator.frozen_overlap and proof.holds
    with pytest.raises(ValueError, match="UnetGenerator has no instance norm to freeze"):
        export(generator, card(generator), file, frames=frames, test_time="eval")


def test_damaged_frames_are_left_out_and_named_and_too_few_are_refused(streets: Path, tmp_path: Path) -> None:
    for index in range(5):
        (tmp_path / f"{index}.png").write_bytes((streets / f"{index}.png").read_bytes())
    (tmp_path / "2.png").write_bytes(b"no image")
    messages: list[str] = []
    with pytest.raises(ValueError, match="4 frames are too few to freeze norms; allowed: from 5"):
        read_frames(tmp_path, messages.append)
    assert len(messages) == 1 and "a frame is left out" in messages[0] and "2.png" in messages[0]


def test_frames_come_from_all_over_a_folder(tmp_path: Path) -> None:
    for index in range(78):
        images.write(tmp_path / f"{index}.png", np.full((2, 2, 1), index, np.uint8))
    levels = [int(frame[0, 0, 0]) for part in read_frames(tmp_path) for frame in part]
    assert len(levels) == 40 and np.diff(sorted(levels)).max() == 2 and max(levels) >= 76


def test_frames_of_any_channels_and_sizes_calibrate() -> None:
    generator = generator_of("resnet")
    shapes = [(33, 18, 3), (8, 8, 1), (5, 64, 4), (16, 16, 3)]
    frames = [np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8) for shape in shapes]
    _, difference = freeze(generator, card(generator), Frames(frames, frames[:1]), least_psnr=0)
    assert difference.frames == 4 and difference.held_out == 1
