"""Images of noise without torch: the same seeds as in torch, a folder that goes on where it was left, one sentence."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, save_model

from i2i_runtime import engines, images
from i2i_runtime.card import NoiseCard
from i2i_runtime.engines.base import NOISE_CARD, LatentModelError
from i2i_runtime.engines.sampler import ExportedSampler
from i2i_runtime.seeds import latents
from tests.runtime.engines.test_onnxruntime import BLUR
from tests.runtime.engines.test_onnxruntime import write as write_blur
from tests.runtime.test_cli import run

# The image shows the latent: 4 pixels of one channel
SHOWN = NoiseCard(product="shown", out_channels=1, latent=4, size=2, weights="0f")


def write(file: Path, card: NoiseCard = SHOWN) -> Path:
    """Grey is a half, plus a sixth of the latent and a tenth of the label; all of it times an input for truncation."""
    uint8 = card.io == "uint8"
    inputs = [helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["batch", 4])]
    steps = [("Mul", ["latent", "sixth"], "a"), ("Add", ["a", "half"], "b")]
    if card.classes:
        inputs.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]))
        steps += [("Cast", ["label"], "l"), ("Reshape", ["l", "column"], "c"), ("Mul", ["c", "tenth"], "d")]
        steps += [("Add", ["b", "d"], "e")]
    if card.truncation == "input":
        inputs.append(helper.make_tensor_value_info("truncation", TensorProto.FLOAT, []))
        steps += [("Mul", [steps[-1][2], "truncation"], "f")]
    steps += [("Clip", [steps[-1][2], "zero", "one"], "g"), ("Reshape", ["g", "shape"], "image" if not uint8 else "h")]
    nodes = [
        helper.make_node(name, given, [made], **({"to": 1} if name == "Cast" else {})) for name, given, made in steps
    ]
    if uint8:
        nodes += [
            helper.make_node("Mul", ["h", "levels"], ["i"]),
            helper.make_node("Transpose", ["i"], ["j"], perm=[0, 2, 3, 1]),
            helper.make_node("Cast", ["j"], ["image"], to=TensorProto.UINT8),
        ]
    numbers = {"sixth": 1 / 6, "half": 0.5, "tenth": 0.1, "zero": 0.0, "one": 1.0, "levels": 255.0}
    constants = [helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in numbers.items()]
    constants.append(helper.make_tensor("column", TensorProto.INT64, [2], [-1, 1]))
    constants.append(helper.make_tensor("shape", TensorProto.INT64, [4], [-1, 1, 2, 2]))
    kind = TensorProto.UINT8 if uint8 else TensorProto.FLOAT
    result = helper.make_tensor_value_info("image", kind, None)
    graph = helper.make_graph(nodes, "shown", inputs, [result], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {NOISE_CARD: json.dumps(card.to_dict())})
    save_model(model, file)
    return file


def opened(folder: Path, **facts: object) -> ExportedSampler:
    return ExportedSampler(write(folder / "shown.onnx", replace(SHOWN, **facts)), providers=["cpu"])


def test_an_image_does_not_depend_on_its_batch(tmp_path: Path) -> None:
    sampler = opened(tmp_path)
    together = sampler(range(6))
    expected = np.clip(latents([3], 4)[0] / 6 + 0.5, 0, 1) * 255
    assert together.shape == (6, 2, 2, 1) and np.abs(together[3].ravel() - expected).max() < 0.51
    for seed in range(6):
        np.testing.assert_array_equal(sampler([seed])[0], together[seed])
    pixels = opened(tmp_path, io="uint8")
    assert np.abs(pixels(range(6)).astype(int) - together).max() <= 1


def test_truncation_is_of_the_latent_or_an_input_but_not_both(tmp_path: Path) -> None:
    by_latent, by_input = opened(tmp_path), opened(tmp_path, truncation="input")
    np.testing.assert_array_equal(by_latent.draw([1], truncation=0.0), np.zeros((1, 4)))
    np.testing.assert_array_equal(by_input.draw([1], truncation=0.0), by_input.draw([1]))
    z = by_input.draw([1, 2])
    np.testing.assert_allclose(by_input.network(z, truncation=0.5), by_input.network(z) / 2)
    np.testing.assert_array_equal(by_latent.network(z, truncation=0.5), by_latent.network(z))


def test_classes_come_in_turn_or_as_given(tmp_path: Path) -> None:
    sampler = opened(tmp_path, classes=3)
    assert sampler.labels_of(range(4, 9)) == [1, 2, 0, 1, 2] and sampler.labels_of([4, 5], 2) == [2, 2]
    z = np.zeros((3, 4), np.float32)
    np.testing.assert_allclose(sampler.network(z, [0, 1, 2])[:, 0, 0, 0], [0.5, 0.6, 0.7], atol=1e-6)
    np.testing.assert_array_equal(sampler([4]), sampler([4], [1]))
    assert opened(tmp_path).labels_of([1, 2]) == []


def test_a_card_of_noise_survives_json_and_refuses_what_cannot_be() -> None:
    card = replace(SHOWN, classes=3, truncation="input", proof={"holds": True})
    assert NoiseCard.from_dict(json.loads(json.dumps(card.to_dict()))) == card
    for facts, sentence in (
        ({"latent": 0}, "card: latent is 0; allowed: whole numbers from 1"),
        ({"truncation": "mean"}, "card: truncation is 'mean'; choose from: latent, input"),
        ({"out_channels": 2}, "card: out_channels is 2; choose from: 1"),
        ({"in_channels": 3}, "card: unknown 'in_channels'; made by a newer version"),
    ):
        with pytest.raises(ValueError, match=sentence):
            NoiseCard.from_dict(SHOWN.to_dict() | facts)


@pytest.mark.parametrize("engine", ["auto", "onnxruntime"])
def test_where_images_go_in_the_file_is_one_sentence(engine: str, tmp_path: Path) -> None:
    with pytest.raises(LatentModelError, match=r"shown\.onnx: makes images of noise, not of images; use sample"):
        engines.open_model(write(tmp_path / "shown.onnx"), engine=engine)
    with pytest.raises(ValueError, match=r"blur\.onnx: makes images of images, not of noise; use translate"):
        ExportedSampler(write_blur(tmp_path / "blur.onnx", BLUR))
    with pytest.raises(ValueError, match=r"blur\.onnx: no card in it"):
        ExportedSampler(write_blur(tmp_path / "blur.onnx", None))


def test_a_folder_is_filled_and_goes_on_where_it_was_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = write(tmp_path / "shown.onnx", replace(SHOWN, classes=2)), tmp_path / "out"
    code, said, progress = run("sample", model, out, "--n", "5", "--seed", "3", "--batch", "2", capsys=capsys)
    assert code == 0 and "shown on onnxruntime cpu" in said and "5 written, 0 there already" in said
    assert "5 of 5 files" in progress
    names = [f"class{seed % 2}/seed{seed:04d}.png" for seed in range(3, 8)]
    assert sorted(path.as_posix() for path in images.list_images(out)) == sorted(names)
    expected = ExportedSampler(model, providers=["cpu"])([4])[0]
    np.testing.assert_array_equal(images.read(out / "class0/seed0004.png"), expected)
    assert "1 written, 5 there already" in run("sample", model, out, "--n", "6", "--seed", "3", capsys=capsys)[1]
    code, _, error = run("sample", model, out, "--truncation", "0.5", capsys=capsys)
    assert code == 1 and "written with other weights, options or version; name another folder, or --overwrite" in error
    words = ("sample", model, tmp_path / "one", "--n", "3", "--class", "1", "--truncation", "0.5")
    assert run(*words, capsys=capsys)[0] == 0
    assert {path.parent.name for path in images.list_images(tmp_path / "one")} == {"class1"}
    assert "3 written" in run(*words, "--overwrite", capsys=capsys)[1]


def test_info_prints_the_card_of_noise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("info", write(tmp_path / "shown.onnx"), capsys=capsys)
    facts = dict(line.split(maxsplit=1) for line in out.splitlines() if len(line.split()) > 1)
    assert code == 0 and facts["latent"] == "4" and facts["truncation"] == "latent"
    assert "runs on        onnxruntime cpu" in out.splitlines() and "input          latent: float32" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sample", "shown.onnx"], "the following arguments are required: target"),
        (["sample", "gone.onnx", "out"], "gone.onnx: no such file"),
        (
            ["sample", "shown.onnx", "out", "--class", "2"],
            "class 2 is not known; allowed: none, since the generator was",
        ),
        (["sample", "shown.onnx", "out", "--truncation", "2"], "truncation 2 is refused; allowed: 0 (all alike) to 1"),
        (["sample", "shown.onnx", "out", "--seed", "-1"], "seed -1 to 62 is refused; allowed: whole numbers from 0"),
        (["sample", "shown.onnx", "out", "--n", "0"], "--n 0 --batch 16 is refused; allowed: from 1"),
        (["sample", "shown.onnx", "shown.onnx"], "shown.onnx: a file, not a folder"),
        (["translate", "shown.onnx", "in", "out"], "shown.onnx: makes images of noise, not of images"),
        (["bench", "shown.onnx"], "shown.onnx: makes images of noise, not of images"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_one_sentence(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path / "shown.onnx")
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*words, capsys=capsys)
    assert code == 1 and err.startswith(f"error: {said}") and len(err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["shown.onnx"]
