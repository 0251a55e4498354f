"""The web page prepares images as in training, as the Python runtime does."""

import base64
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from i2i_runtime.engines.onnxruntime import Session
from i2i_runtime.images.prepare import preparation, resize
from tests.web.chromium import Browser
from tests.web.test_web import blur, error, mixed, saved, translated

rng = np.random.default_rng(0)
RESIZE = {"resize": {"size": [40, 90]}}  # lower and wider than the images below


def recipe(steps: dict[str, Any]) -> str:
    return tomli_w.dumps({"name": "x", "augment": {"train": {"resize": {"size": 7}}, "test": steps}, "train": {}})


def resized(page: Browser, image: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """An RGBA image, resized by the page."""
    height, width = image.shape[:2]
    data = base64.b64encode(image.tobytes()).decode()
    script = f"""import('./resample.js').then(async ({{ resize }}) => {{
        const data = new Uint8ClampedArray(await (await fetch('data:;base64,{data}')).arrayBuffer());
        const image = {{ data, height: {height}, width: {width} }};
        const result = resize(image, {json.dumps(size)}, '{interpolation}');
        return [result.height, result.width, [...result.data]]; }})"""
    *shape, values = page.run(script)
    return np.array(values, np.uint8).reshape(*shape, 4)


@pytest.mark.parametrize("interpolation", ["bicubic", "linear", "area", "nearest"])
def test_the_page_resamples_as_opencv_does(interpolation: str, page: Browser) -> None:
    image = rng.integers(0, 256, (41, 57, 4), np.uint8)
    image[:20, 10:30] = 255  # edges at which cubic weights overshoot
    image[20:, 30:] = 0
    sizes = [(20, 30), (41, 19), (82, 114), (97, 131), (20, 140), (90, 23), (42, 58), (13, 57), (123, 171), (1, 1)]
    for size in sizes:
        expected = resize(image, size, interpolation)
        result = resized(page, image, size, interpolation)
        assert result.shape == expected.shape
        assert np.abs(result.astype(int) - expected).max() <= (interpolation != "nearest"), size


def test_nearest_is_that_of_opencv_but_for_centres_between_two_pixels(page: Browser) -> None:
    for width in (1, 2, 7, 48):
        image = np.arange(width * 4, dtype=np.uint8).reshape(1, width, 4)
        for to in range(1, 40):
            expected = resize(image, (1, to), "nearest")
            between = (2 * np.arange(to) + 1) * width % (2 * to) == 0
            difference = resized(page, image, (1, to), "nearest")[0, :, 0] // 4 - expected[0, :, 0] // 4
            assert set(difference[~between]) <= {0} and set(difference[between]) <= {0, 1}


@pytest.mark.parametrize(
    "steps",
    [
        {"resize": {"size": 20}, "scale_width": {"width": 31, "interpolation": "linear"}, "crop": {"size": 8}},
        {"scale_short": {"size": 90, "interpolation": "area"}, "flip": {"p": 0.5}},
        {"scale_width": {"width": 114}, "scale_short": {"size": 41}},  # half a pixel rounds to even
        {"limit": {"size": 8}, "resize": False},
        {},
    ],
)
def test_steps_are_read_from_the_recipe_in_their_order(steps: dict[str, Any], page: Browser) -> None:
    image = rng.integers(0, 256, (41, 57, 4), np.uint8)
    card, data = json.dumps({"recipe": recipe(steps)}), json.dumps(image.ravel().tolist())
    script = f"""import('./prepare.js').then(({{ hasPreparation, prepared, sizeSteps }}) => {{
        const image = {{ data: new Uint8ClampedArray({data}), height: 41, width: 57 }};
        const result = prepared(image, sizeSteps({card}));
        return [hasPreparation({card}), result.height, result.width, [...result.data]]; }})"""
    has_preparation, *shape, values = page.run(script)
    expected = preparation(recipe(steps))(image)
    assert has_preparation == (expected is not image)
    assert np.abs(np.array(values).reshape(*shape, 4) - expected).max() <= 1


def test_what_the_page_cannot_prepare_is_a_sentence(page: Browser) -> None:
    cases = {
        "Images of training went through window, which this page does not have: leave": recipe(
            {"resize": {"size": 8}, "window": {"low": 3}}
        ),
        "The recipe in the model has a step resize that cannot be used": recipe({"resize": {"size": [1, 2, 3]}}),
        "The recipe in the model has a step scale_width that cannot be used": recipe({"scale_width": {"width": 2**17}}),
        "The recipe in the model has a step scale_short that cannot": recipe(
            {"scale_short": {"size": 8, "interpolation": "lanczos"}}
        ),
        "The recipe in the model cannot be read": "[augment]\ntest = {resize = {size = 3}}\n",
        "This page does not resize label maps": recipe({"resize": {"size": 8}}),
    }
    for sentence, text in cases.items():
        card = {"recipe": text, "label_classes": 3 if "label" in sentence else 0}
        script = f"""import('./prepare.js').then(({{ hasPreparation, sizeSteps }}) => {{
            try {{ return sizeSteps({json.dumps(card)}); }}
            catch ({{ message }}) {{ return [hasPreparation({json.dumps(card)}), message]; }} }})"""
        offered, message = page.run(script)
        assert offered and message.startswith(sentence)


CASES: dict[str, tuple[Callable[..., None], int]] = {
    "an enlarging network": (blur, 3),
    "alpha past the network": (blur, 4),
    "colours to grey": (partial(mixed, channels=1, out_channels=1), 3),
    "alpha through the network": (partial(mixed, channels=4, out_channels=4), 4),
}


@pytest.mark.parametrize("case", CASES)
def test_the_page_gives_what_the_runtime_gives_as_trained(case: str, browser: Browser, tmp_path: Path) -> None:
    write, channels = CASES[case]
    write(tmp_path / "x.onnx", recipe=recipe(RESIZE))
    image = rng.integers(0, 256, (64, 70, channels), np.uint8)
    if channels == 4:
        image[16:56, 16:56] = (200, 90, 40, 255)
        image[24:44, 24:44] = (0, 255, 0, 0)  # a hole in one colour, with another hidden in it
    session = Session(tmp_path / "x.onnx", providers=["cpu"])
    plain = session(image)
    session.prepare = session.preparation()
    expected = session(image)
    assert plain.shape != expected.shape
    assert translated(browser, tmp_path / "x.onnx", image, tmp_path).shape == plain.shape, "off, until it is chosen"
    browser.run("document.getElementById('download').hidden = true")
    browser.run("document.getElementById('as-trained').click()")
    result = saved(browser, tmp_path)
    browser.run("document.getElementById('as-trained').click()")
    assert result.shape == expected.shape
    # One level of the resampling and one of the network's result.
    assert np.abs(result.astype(int) - expected).max() <= 2


def test_the_choice_is_there_for_files_that_have_it(browser: Browser, tmp_path: Path) -> None:
    image = rng.integers(0, 256, (9, 9, 3), np.uint8)
    is_hidden = "document.getElementById('as-trained').parentElement.hidden"
    for steps, hidden in (({"crop": {"size": 8}}, True), (RESIZE, False), ({"window": {}}, False)):
        blur(tmp_path / "x.onnx", recipe=recipe(steps))
        translated(browser, tmp_path / "x.onnx", image, tmp_path)
        assert browser.run(is_hidden) == hidden
    browser.run("document.getElementById('as-trained').click()")
    assert error(browser).startswith("Images of training went through window")
    browser.run("document.getElementById('as-trained').click()")
    saved(browser, tmp_path)
