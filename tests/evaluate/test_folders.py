"""Any two folders: known values of all metrics, and reasons for metrics that are impossible."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from i2i.evaluate import (
    EvaluationResult,
    ImageFolders,
    evaluate_folders,
    open_instruments,
    open_label_consistency,
    write_json,
)
from i2i.metrics.direction import DIRECTIONS, direction_of
from i2i.metrics.pair_metrics import PAIR_METRICS
from i2i.metrics.set_metrics import SET_METRICS
from i2i_runtime import images
from tests.evaluate.test_upscaling import picture
from tests.metrics.segmentation.onnx_files import write_segmenter


def fill(folder: Path, count: int = 12, *, noise: float = 0.0, first: int = 0) -> Path:
    folder.mkdir(parents=True)
    random = np.random.default_rng(1)
    for seed in range(first, first + count):
        image = picture(32, 40, seed=seed) + noise * random.normal(size=(32, 40, 3))
        images.write(folder / f"{seed}.png", image.clip(0, 255).astype(np.uint8))
    return folder


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return fill(tmp_path / "real")


def measure(fake: Path, real: Path | None, *names: str, **more: object) -> EvaluationResult:
    chosen = list(names) or None
    instruments = open_instruments(chosen, features="means")
    return evaluate_folders(ImageFolders(fake, real, **more), chosen, instruments)  # type: ignore[arg-type]


def test_a_folder_compared_with_itself_has_the_best_value_of_every_metric(real: Path) -> None:
    found = measure(real, real, source=real, training=real).metrics
    values = {name.partition("(")[0]: each.value for name, each in found.items()}
    assert values["KID"] < 0.02 and values["FID"] == pytest.approx(0, abs=1e-6)
    assert values["PSNR"] == math.inf and values["L1"] == 0 and values["SSIM"] == pytest.approx(1)
    for name in ("precision", "recall", "diversity", "dependence", "edge F1", "gradient structure"):
        assert values[name] == pytest.approx(1), name
    assert values["novelty"] == pytest.approx(0, abs=1e-6), "copies of the training images"


def test_json_has_infinity_as_text_and_unknown_errors_as_null(real: Path, tmp_path: Path) -> None:
    result = measure(real, real, "psnr", "fid")
    assert any(line.split() == ["PSNR", "inf", "higher", "is", "better"] for line in result.lines())
    assert any("PSNR: 12 of 12 images are equal to their truth" in line for line in result.lines())
    write_json(result, tmp_path / "out.json")
    table = json.loads((tmp_path / "out.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert table["metrics"]["PSNR"]["value"] == "inf" and table["metrics"]["FID(means)"]["error"] is None
    assert table["images"][3] == {"name": "3", "PSNR": "inf"}


def test_metrics_get_worse_with_noise(real: Path, tmp_path: Path) -> None:
    folders = [fill(tmp_path / f"noise{level}", noise=level) for level in (5, 20, 60)]
    found = [measure(folder, real, "kid", "fid", "psnr", "ssim", "l1").metrics for folder in folders]
    for name in found[0]:
        values = [each[name].value for each in found]
        assert sorted(values, reverse=direction_of(name) == "higher") == values and len(set(values)) == 3, name


def test_pair_metrics_are_means_over_images_with_standard_errors(real: Path, tmp_path: Path) -> None:
    result = measure(fill(tmp_path / "noisy", noise=9), real, "psnr")
    levels = np.array([measures["PSNR"] for measures in result.images.values()])
    assert len(levels) == 12 and result.metrics["PSNR"].value == pytest.approx(levels.mean())
    assert result.metrics["PSNR"].error == pytest.approx(levels.std(ddof=1) / 12**0.5)


def test_collapse_lowers_diversity_and_dependence(real: Path, tmp_path: Path) -> None:
    same = tmp_path / "same"
    same.mkdir()
    for seed in range(12):
        images.write(same / f"{seed}.png", picture(32, 40))
    found = measure(same, real, "diversity", "dependence", source=real).metrics
    assert found["diversity(means)"].value == 0 and found["dependence"].value == 0


def test_copies_are_traced_to_training_images(real: Path, tmp_path: Path) -> None:
    training = fill(tmp_path / "training", 20)
    result = measure(real, None, "novelty", training=training)
    assert [each.name for each in result.nearest] == [each.training for each in result.nearest]
    new = measure(fill(tmp_path / "new", first=100), None, "novelty", training=training)
    assert new.metrics["novelty(means)"].value > 0.5 > result.metrics["novelty(means)"].value


def test_only_features_of_real_images_are_cached(real: Path, tmp_path: Path) -> None:
    fake = fill(tmp_path / "fake", noise=9)
    measure(fake, real, "kid", "diversity", "novelty", training=real)
    assert len(list((tmp_path / "features").glob("*.safetensors"))) == 1


def test_metrics_left_out_have_a_reason(real: Path, tmp_path: Path) -> None:
    other = fill(tmp_path / "other", first=50)
    result = evaluate_folders(ImageFolders(other, real), None, open_instruments())
    assert result.metrics.keys() == {"diversity(pixels)"}
    features, pairs = result.left_out
    assert features.startswith("kid, fid, precision, recall: Inception-v3 of FID is not at hand; download https://")
    assert pairs.startswith(f"psnr, ssim, l1, lpips: {real}: no partner for 12 of 12 images")
    assert f"left out: {features}" in result.lines()


def test_images_of_mixed_sizes_have_set_metrics_but_no_pair_metrics(real: Path, tmp_path: Path) -> None:
    mixed = fill(tmp_path / "mixed")
    images.write(mixed / "3.png", picture(20, 24))
    result = measure(mixed, real)
    assert "KID(means)" in result.metrics and "PSNR" not in result.metrics
    assert any(f"psnr, ssim, l1, lpips: {mixed / '3.png'} is 24x20, but" in sentence for sentence in result.left_out)
    with pytest.raises(ValueError, match=r"psnr: .*3.png is 24x20, but .*3.png 40x32; allowed: equal sizes"):
        measure(mixed, real, "psnr")


def test_a_bad_image_is_named_once_and_the_others_are_measured(real: Path, tmp_path: Path) -> None:
    fake = fill(tmp_path / "fake", noise=9)
    (fake / "5.png").write_bytes(b"no image")
    result = measure(fake, real, "kid", "psnr", "structure", "dependence", source=real)
    (sentence,) = result.failed
    assert sentence.startswith(f"{fake / '5.png'}: not an image") and len(result.images) == 11
    assert result.lines()[-2:] == ["1 failed:", f"  {sentence}"]


@pytest.mark.parametrize(("count", "sentence"), [(0, "no images in it; known suffixes"), (1, "a set of 1 images")])
def test_a_folder_of_fewer_than_two_images_raises(count: int, sentence: str, real: Path, tmp_path: Path) -> None:
    few = fill(tmp_path / "few", count)
    for folders in ((few, real), (real, few)):
        with pytest.raises(ValueError, match=f"{few}: {sentence}"):
            measure(*folders, "kid")


def test_one_image_is_measured_by_pair_metrics(real: Path, tmp_path: Path) -> None:
    result = measure(fill(tmp_path / "one", 1), real)
    assert result.metrics["PSNR"].value == math.inf and math.isnan(result.metrics["PSNR"].error)
    assert any("kid: " in sentence and "a set of 1 images" in sentence for sentence in result.left_out)


def test_a_missing_folder_raises(real: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        measure(real, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["kidd"], "unknown metric 'kidd'; did you mean 'kid'"),
        ([], "no metric is named; choose from: fid"),
        (["is"], "is: means is no classifier"),
        (["lpips"], r"LPIPS needs .*download .*alexnet-owt-7be5be79\.pth"),
    ],
)
def test_impossible_metrics_raise_before_any_image_is_read(names: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        open_instruments(names, features="means")


def test_missing_weights_raise(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none.pth: no such file"):
        open_instruments(["kid"], features="squeezenet1_1", weights=tmp_path / "none.pth")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("psnr", "psnr: no real images are given"),
        ("novelty", "novelty: the training images are not known here"),
        ("dependence", "dependence: the sources of the images are not known here"),
        ("labels", "labels: needs --segmenter and --labels"),
    ],
)
def test_a_metric_without_its_folder_raises(name: str, sentence: str, real: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        measure(real, None, name)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Images whose largest channel is their class, their label maps, and a segmenter of four classes for them."""
    for seed in range(3):
        labels = np.random.default_rng(seed).integers(0, 3, (16, 20))
        for folder, pixels in (("images", np.eye(3)[labels] * 255), ("labels", labels[..., None])):
            (tmp_path / folder).mkdir(exist_ok=True)
            images.write(tmp_path / folder / f"{seed}.png", pixels.astype(np.uint8))
    write_segmenter(tmp_path / "seg.onnx")
    (tmp_path / "names.txt").write_text("red\ngreen\nblue\ndark\n")
    return tmp_path


def test_swapped_classes_lose_their_iou(labelled: Path) -> None:
    labels = open_label_consistency(str(labelled / "seg.onnx"), labelled / "labels", classes=labelled / "names.txt")
    instruments = open_instruments(["labels"], labels=labels)
    found = evaluate_folders(ImageFolders(labelled / "images"), ["labels"], instruments).metrics
    assert found["mIoU"].value == 1 and found["IoU red"].value == 1 and found["IoU dark"].note == "occurs in no map"
    for file in (labelled / "images").iterdir():
        images.write(file, images.read(file)[..., [1, 0, 2]])
    found = evaluate_folders(ImageFolders(labelled / "images"), None, open_instruments(labels=labels)).metrics
    assert found["IoU red"].value == 0 and found["IoU blue"].value == 1 and found["mIoU"].value == pytest.approx(1 / 3)


def test_a_segmenter_of_more_classes_than_names_raises(labelled: Path) -> None:
    (labelled / "names.txt").write_text("red\ngreen\nblue\n")
    with pytest.raises(ValueError, match=r"seg\.onnx: knows 4 classes, but 3 are named; give"):
        open_label_consistency(str(labelled / "seg.onnx"), labelled / "labels", classes=labelled / "names.txt")


def test_a_segmenter_without_the_metric_labels_raises(labelled: Path) -> None:
    labels = open_label_consistency(str(labelled / "seg.onnx"), labelled / "labels")
    with pytest.raises(ValueError, match="a segmenter is given, but labels is not among the metrics psnr"):
        open_instruments(["psnr"], labels=labels)


def test_missing_label_maps_and_segmenters_raise(labelled: Path) -> None:
    segmenter = str(labelled / "seg.onnx")
    with pytest.raises(ValueError, match="label consistency needs --labels DIR"):
        open_label_consistency(segmenter, None)
    with pytest.raises(ValueError, match="needs --segmenter FILE"):
        open_label_consistency(None, labelled / "labels")
    with pytest.raises(ValueError, match="nowhere: no such folder of label maps"):
        open_label_consistency(segmenter, labelled / "nowhere")
    (labelled / "labels/1.png").unlink()
    labels = open_label_consistency(segmenter, labelled / "labels")
    with pytest.raises(ValueError, match=r"labels: no label map for 1 of 3 images: 1.png"):
        evaluate_folders(ImageFolders(labelled / "images"), None, open_instruments(labels=labels))


def test_every_metric_has_a_direction() -> None:
    assert {*SET_METRICS, *PAIR_METRICS, "diversity", "novelty", "dependence"} <= DIRECTIONS.keys()
    lower = {name for name, direction in DIRECTIONS.items() if direction == "lower"}
    assert lower == {"fid", "kid", "l1", "lpips", "ppl", "warp error", "flicker ratio"}, "distances and errors alone"
    names = {"KID(x)": "lower", "LPIPS-alex": "lower", "MS-SSIM": "higher", "IoU road": "higher", "edge F1": "higher"}
    assert {name: direction_of(name) for name in names} == names and direction_of("a plugin's") is None
