"""Python functions as segmenters, by file or module."""

from pathlib import Path

import numpy as np
import pytest

from i2i.metrics.segmentation.segmenter import IMAGENET_MEAN, load_segmenter
from tests.metrics.segmentation.onnx_files import picture


def test_a_function_in_a_file_segments(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def largest(image):\n    return image.argmax(2)\nlimit = 3\n")
    segmenter = load_segmenter(f"{file}:largest")
    np.testing.assert_array_equal(segmenter(picture()), picture().argmax(2))
    for name, sentence in (
        (f"{file}:limit", "no function 'limit'"),
        (f"{file}:missing", "no function 'missing'"),
        (f"{tmp_path}/gone.py:largest", "no file"),
    ):
        with pytest.raises(ValueError, match=sentence):
            load_segmenter(name)


def test_a_function_in_a_module_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_segmenters.py").write_text("def darkest(image):\n    return image.argmin(2)\n")
    monkeypatch.syspath_prepend(tmp_path)
    np.testing.assert_array_equal(load_segmenter("my_segmenters:darkest")(picture()), picture().argmin(2))
    with pytest.raises(ValueError, match="ModuleNotFoundError"):
        load_segmenter("no_such_module_at_all:f")


@pytest.mark.parametrize("body", ["image / 255", "image.argmax(2).astype(float)", "image.argmax(2)[1:]", "None"])
def test_results_that_are_no_label_map_raise(body: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"def f(image):\n    return {body}\n")
    with pytest.raises(ValueError, match=r"mine\.py:f: gave .*; allowed: whole numbers of shape \(12, 17\)"):
        load_segmenter(f"{file}:f")(picture())


def test_normalisation_of_a_function_and_other_names_raise(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"are for \.onnx files"):
        load_segmenter("mine.py:f", mean=IMAGENET_MEAN)
    for name in ("model.pt", "mine.py", "mine.py:", ":f"):
        with pytest.raises(ValueError, match=r"allowed: a file\.onnx, file\.py:function or module:function"):
            load_segmenter(name)
