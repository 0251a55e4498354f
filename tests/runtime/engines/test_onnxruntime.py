"""An exported file in ONNX Runtime runs on the provider that is asked for, whatever its input, output and sizes."""

import json
import re
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, save_model

from i2i_runtime.card import Card
from i2i_runtime.engines import open_model
from i2i_runtime.engines.onnxruntime import CARD, Buffers, Session
from i2i_runtime.tiles import Tiling
from i2i_runtime.translate import translate_image

# Every pixel of the result depends on its neighbours: a tile needs one pixel more to each side.
BLUR = Card(product="blur", in_channels=3, out_channels=3, scale=2, overlap=2)
ENGINES = ["onnxruntime", *(["openvino"] * bool(find_spec("openvino")))]
rng = np.random.default_rng(0)


def write(file: Path, card: Card | None = BLUR) -> Path:
    """A blur over 3x3 pixels, then up-sampling by 2, with the input, output and sizes that the card says."""
    facts = card or BLUR
    uint8 = facts.io == "uint8"
    before = [("Cast", "image", "float", {"to": 1}), ("Transpose", "float", "planes", {"perm": [0, 3, 1, 2]})]
    after = [
        ("Round", "large", "rounded", {}),
        ("Transpose", "rounded", "pixels", {"perm": [0, 2, 3, 1]}),
        ("Cast", "pixels", "result", {"to": 2}),
    ]
    if not uint8:
        before, after = [("Identity", "image", "planes", {})], [("Identity", "large", "result", {})]
    input_nodes, output_nodes = (
        [helper.make_node(name, [source], [output], **options) for name, source, output, options in steps]
        for steps in (before, after)
    )
    nodes = [
        helper.make_node("Conv", ["planes", "weight"], ["blurred"], group=3, pads=[1, 1, 1, 1]),
        helper.make_node("Resize", ["blurred", "", "scales"], ["large"], mode="nearest", nearest_mode="floor",
                         coordinate_transformation_mode="asymmetric"),
    ]  # fmt: skip
    number, height, width = facts.size or ("n", "h", "w")
    kind, shape = (
        (TensorProto.UINT8, [number, height, width, 3]) if uint8 else (TensorProto.FLOAT, [number, 3, height, width])
    )
    weights = [
        helper.make_tensor("weight", TensorProto.FLOAT, [3, 1, 3, 3], [1 / 9] * 27),
        helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, 2, 2]),
    ]
    image, result = (
        helper.make_tensor_value_info(*value) for value in (("image", kind, shape), ("result", kind, None))
    )
    graph = helper.make_graph([*input_nodes, *nodes, *output_nodes], "blur", [image], [result], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if card is not None:
        helper.set_model_props(model, {CARD: json.dumps(card.to_dict())})
    save_model(model, file)
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "blur.onnx"


def blurred(image: np.ndarray) -> np.ndarray:
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    height, width = image.shape[:2]
    mean = sum(padded[y : y + height, x : x + width] for y in range(3) for x in range(3)) / 9
    return mean.repeat(2, 0).repeat(2, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_images_keep_their_type(file: Path, dtype: type) -> None:
    image = rng.random((9, 14, 3), np.float32)
    largest = 1 if dtype is np.float32 else np.iinfo(dtype).max
    image = image if dtype is np.float32 else np.rint(image * largest).astype(dtype)
    result = Session(write(file), providers=["cpu"])(image)
    assert result.dtype == dtype
    np.testing.assert_allclose(result / largest, blurred(image / largest), atol=0.51 / largest if largest > 1 else 1e-6)


def test_a_uint8_file_gives_the_rounded_result(tmp_path: Path) -> None:
    floats = Session(write(tmp_path / "a.onnx"), providers=["cpu"])
    pixels = Session(write(tmp_path / "b.onnx", replace(BLUR, io="uint8")), providers=["cpu"])
    batch = np.rint(rng.random((2, 3, 8, 10), np.float32) * 255) / np.float32(255)
    result = pixels.network(batch)
    assert result.shape == (2, 3, 16, 20) and result.dtype == np.float32
    np.testing.assert_allclose(result, floats.network(batch), atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(result * 255, np.rint(result * 255), atol=1e-4)


def test_a_file_of_fixed_size_takes_any_batch_and_larger_images_in_tiles(tmp_path: Path) -> None:
    anything = Session(write(tmp_path / "a.onnx"), providers=["cpu"])
    fixed = Session(write(tmp_path / "b.onnx", replace(BLUR, size=(2, 12, 16))), providers=["cpu"])
    batch = rng.random((5, 3, 12, 16), np.float32)
    np.testing.assert_allclose(fixed.network(batch), anything.network(batch), atol=1e-6)
    image = rng.random((40, 33, 3), np.float32)
    # The file pads by reflection at the right and lower edge, where the network alone pads with zeros.
    np.testing.assert_allclose(fixed(image)[:78, :64], anything(image)[:78, :64], atol=1e-6)
    frame = rng.random((12, 16, 3), np.float32)
    np.testing.assert_allclose(fixed(frame), anything(frame), atol=1e-6)


def test_a_file_of_fixed_size_refuses_images_that_padding_would_change(file: Path) -> None:
    session = Session(write(file, replace(BLUR, size=(1, 12, 16), overlap=0)), providers=["cpu"])
    assert session(np.zeros((12, 16, 3), np.uint8)).shape == (24, 32, 3)
    with pytest.raises(ValueError, match="blur was exported for 16x12 pixels only, not for 15x12; resize the image"):
        session(np.zeros((12, 15, 3), np.uint8))


def test_the_sizes_of_the_card_are_kept(file: Path) -> None:
    session = Session(write(file, replace(BLUR, multiple_of=8)), providers=["cpu"])
    seen = []
    run = session._session.run
    session._session.run = lambda names, feed, *rest: seen.append(feed["image"].shape) or run(names, feed, *rest)
    assert session(np.zeros((9, 14, 3), np.uint8)).shape == (18, 28, 3) and seen == [(1, 3, 16, 16)]


def test_a_session_is_a_network_for_tiles(file: Path) -> None:
    session, image = Session(write(file), providers=["cpu"]), rng.random((30, 50, 3), np.float32)
    tiled = translate_image(session.network, session.card, image, tiling=Tiling(session.card, 16))
    np.testing.assert_allclose(tiled, blurred(image), atol=1e-6)


@pytest.mark.parametrize("io", ["float", "uint8"])
def test_reused_buffers_give_each_batch_its_own_result(file: Path, io: str) -> None:
    plain, bound = (Session(write(file, replace(BLUR, io=io)), providers=["cpu"]) for _ in range(2))
    bound._buffers = Buffers(bound._session, "cpu")  # as on a GPU
    batches = [rng.random((number, 3, side, 6), np.float32) for number, side in ((2, 4), (2, 4), (1, 8), (2, 4))]
    results = [bound.network(batch) for batch in batches]
    for batch, result in zip(batches, results, strict=True):
        np.testing.assert_array_equal(result, plain.network(batch))


def test_the_number_of_threads_reaches_onnx_runtime(file: Path) -> None:
    session = Session(write(file), providers=["cpu"], threads=1)
    assert session._session.get_session_options().intra_op_num_threads == 1


def no_gpu(path: Path) -> bool:
    return (
        "CUDAExecutionProvider"
        not in onnxruntime.InferenceSession(
            path, providers=[name for name in onnxruntime.get_available_providers() if "Tensorrt" not in name]
        ).get_providers()
    )


def test_a_missing_gpu_is_one_sentence_and_no_cpu(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if not no_gpu(write(file)):
        pytest.skip("a GPU is there")
    capfd.readouterr()
    for name in ("cuda", "tensorrt"):
        with pytest.raises(ValueError, match=f"{name} cannot be used here") as error:
            Session(file, providers=[name])
        assert "\n" not in str(error.value)
    for providers in (["auto"], ["tensorrt", "cuda", "cpu"]):
        session = Session(file, providers=providers)
        assert session.provider == session.device == "cpu"
        assert session._session.get_providers() == ["CPUExecutionProvider"]
    assert capfd.readouterr() == ("", ""), "and ONNX Runtime's own lines are not shown"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda file: None, "no such file"),
        (lambda file: file.write_bytes(b"nothing"), "not a file that ONNX Runtime can run"),
        (lambda file: write(file, None), "no card in it; a file that has one is made by: i2i export"),
    ],
    ids=["missing", "damaged", "without a card"],
)
def test_a_file_that_is_not_an_export_is_one_sentence(file: Path, make, sentence: str) -> None:
    make(file)
    with pytest.raises(ValueError, match=f"blur.onnx: {sentence}") as error:
        Session(file)
    assert "\n" not in str(error.value)


def test_unknown_providers_and_cards_are_refused(file: Path) -> None:
    with pytest.raises(ValueError, match="provider 'gpu' is not known; choose from: auto, cpu, cuda, tensorrt"):
        Session(write(file), providers=["gpu"])
    with pytest.raises(ValueError, match="no provider is named"):
        Session(file, providers=[])
    card = replace(BLUR)
    object.__setattr__(card, "io", "double")
    with pytest.raises(ValueError, match=r"blur\.onnx: card: io is 'double'; choose from: float, uint8"):
        Session(write(file, card))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("made", "said", "sentence"),
    [
        ({"size": (2, 12, 16)}, {"size": (1, 12, 16)}, r"the card's size is 1x12x16, .* \(2, 3, 12, 16\); export"),
        ({"size": (2, 12, 16)}, {"size": (2, 24, 16)}, "the card's size is 2x24x16"),
        ({"size": (2, 12, 16)}, {"size": None}, "the card's size is any"),
        ({}, {"in_channels": 4}, "the card's in_channels is 4"),
        ({"io": "uint8", "size": (1, 12, 16)}, {"size": (1, 16, 12), "io": "uint8"}, "the card's size is 1x16x12"),
        ({}, {"io": "uint8"}, "the card's io is 'uint8', .* image.*: float32"),
        ({"io": "uint8"}, {}, "the card's io is 'float', .* image.*: uint8"),
    ],
)
def test_a_card_that_is_of_another_graph_is_one_sentence(file: Path, engine: str, made, said, sentence: str) -> None:
    model = onnx.load(write(file, replace(BLUR, **made)))
    helper.set_model_props(model, {CARD: json.dumps(replace(BLUR, **said).to_dict())})
    save_model(model, file)
    with pytest.raises(ValueError, match=f"^{re.escape(str(file))}: {sentence}"):
        open_model(file, engine=engine)


def test_memory_that_runs_out_is_a_memory_error(file: Path) -> None:
    session = Session(write(file), providers=["cpu"])

    def fail(*_: object) -> None:
        raise RuntimeError("Failed to allocate memory for requested buffer of size 1099511627776")

    session._session.run = fail
    with pytest.raises(MemoryError, match="Failed to allocate"):
        session.network(np.zeros((1, 3, 8, 8), np.float32))
