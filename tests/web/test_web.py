"""The web page, in headless Chromium, gives what the Python runtime gives."""

import base64
import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, TensorProto, helper

from i2i.checkpoints.card import card_of
from i2i.export import export
from i2i.export.precision import to_half
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.srvgg import SRVGGNet
from i2i_runtime import images, tiles
from i2i_runtime.card import Card
from i2i_runtime.engines.onnxruntime import CARD, Session
from tests.runtime.engines.test_onnxruntime import BLUR, write
from tests.web.chromium import Browser, start

rng = np.random.default_rng(0)


def translated(browser: Browser, model: Path, image: np.ndarray, folder: Path) -> np.ndarray:
    """The page's result for an image, as it would be saved."""
    images.write(folder / "image.png", image)
    browser.run("document.getElementById('download').hidden = true")
    browser.choose(model=model, image=folder / "image.png")
    return saved(browser, folder)


def saved(browser: Browser, folder: Path) -> np.ndarray:
    browser.until("!document.getElementById('download').hidden || !document.getElementById('error').hidden")
    assert browser.run("document.getElementById('error').textContent") == ""
    script = """fetch(document.getElementById('download').href).then((answer) => answer.blob()).then((blob) =>
        new Promise((done) => Object.assign(new FileReader(), {
            onload() { done(this.result.split(',')[1]); } }).readAsDataURL(blob)))"""
    (folder / "result.png").write_bytes(base64.b64decode(browser.run(script)))
    return images.read(folder / "result.png")


@cache
def exported(name: str) -> ModelProto:
    torch.manual_seed(0)
    generator = {"resnet": partial(ResnetGenerator, blocks=1), "compact": partial(SRVGGNet, convolutions=1, scale=2)}
    with TemporaryDirectory() as folder:
        network, file = generator[name](features=4), Path(folder) / "x.onnx"
        export(network, card_of(network, {"product": name}), file)
        return onnx.load(file)


def trained(file: Path, name: str, **facts: Any) -> None:
    """A small exported generator with other facts in its card."""
    model = onnx.load_from_string(exported(name).SerializeToString())
    card = next(json.loads(entry.value) for entry in model.metadata_props if entry.key == CARD)
    helper.set_model_props(model, {CARD: json.dumps(card | facts)})
    onnx.save(model, file)


def blur(file: Path, **facts: Any) -> None:
    write(file, Card(**{**BLUR.to_dict(), **facts}))


def mixed(file: Path, channels: int, out_channels: int, **facts: Any) -> None:
    """Every channel of a pixel becomes a weighted mean of its channels."""
    weights = np.random.default_rng(1).dirichlet(np.ones(channels), out_channels).ravel()
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weights"], ["result"])],
        "mixed",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", channels, "h", "w"])],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, None)],
        [helper.make_tensor("weights", TensorProto.FLOAT, [out_channels, channels, 1, 1], weights)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    card = Card(product="mixed", in_channels=channels, out_channels=out_channels, **facts)
    helper.set_model_props(model, {CARD: json.dumps(card.to_dict())})
    onnx.save(model, file)


def half(file: Path) -> None:
    blur(file, precision="float16")
    onnx.save(to_half(onnx.load(file)), file)


CASES: dict[str, tuple[Callable[[Path], None], tuple[int, ...]]] = {
    "instance norm sees the padded image": (partial(trained, name="resnet"), (37, 50, 3)),
    "half precision": (half, (24, 32, 3)),
    "a wide image in tiles": (partial(trained, name="compact"), (40, 500, 3)),
    "pixels at both ends": (partial(blur, io="uint8"), (20, 30, 3)),
    "one size only": (partial(blur, size=[1, 20, 30]), (20, 30, 3)),
    "smaller than the smallest size": (partial(blur, multiple_of=8, min_size=32), (5, 9, 3)),
    "tiles that differ where they meet": (partial(trained, name="resnet", overlap=32), (390, 400, 3)),
    "colours to grey": (partial(mixed, channels=1, out_channels=1), (24, 31, 3)),
    "alpha through the network": (partial(mixed, channels=4, out_channels=4), (24, 31, 4)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_page_gives_what_the_runtime_gives(case: str, browser: Browser, tmp_path: Path) -> None:
    make, shape = CASES[case]
    make(tmp_path / "x.onnx")
    image = rng.integers(0, 256, shape, np.uint8)
    expected = Session(tmp_path / "x.onnx", providers=["cpu"])(image)
    result = translated(browser, tmp_path / "x.onnx", image, tmp_path)
    assert np.ptp(expected) > 50, "and there is something to compare"
    assert result.shape == expected.shape
    assert np.abs(result.astype(int) - expected).max() <= 1


def test_alpha_goes_past_the_network_and_no_hidden_colour_bleeds_out(browser: Browser, tmp_path: Path) -> None:
    blur(tmp_path / "x.onnx")
    image = np.full((24, 30, 4), (200, 90, 40, 255), np.uint8)
    image[:, :9, :3] = rng.integers(0, 256, (24, 9, 3), np.uint8)
    image[5:20, 12:25] = (0, 255, 0, 0)  # a hole in one colour, with another hidden in it
    image[8:12, 15:18] = (200, 90, 40, 120)
    expected = Session(tmp_path / "x.onnx", providers=["cpu"])(image)
    result = translated(browser, tmp_path / "x.onnx", image, tmp_path)
    assert result.shape == expected.shape == (48, 60, 4) and np.ptp(expected[..., 3]) == 255
    assert np.abs(result.astype(int) - expected)[expected[..., 3] > 0].max() <= 1


def test_grey_stays_grey_when_enlarged_and_becomes_colour_when_translated(browser: Browser, tmp_path: Path) -> None:
    image = rng.integers(0, 256, (20, 30, 1), np.uint8)
    for scale, name in ((2, "compact"), (1, "resnet")):
        trained(tmp_path / "x.onnx", name)
        expected = Session(tmp_path / "x.onnx", providers=["cpu"])(image)
        result = translated(browser, tmp_path / "x.onnx", image, tmp_path)
        assert result.shape == expected.shape == (20 * scale, 30 * scale, 1 if scale == 2 else 3)
        assert np.abs(result.astype(int) - expected).max() <= 1


def test_tiles_are_those_of_the_runtime(browser: Browser) -> None:
    cases = [
        (size * multiple_of, tile, overlap, overlap // 9, multiple_of)
        for size in (1, 17, 64, 65, 130, 501)
        for tile, overlap in ((48, 0), (64, 16), (70, 33))
        for multiple_of in (1, 4)
    ]
    spans = browser.run(
        f"import('./tiles.js').then(({{ spans }}) => {json.dumps(cases)}.map((case_) => spans(...case_)))"
    )
    for (size, tile, overlap, ramp, multiple_of), found in zip(cases, spans, strict=True):
        expected = tiles.spans(size, tile=tile, overlap=overlap, ramp=ramp, multiple_of=multiple_of)
        assert found == [span._asdict() for span in expected]


def error(browser: Browser) -> str:
    browser.until("!document.getElementById('error').hidden")
    return browser.run("document.getElementById('error').textContent")


def test_what_cannot_be_done_is_a_sentence(browser: Browser, tmp_path: Path) -> None:
    model, image = tmp_path / "x.onnx", tmp_path / "image.png"
    write(model, card=None)
    browser.choose(model=model)
    assert error(browser).startswith("x.onnx: no card in it. A file that has one is made by: i2i export")
    model.write_bytes(b"\x7fELF nothing of the kind")
    browser.choose(model=model)
    assert error(browser) == "x.onnx: not an .onnx file, or a damaged one."
    blur(model, size=[1, 20, 30])
    images.write(image, np.zeros((21, 30, 3), np.uint8))
    browser.choose(model=model, image=image)
    assert "takes 1 image(s) of 30x20 pixels only" in error(browser)
    blur(model, instance_maps=True, label_classes=2)
    browser.choose(model=model)
    assert error(browser) == "x.onnx: takes instance maps of 16 bits, which i2i translate reads."
    blur(model, size=[1, 20, 30])
    browser.choose(model=model)
    image.write_bytes(b"no picture")
    browser.choose(image=image)
    assert error(browser) == "image.png: not an image that this browser can read."


def test_a_translation_that_is_stopped_leaves_the_page_ready(browser: Browser, tmp_path: Path) -> None:
    blur(tmp_path / "x.onnx")
    images.write(tmp_path / "large.png", np.zeros((3000, 3000, 3), np.uint8))
    browser.choose(model=tmp_path / "x.onnx", image=tmp_path / "large.png")
    browser.until("document.getElementById('status').textContent === 'Translating…'")
    browser.run("document.getElementById('stop').click()")
    browser.until("document.getElementById('status').textContent === 'Stopped.'")
    assert browser.run("document.getElementById('work').hidden")
    images.write(tmp_path / "small.png", np.zeros((32, 32, 3), np.uint8))
    browser.choose(image=tmp_path / "small.png")
    browser.until("!document.getElementById('download').hidden")
    assert browser.run("document.getElementById('download').download") == "small.png"


def test_where_memory_runs_out_tiles_get_smaller_and_the_result_stays(browser: Browser) -> None:
    script = """import('./translate.js').then(async ({ translate }) => {
        const card = { in_channels: 3, out_channels: 3, scale: 1, multiple_of: 1, min_size: 1, overlap: 8 };
        const sides = [];
        const network = async (images) => {
            sides.push(images.width);
            if (images.width > 60) throw new Error("std::bad_alloc");
            return images; };
        const data = Uint8ClampedArray.from({ length: 4 * 30 * 200 }, (_, at) => at % 4 === 3 ? 255 : at * at);
        const image = { data, height: 30, width: 200, hasAlpha: false };
        const result = await translate(network, card, image, () => {});
        const isSame = result.data.every((value, at) => value === data[4 * Math.floor(at / 3) + at % 3]);
        const whole = { ...card, overlap: 0 };
        const all = await translate(network, whole, image, () => {}).catch(({ message }) => message);
        return [isSame, sides[0], all]; })"""
    assert browser.run(script) == [True, 200, "Not enough memory for 200x30 pixels; try a smaller image."]


def test_a_model_beside_the_page_and_a_dropped_image_are_enough(
    browser: Browser, site: Path, address: str, tmp_path: Path
) -> None:
    blur(site / "blur.onnx")
    browser.open(f"{address}?model=blur.onnx")
    browser.until("document.getElementById('status').textContent === 'Choose an image.'")
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    images.write(tmp_path / "image.png", image)
    data = {"items": [], "files": [str(tmp_path / "image.png")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.call("Input.dispatchDragEvent", type=kind, x=50, y=50, data=data)
    expected = Session(site / "blur.onnx", providers=["cpu"])(image)
    assert np.abs(saved(browser, tmp_path).astype(int) - expected).max() <= 1
    browser.run("document.getElementById('slider').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Home", code="Home", windowsVirtualKeyCode=36)
    assert browser.run("getComputedStyle(document.getElementById('after')).clipPath") == "inset(0px 0px 0px 0%)"


@pytest.mark.slow
def test_the_gpu_gives_what_the_runtime_gives(runtime: None, address: str, tmp_path: Path) -> None:
    flags = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan,WebGPU"]
    browser = start(tmp_path / "chromium", *flags)
    try:
        browser.open(address)
        if not browser.run("navigator.gpu?.requestAdapter().then(Boolean)"):
            pytest.skip("no WebGPU in this Chromium")
        browser.run("document.getElementById('device').value = 'gpu'")
        trained(tmp_path / "x.onnx", "resnet")
        image = rng.integers(0, 256, (20, 30, 3), np.uint8)
        expected = Session(tmp_path / "x.onnx", providers=["cpu"])(image)
        result = translated(browser, tmp_path / "x.onnx", image, tmp_path)
        assert browser.run("document.getElementById('status').textContent").endswith(
            "on the GPU. Move the line to compare."
        )
        assert np.abs(result.astype(int) - expected).max() <= 1
    finally:
        browser.close()
