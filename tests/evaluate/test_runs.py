"""Runs of every kind: exactly the translations of their held-out images are measured."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from i2i import inference
from i2i.evaluate import (
    EvaluationResult,
    ImageFolders,
    evaluate_folders,
    evaluate_run,
    open_instruments,
    open_label_consistency,
)
from i2i.latent import sampler as sampling
from i2i.training import run
from i2i_runtime import images
from tests.cli.test_evaluate import save_model
from tests.evaluate.test_upscaling import picture
from tests.logs import read_log
from tests.metrics.segmentation.onnx_files import write_segmenter
from tests.test_earlier_versions import MADE
from tests.worlds import Recorder, digits, tiny_recipe, tiny_world


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a run of that method, of one step, on the data beside it."""
    home = tmp_path_factory.mktemp("runs")
    world = tiny_world(home / "world", count=40)
    numbers = digits(home / "digits", each=4)
    data = {"dcgan": numbers, "rrdb-psnr": world / "trainB"}

    def trained(method: str) -> Path:
        if not (home / method).exists():
            chosen = tiny_recipe(method, data.get(method, world), "train.steps=1", "collapse.every=0")
            run.train(chosen, home / method, reporter=Recorder())
        return home / method

    return trained


def measure(model: Path, *names: str, data: tuple[Path, ...] = (), **more: object) -> EvaluationResult:
    chosen = list(names) or None
    instruments = open_instruments(chosen, features="means")
    result = evaluate_run(model, list(map(str, data)), chosen, instruments, device="cpu", overwrite=True, **more)  # type: ignore[arg-type]
    assert result is not None
    return result


def test_pairs_are_compared_with_their_truth_and_results_are_written_to_the_run(runs: Callable[[str], Path]) -> None:
    folder = runs("pix2pix")
    result = measure(folder)
    assert {"KID(means)", "FID(means)", "PSNR", "SSIM", "L1", "diversity(means)", "dependence"} <= result.metrics.keys()
    assert len(result.images) == 8 and all({"PSNR", "edge F1"} <= each.keys() for each in result.images.values())
    table = json.loads((folder / "evaluation.json").read_text())
    assert table == json.loads(json.dumps(result.as_json()))
    facts = {"run": str(folder), "checkpoint": "00000001", "step": 1, "product": "source_to_target"}
    assert table | facts == table and table["measured"] == "8 held-out pairs"


@pytest.mark.parametrize("product", ["a_to_b", "b_to_a"])
def test_unpaired_images_are_translated_in_the_direction_of_the_product(
    product: str, runs: Callable[[str], Path], tmp_path: Path
) -> None:
    folder, kept = runs("cyclegan"), tmp_path / "kept"
    assert measure(folder, "kid", product=product, keep=kept).metrics.keys() == {"KID(means)"}
    translate = inference.load(folder, product=product, device="cpu")
    names = images.list_images(kept / "source")
    assert len(names) == 8
    source, real = (folder.parent / "world" / f"test{domain}" for domain in ("AB" if product == "a_to_b" else "BA"))
    for name in names:
        image = images.read(kept / "source" / name)
        assert np.array_equal(image, images.read(source / name))
        assert np.array_equal(images.read(kept / "real" / name), images.read(real / name))
        assert abs(images.read(kept / "fake" / name).astype(int) - translate(image)).max() <= 1


def test_images_have_the_channels_of_their_domain(runs: Callable[[str], Path], tmp_path: Path) -> None:
    world = runs("cyclegan").parent / "world"
    more = ["train.steps=1", "method.a_channels=1", "method.identity_weight=0"]
    folder = run.train(tiny_recipe("cyclegan", world, *more), tmp_path / "run", reporter=Recorder())
    measure(folder, "kid", product="b_to_a", keep=tmp_path / "kept")
    channels = {part: images.read(next((tmp_path / "kept" / part).iterdir())).shape[2] for part in ("source", "fake")}
    assert channels == {"source": 3, "fake": 1}


def test_unpaired_images_of_equal_names_are_not_compared_as_pairs(runs: Callable[[str], Path]) -> None:
    assert "PSNR" not in measure(runs("cyclegan")).metrics


def test_an_upscaler_is_measured_on_degraded_images(runs: Callable[[str], Path], tmp_path: Path) -> None:
    result = measure(runs("rrdb-psnr"), keep=tmp_path / "kept")
    assert {"PSNR", "SSIM"} <= result.metrics.keys() and "dependence" not in result.metrics
    (low, *_), (fake, *_) = (images.list_images(tmp_path / "kept" / part) for part in ("source", "fake"))
    small, large = images.header(tmp_path / "kept/source" / low), images.header(tmp_path / "kept/fake" / fake)
    assert (large.height, large.width) == (2 * small.height, 2 * small.width)


def test_as_many_samples_as_real_images_are_drawn_from_consecutive_seeds(
    runs: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = runs("dcgan")
    result = measure(folder, keep=tmp_path / "kept")
    assert {"KID(means)", "diversity(means)", "novelty(means)"} <= result.metrics.keys() and len(result.nearest) == 40
    assert result.facts["measured"] == "40 images"
    names = images.list_images(tmp_path / "kept/fake")
    pictures = [images.read(tmp_path / "kept/fake" / name) for name in names]
    assert len(names) == len(images.list_images(tmp_path / "kept/real")) == 40
    assert np.array_equal(pictures, sampling.load(folder, device="cpu")(range(40)))


@pytest.mark.parametrize("method", ["cyclegan", "rrdb-psnr"])
def test_metrics_during_training_equal_those_of_evaluation(
    method: str, runs: Callable[[str], Path], tmp_path: Path
) -> None:
    home = runs("cyclegan").parent
    names = ["kid", "recall"] + ["psnr"] * (method != "cyclegan")
    more = ["train.steps=1", "evaluate.every=1", "evaluate.features=means", f"evaluate.metrics={names}"]
    chosen = tiny_recipe(method, home / "world" / ("trainB" if method != "cyclegan" else ""), *more)
    folder = run.train(chosen, tmp_path / "run", reporter=Recorder())
    result, log = measure(folder, *names), read_log(folder / "metrics.csv")
    product = result.facts["product"]
    for name, each in result.metrics.items():
        assert log[f"{product}.{name}"][-1] == pytest.approx(each.value, rel=1e-4), name


def test_samples_have_the_classes_of_the_real_images(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    original = sampling.Sampler.__call__
    monkeypatch.setattr(
        sampling.Sampler, "__call__", lambda self, seeds, labels: drawn.extend(labels) or original(self, seeds, labels)
    )
    data = digits(tmp_path / "digits", each=3, classes=range(4))
    more = ["train.steps=1", "method.classes=4", "evaluate.every=1", "evaluate.features=means"]
    folder = run.train(tiny_recipe("dcgan", data, *more), tmp_path / "run", reporter=Recorder())
    measure(folder, "kid")
    assert sorted(drawn) == sorted([*range(4)] * 3) and (folder / "metrics.csv").exists()


def test_a_read_only_run_is_measured(runs: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    said: list[str] = []
    monkeypatch.setattr("i2i.evaluate.runs.write_merged", refuse)
    assert "PSNR" in measure(runs("pix2pix"), "psnr", notify=said.append).metrics
    assert any("evaluation.json: cannot be written (Read-only file system)" in sentence for sentence in said)


@pytest.mark.parametrize("method", ["cyclegan", "pix2pix", "rrdb-psnr"])
def test_novelty_is_measured_against_the_training_images(
    method: str, runs: Callable[[str], Path], tmp_path: Path
) -> None:
    result = measure(runs(method), "novelty", keep=tmp_path / "kept")
    names = {path.stem for path in (runs(method).parent / "world/trainB").iterdir()}
    written = {path.stem for path in images.list_images(tmp_path / "kept/training")}
    assert written <= names and len(written) >= 32
    assert result.nearest and {Path(each.training).stem for each in result.nearest} <= names
    with pytest.raises(ValueError, match="novelty: the training images are not known here"):
        data = runs(method).parent / "world" / ("trainB" if method == "rrdb-psnr" else "")
        measure(runs(method), "novelty", data=(data,))


def test_samples_limits_the_number_of_images(runs: Callable[[str], Path]) -> None:
    assert measure(runs("dcgan"), "kid", samples=10).facts["measured"] == "10 images"
    assert measure(runs("pix2pix"), "kid", samples=3).facts["measured"] == "3 held-out pairs"


def test_other_data_are_measured_whole_unless_they_have_a_test_folder(
    runs: Callable[[str], Path], tmp_path: Path
) -> None:
    world = tiny_world(tmp_path / "world", count=12)
    folder = runs("cyclegan")
    assert measure(folder, "kid", data=(world,)).facts["measured"] == "2 and 2 held-out images"
    parts = world / "trainA", world / "trainB"
    assert measure(folder, "kid", data=parts).facts["measured"] == "12 and 12 images"


def test_a_bad_held_out_image_is_named_and_the_rest_is_measured(runs: Callable[[str], Path], tmp_path: Path) -> None:
    world = tiny_world(tmp_path / "world", count=40)
    bad = sorted((world / "testA").iterdir())[2]
    bad.write_bytes(b"no image")
    result = measure(runs("pix2pix"), "psnr", data=(world,))
    assert len(result.failed) == 1 and str(bad) in result.failed[0] and len(result.images) == 7


def test_an_exported_file_has_the_metrics_of_its_run(runs: Callable[[str], Path], tmp_path: Path) -> None:
    world = runs("cyclegan").parent / "world"
    run_copy = shutil.copytree(MADE / "cyclegan", tmp_path / "cyclegan", symlinks=True)
    ours, exported = (measure(model, "kid", data=(world,)) for model in (run_copy, MADE / "a_to_b.onnx"))
    assert exported.metrics["KID(means)"].value == pytest.approx(ours.metrics["KID(means)"].value, rel=0.02)
    assert exported.facts["product"] == ours.facts["product"] == "a_to_b"
    with pytest.raises(ValueError, match="leave --product out"):
        measure(MADE / "a_to_b.onnx", "kid", product="b_to_a", data=(world,))


def test_a_model_without_a_recipe_needs_folders(tmp_path: Path) -> None:
    model = save_model(tmp_path / "x2.pth", scale=2)
    for name, size in (("low", 16), ("high", 32)):
        (tmp_path / name).mkdir()
        for seed in range(5):
            images.write(tmp_path / name / f"{seed}.png", picture(size, size, seed=seed))
    result = measure(model, data=(tmp_path / "low", tmp_path / "high"))
    assert {"KID(means)", "PSNR"} <= result.metrics.keys() and not (tmp_path / "evaluation.json").exists()
    with pytest.raises(ValueError, match=r"x2.pth: came without a recipe, .* name the folder of its sources"):
        measure(model)


def test_equivariance_is_measured_without_data_and_kept_beside_other_metrics(tmp_path: Path) -> None:
    chosen = tiny_recipe("stylegan3", digits(tmp_path / "digits", each=4), "train.steps=1")
    folder = run.train(chosen, tmp_path / "run", reporter=Recorder(), device="cpu")
    measure(folder, "kid", samples=6)
    result = evaluate_run(folder, [], ["eq-t", "eq-r"], open_instruments(["eq-t", "eq-r"]), samples=6, device="cpu")
    assert result is not None and list(result.metrics) == ["EQ-T", "EQ-R"] and result.metrics["EQ-T"].value > 30
    table = json.loads((folder / "evaluation.json").read_text())
    assert table["metrics"].keys() == {"KID(means)", "EQ-T", "EQ-R"} and table["data"].endswith("digits")


def test_equivariance_of_what_has_no_input_to_move_raises(runs: Callable[[str], Path]) -> None:
    for method, sentence in (("dcgan", "DCGANGenerator has no input that moves"), ("pix2pix", "no images from noise")):
        with pytest.raises(ValueError, match=sentence):
            evaluate_run(runs(method), [], ["eq-t"], open_instruments(["eq-t"]), device="cpu", overwrite=True)
    with pytest.raises(ValueError, match="eq-t: is of a generator"):
        evaluate_folders(ImageFolders(runs("pix2pix").parent / "world" / "testA"), ["eq-t"], open_instruments(["eq-t"]))


def test_missing_data_raise_with_the_way_to_name_others(runs: Callable[[str], Path], tmp_path: Path) -> None:
    copied = shutil.copytree(runs("pix2pix"), tmp_path / "run", symlinks=True)
    for file in copied.glob("checkpoints/*/*.safetensors"):
        file.write_bytes(file.read_bytes().replace(b"/world", b"/moved"))
    with pytest.raises(ValueError, match=r"moved.*; or name other data: i2i evaluate RUN DATA"):
        measure(copied)


def test_translations_are_segmented_against_the_label_maps_of_their_sources(
    runs: Callable[[str], Path], tmp_path: Path
) -> None:
    world = runs("cyclegan").parent / "world"
    write_segmenter(tmp_path / "seg.onnx")
    (tmp_path / "map.json").write_text('{"*": "0", "0": "1"}')
    labels = open_label_consistency(str(tmp_path / "seg.onnx"), world / "testA_labels", class_map=tmp_path / "map.json")
    result = evaluate_run(runs("cyclegan"), [], None, open_instruments(labels=labels), device="cpu", overwrite=True)
    assert result is not None and {"mIoU", "pixel accuracy", "IoU 0"} <= result.metrics.keys()
    assert "edge F1" not in result.metrics and all("mIoU" in each for each in result.images.values())


def test_labels_of_cropped_images_raise(runs: Callable[[str], Path], tmp_path: Path) -> None:
    world = runs("cyclegan").parent / "world"
    write_segmenter(tmp_path / "seg.onnx")
    labels = open_label_consistency(str(tmp_path / "seg.onnx"), world / "testA_labels")
    chosen = tiny_recipe("cyclegan", world, "train.steps=1", "augment.test.center_crop.size=16")
    folder = run.train(chosen, tmp_path / "run", reporter=Recorder())
    with pytest.raises(ValueError, match=r"labels: the run's augment.test.center_crop moves images away"):
        evaluate_run(folder, [], None, open_instruments(labels=labels), device="cpu", overwrite=True)


def test_a_stopped_evaluation_writes_no_result(runs: Callable[[str], Path], tmp_path: Path) -> None:
    copied = shutil.copytree(runs("pix2pix"), tmp_path / "run", symlinks=True)
    (copied / "evaluation.json").unlink(missing_ok=True)
    assert evaluate_run(copied, [], None, open_instruments(), device="cpu", stop=lambda: True) is None
    assert not (copied / "evaluation.json").exists()


def test_a_folder_to_keep_images_in_must_be_new(runs: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is there already; name a new folder"):
        measure(runs("pix2pix"), keep=tmp_path)
