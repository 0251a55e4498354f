"""Large images a band of rows at a time: what the whole file gives, whatever the bands, and nothing is left behind."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, save_model

from i2i_runtime import images, translate
from i2i_runtime.bands import Subgraph, executor, row_store, run_in_bands
from i2i_runtime.bands.plan import BANDS, FeatureMap, InstanceNorm, from_json, to_json
from i2i_runtime.card import Card
from i2i_runtime.engines.onnxruntime import CARD, Session
from i2i_runtime.engines.openvino import OpenVino
from i2i_runtime.folder import translate_folder

CARD_OF = Card(product="normed", in_channels=3, out_channels=3, multiple_of=2, min_size=6)
NORM = InstanceNorm(gamma="gamma", beta="beta", epsilon=1e-5)
HALVED = {"scale": (1, 2), "stride": 2, "halo": (1, 1), "channels": 4, "stored": True, "norm": NORM}
WHOLE = {"scale": (1, 1), "channels": 3, "stored": False}
PLAN = [
    FeatureMap(name="image", output="image", inputs=(), stride=1, halo=(0, 0), elem_type=1, **WHOLE),
    FeatureMap(name="b", output="a", inputs=("image",), elem_type=1, **HALVED),
    FeatureMap(name="d", output="c", inputs=("b",), elem_type=1, **HALVED),
    FeatureMap(name="result", output="result", inputs=("b", "d"), stride=2, halo=(0, 1), elem_type=1, **WHOLE),
]
rng = np.random.default_rng(0)


def write(file: Path, plan: list[FeatureMap] | None = PLAN, *, bias: float = 0.0) -> Path:
    """A network of two instance norms at half the size, with a sum around the second."""
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "stem"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("InstanceNormalization", ["a", "gamma", "beta"], ["b"], epsilon=1e-5),
        node("Relu", ["b"], ["positive"]),
        node("Pad", ["positive", "around"], ["padded"], mode="reflect"),
        node("Conv", ["padded", "body"], ["c"]),
        node("InstanceNormalization", ["c", "gamma", "beta"], ["d"], epsilon=1e-5),
        node("Add", ["positive", "d"], ["e"]),
        node("ConvTranspose", ["e", "head", "bias"], ["large"], strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]),
        node("Sigmoid", ["large"], ["result"]),
    ]
    draw = np.random.default_rng(7).standard_normal
    weights = {
        "stem": draw((4, 3, 3, 3)), "body": draw((4, 4, 3, 3)), "head": draw((4, 3, 3, 3)) / 4, "gamma": draw(4),
        "beta": draw(4), "bias": np.full(3, bias),
    }  # fmt: skip
    tensors = [helper.make_tensor(name, TensorProto.FLOAT, each.shape, each.ravel()) for name, each in weights.items()]
    for tensor, each in zip(tensors, weights.values(), strict=True):
        tensor.ClearField("float_data")
        tensor.raw_data = each.astype(np.float32).tobytes()
    tensors.append(helper.make_tensor("around", TensorProto.INT64, [8], [0, 0, 1, 1, 0, 0, 1, 1]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])
    result = helper.make_tensor_value_info("result", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "normed", [image], [result], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    plans = {} if plan is None else {BANDS: to_json(plan)}
    helper.set_model_props(model, {CARD: json.dumps(CARD_OF.to_dict())} | plans)
    save_model(model, file)
    return file


def open_subgraph(file: bytes) -> Subgraph:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)[0]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "x.onnx")


def picture(height: int, width: int, dtype: type = np.float32) -> np.ndarray:
    """Noise over a slope, so that no two parts have the same statistics."""
    image = (
        np.linspace(0, 0.6, height, dtype=np.float32)[:, None, None] + rng.random((height, width, 3), np.float32) * 0.4
    )
    return image if dtype is np.float32 else np.rint(image * np.iinfo(dtype).max).astype(dtype)


def in_bands(
    file: Path, image: np.ndarray, rows: int, plan: list[FeatureMap] = PLAN, open_subgraph: Callable = open_subgraph
):
    out = np.full_like(image, 9)
    run_in_bands(file.read_bytes(), plan, CARD_OF, image, out, open_subgraph, rows=rows)
    return out


@pytest.mark.parametrize("size", [(40, 22), (37, 21), (3, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_bands_of_any_height_give_what_the_whole_image_gives(file: Path, size: tuple[int, int], dtype: type) -> None:
    image = picture(*size, dtype)
    whole = Session(file, providers=["cpu"])(image)
    assert whole.std() > 0.05 * (1 if dtype is np.float32 else np.iinfo(dtype).max)
    for rows in (1, 5, 16, 1000):
        result = in_bands(file, image, rows)
        assert result.dtype == dtype
        np.testing.assert_allclose(result.astype(float), whole, atol=2e-6 if dtype is np.float32 else 1)


def test_the_progress_of_an_image_in_bands_goes_up_to_all_of_it(file: Path) -> None:
    image, shares = picture(40, 22), []
    out = np.empty_like(image)
    Session(file, providers=["cpu"]).run_in_bands(image, out, rows=8, progress=shares.append)
    assert len(shares) > 6 and shares == sorted(set(shares)) and shares[-1] == 1


def test_without_a_halo_the_result_is_wrong(file: Path) -> None:
    image = picture(40, 22)
    whole = Session(file, providers=["cpu"])(image)
    for place in (1, 2, 3):
        wrong = [replace(each, halo=(0, 0)) if each is PLAN[place] else each for each in PLAN]
        assert np.abs(in_bands(file, image, 8, wrong) - whole).max() > 1e-3, "so that the plan matters"


def test_what_is_not_stored_is_computed_again(file: Path) -> None:
    image = picture(40, 22)
    again = [replace(each, stored=False) for each in PLAN]
    np.testing.assert_allclose(in_bands(file, image, 8, again), in_bands(file, image, 8), atol=1e-6)


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[row_store.RowStore]]:
    opened: list[row_store.RowStore] = []

    class Recorded(row_store.RowStore):
        def __init__(self) -> None:
            super().__init__()
            opened.append(self)

    monkeypatch.setattr(executor, "RowStore", Recorded)
    return opened


def test_large_feature_maps_are_in_files_that_are_removed(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stores: list[row_store.RowStore]
) -> None:
    image = picture(40, 22)
    in_memory = in_bands(file, image, 8)
    monkeypatch.setattr(row_store, "IN_MEMORY", 100)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "room"))
    (tmp_path / "room").mkdir()
    np.testing.assert_array_equal(in_bands(file, image, 8), in_memory)
    assert not list((tmp_path / "room").iterdir())
    assert [store._file._rolled for store in stores] == [False] * 2 + [True] * 2
    with pytest.raises(ZeroDivisionError):
        in_bands(
            file,
            image,
            8,
            open_subgraph=lambda file: lambda inputs: open_subgraph(file)(inputs) if "d" not in inputs else 1 / 0,
        )
    assert len(stores) == 6 and all(store._file.closed for store in stores), "also after an error"


def test_a_full_disk_for_temporary_files_is_named_and_stops_large_images_only(
    monkeypatch: pytest.MonkeyPatch, file: Path, tmp_path: Path
) -> None:
    session, gone = Session(file, providers=["cpu"]), tmp_path / "gone"
    monkeypatch.setattr(row_store, "IN_MEMORY", 100)
    monkeypatch.setattr(translate, "LARGEST_WHOLE", 30 * 22)
    monkeypatch.setattr("tempfile.tempdir", str(gone))
    (tmp_path / "in").mkdir()
    for name, height in (("1", 20), ("2", 40), ("3", 20)):
        images.write(tmp_path / "in" / f"{name}.png", picture(height, 22, np.uint8))
    options = {"banded": session.banded, "file": session.checksum}
    report = translate_folder(session.network, session.card, tmp_path / "in", tmp_path / "out", **options)
    assert [path.name for path in report.done] == ["1.png", "3.png"] and not report.stopped
    ((name, sentence),) = report.failed
    assert name == Path("2.png") and sentence == (
        f"{tmp_path}/in/2.png: no room for the feature maps of a large image in {gone} (No such file or directory); "
        "TMPDIR names another folder"
    )


@pytest.mark.parametrize("engine", [Session, OpenVino])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_file_with_a_plan_takes_large_images_in_bands(
    engine: type, dtype: type, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine is OpenVino:
        pytest.importorskip("openvino")
    session, image = engine(file), picture(70, 22, dtype)
    whole = session(image)
    monkeypatch.setattr(translate, "LARGEST_WHOLE", 70 * 22 - 1)
    monkeypatch.setattr(session, "network", None)  # which would be the whole image at once
    np.testing.assert_allclose(session(image).astype(float), whole, atol=1 if dtype is np.uint8 else 1e-5)
    assert session.banded is not None
    plain = engine(write(tmp_path / "plain.onnx", None))
    assert plain.banded is None
    with pytest.raises(ValueError, match="normed can't run in bands of rows; export it again, or resize the image"):
        plain.run_in_bands(image, image)


@pytest.mark.parametrize("engine", [Session, OpenVino])
def test_a_model_that_replaces_the_open_one_on_disk_is_not_used(engine: type, file: Path) -> None:
    if engine is OpenVino:
        pytest.importorskip("openvino")
    session, image = engine(file), picture(40, 22)
    before, after = np.empty((2, 40, 22, 3), np.float32)
    session.run_in_bands(image, before)
    first = hashlib.sha256(file.read_bytes()).hexdigest()
    other = engine(write(file, bias=3))
    session.run_in_bands(image, after)
    assert (before == after).all() and session.checksum == first != other.checksum
    other.run_in_bands(image, after)
    assert not np.allclose(before, after, atol=0.1)


def test_values_and_shapes_that_are_wrong_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="normed gave values that are not finite"):
        in_bands(write(tmp_path / "x.onnx", bias=np.nan), picture(16, 12), 8)
    wrong = [replace(each, channels=5) if each is PLAN[1] else each for each in PLAN]
    with pytest.raises(
        ValueError, match=r"a has the shape \(1, 4, 8, 6\), where the plan in the file says \(1, 5, 8, 6\); export it"
    ):
        in_bands(write(tmp_path / "x.onnx"), picture(16, 12), 8, wrong)


def test_a_plan_survives_json() -> None:
    assert from_json(to_json(PLAN)) == PLAN


@pytest.mark.parametrize(
    "change",
    [
        {"channels": 10**9}, {"channels": "4"}, {"rate": [1, 0]}, {"rate": [1]}, {"unit": 0}, {"spoilt": [-1, 0]},
        {"spoilt": None}, {"sources": ["nothing"]}, {"sources": []}, {"sources": "image"}, {"norm": {}}, {"norm": 1},
        {"made": 7}, {"stored": 1}, {"type": 10**40}, {"more": 1},
    ],
)  # fmt: skip
def test_a_damaged_plan_is_one_sentence(change: dict[str, object]) -> None:
    facts = json.loads(to_json(PLAN))
    facts[-1] |= change
    with pytest.raises(ValueError, match=r"the plan for bands of rows in the file is damaged: .*; export it again"):
        from_json(json.dumps(facts))


@pytest.mark.parametrize("text", ["null", "{}", "[]", "[1, 2]", "7", "", "[" * 100_000, "[null, null]"])
def test_what_is_no_plan_is_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="the plan for bands of rows in the file is damaged"):
        from_json(text)


def test_the_plan_of_a_file_of_version_0_1_is_read_and_written_as_it_was() -> None:
    file = Path(__file__).parents[2] / "fixtures" / "v0_1" / "a_to_b.onnx"
    session, image = Session(file, providers=["cpu"]), picture(70, 50)
    result = np.empty_like(image)
    session.run_in_bands(image, result, rows=4)
    np.testing.assert_allclose(result, session(image), atol=2e-5)
    stored = onnx.load(file).metadata_props
    assert to_json(from_json(text := {each.key: each.value for each in stored}[BANDS])) == text
