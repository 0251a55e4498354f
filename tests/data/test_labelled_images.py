"""Images of one square size with the class that their folder names."""

from pathlib import Path

import numpy as np
import pytest

from i2i import recipe
from i2i.data.augment import Pipeline
from i2i.data.folders import find_classes, find_single
from i2i.data.samples import LabelledImages, Preprocessing
from i2i.training import run
from i2i_runtime import images
from tests.worlds import Recorder, digits, tiny_recipe


def gradient(height: int, width: int) -> np.ndarray:
    return np.broadcast_to(np.linspace(0, 255, width).astype(np.uint8)[None, :, None], (height, width, 3)).copy()


def opened(folder: Path, *classes: str, size: int = 8) -> LabelledImages:
    plain = Preprocessing(Pipeline({}), Pipeline({}), seed=0)
    return LabelledImages(find_single(folder), plain, size=size, classes=classes)


def test_a_label_is_the_number_of_the_folder_among_the_classes(tmp_path: Path) -> None:
    folder = digits(tmp_path / "digits", each=2, classes=range(2, 5))
    samples = opened(folder, *find_classes(folder))
    assert [int(samples[0, index].label) for index in range(len(samples))] == [0, 0, 1, 1, 2, 2]
    assert samples[0, 0].image.shape == (3, 8, 8)
    assert samples[0, 0].image.min() >= -1 and samples[0, 0].image.max() <= 1


def test_the_classes_may_lie_in_train_and_test(tmp_path: Path) -> None:
    digits(tmp_path / "train", each=3, classes=range(2))
    digits(tmp_path / "test", each=1, classes=range(2))
    samples = opened(tmp_path, "0", "1")
    assert (len(samples), samples.held_out_count) == (6, 2) and int(samples.held_out(1).label) == 1


def test_without_classes_every_label_is_0(tmp_path: Path) -> None:
    samples = opened(digits(tmp_path / "digits", each=2, classes=range(3)))
    assert {int(samples[0, index].label) for index in range(len(samples))} == {0}


def test_an_image_outside_of_all_classes_is_refused(tmp_path: Path) -> None:
    digits(tmp_path / "digits", each=1, classes=range(2))
    images.write(tmp_path / "digits" / "stray.png", gradient(8, 8))
    with pytest.raises(ValueError, match=r"stray\.png: lies in none of the classes 0, 1"):
        opened(tmp_path / "digits", "0", "1")


def test_a_conditional_run_records_the_classes_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = digits(tmp_path / "digits", each=3, classes=range(3, 6))
    chosen = run.with_classes(tiny_recipe("dcgan", folder, "train.steps=1"))
    reporter = Recorder()
    folder = run.train(chosen, tmp_path / "run", reporter=reporter)
    assert "classes: 0 3, 1 4, 2 5" in reporter.messages and recipe.load_run(folder).data.classes == ["3", "4", "5"]
    with pytest.raises(ValueError, match="cyclegan knows no classes"):
        run.with_classes(tiny_recipe("cyclegan", folder))
