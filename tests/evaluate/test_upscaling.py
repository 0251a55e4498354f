"""Upscalers measured by the conventions of papers, with a reason for every image left out."""

from pathlib import Path

import numpy as np
import pytest
import torch

import i2i
from i2i.data.degradation.resize import imresize
from i2i.evaluate import (
    BASELINE,
    UpscalingEvaluation,
    UpscalingExample,
    common_scale,
    evaluate_upscaling,
    find_examples,
)
from i2i_runtime import images


def picture(height: int = 41, width: int = 50, seed: int = 0) -> np.ndarray:
    """Smooth colours with some noise: uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((1, 3, 6, 6)))
    smooth = imresize(coarse, height, width)[0].permute(1, 2, 0).numpy()
    return np.clip(255 * smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    folder = tmp_path / "truth"
    folder.mkdir()
    images.write(folder / "a.png", picture())
    images.write(folder / "b.png", picture(36, 44, seed=1))
    return folder


def nearest(low: np.ndarray) -> np.ndarray:
    return low.repeat(2, 0).repeat(2, 1)


def bicubic(low: np.ndarray) -> np.ndarray:
    batch = torch.from_numpy(low).permute(2, 0, 1)[None].double()
    large = imresize(batch, 2 * low.shape[0], 2 * low.shape[1])
    return large[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()


def only(evaluation: UpscalingEvaluation, model: str) -> dict[str, float]:
    assert not evaluation.failed
    (score,) = [score for score in evaluation.scores if score.model == model]
    return score.measures


def test_the_border_is_left_out(truth: Path) -> None:
    known = picture()[:40]  # cut to a multiple of 2

    def perfect(low: np.ndarray) -> np.ndarray:
        return known

    def wrong_outside(low: np.ndarray) -> np.ndarray:
        result = np.zeros_like(known)
        result[2:-2, 2:-2] = known[2:-2, 2:-2]
        return result

    upscalers = {"perfect": perfect, "outside": wrong_outside}
    example = [UpscalingExample(Path("a.png"), truth / "a.png")]
    usual = evaluate_upscaling(upscalers, example, scale=2)
    for name in upscalers:
        assert only(usual, name) == {"PSNR-Y": np.inf, "SSIM-Y": 1, "PSNR-RGB": np.inf, "SSIM-RGB": 1}
    whole = evaluate_upscaling(upscalers, example, scale=2, border=0)
    assert only(whole, "perfect")["SSIM-Y"] == 1 and only(whole, "outside")["SSIM-Y"] < 0.99


def test_the_baseline_is_bicubic_and_beats_nearest_neighbour(truth: Path) -> None:
    evaluation = evaluate_upscaling({"own": bicubic, "nearest": nearest}, find_examples(truth), scale=2)
    baseline = evaluation.mean(BASELINE)
    assert evaluation.mean("own") == pytest.approx(baseline, rel=1e-12)
    assert all(evaluation.mean("nearest")[name] < value for name, value in baseline.items())


def test_mean_is_over_images(truth: Path) -> None:
    evaluation = evaluate_upscaling({}, find_examples(truth), scale=2, channel="y")
    measured = [score.measures["PSNR-Y"] for score in evaluation.scores]
    assert len(measured) == 2 and evaluation.mean(BASELINE)["PSNR-Y"] == pytest.approx(sum(measured) / 2)
    assert evaluation.mean("nobody") == {}


@pytest.mark.parametrize(
    ("channel", "measures"),
    [("y", ["PSNR-Y", "SSIM-Y"]), ("rgb", ["PSNR-RGB", "SSIM-RGB"])],
)
def test_a_single_channel_has_the_values_of_both(truth: Path, channel: str, measures: list[str]) -> None:
    both = evaluate_upscaling({}, find_examples(truth), scale=2).mean(BASELINE)
    alone = evaluate_upscaling({}, find_examples(truth), scale=2, channel=channel).mean(BASELINE)
    assert alone == {name: both[name] for name in measures}


@pytest.mark.parametrize("name", ["{}.png", "{}x2.bmp"])
def test_given_low_images_give_the_values_of_downscaled_ones(truth: Path, tmp_path: Path, name: str) -> None:
    taken: list[np.ndarray] = []

    def take(low: np.ndarray) -> np.ndarray:
        taken.append(low)
        return nearest(low)

    made = evaluate_upscaling({"take": take}, find_examples(truth), scale=2)
    (tmp_path / "low").mkdir()
    for stem, low in zip("ab", taken, strict=True):
        images.write(tmp_path / "low" / name.format(stem), low)
    given = evaluate_upscaling({"take": take}, find_examples(truth, tmp_path / "low", scale=2), scale=2)
    assert given == made and len(made.scores) == 4


def test_a_low_image_of_another_size_is_reported_with_both_sizes(truth: Path, tmp_path: Path) -> None:
    low = tmp_path / "low"
    low.mkdir()
    images.write(low / "a.png", np.zeros((20, 25, 3), np.uint8))
    images.write(low / "b.png", np.zeros((18, 21, 3), np.uint8))
    evaluation = evaluate_upscaling({}, find_examples(truth, low), scale=2)
    assert [score.image for score in evaluation.scores] == [Path("a.png")]
    ((name, sentence),) = evaluation.failed
    assert name == Path("b.png") and f"{low / 'b.png'}: 21x18" in sentence and "2 times 22x18" in sentence


def test_missing_and_ambiguous_low_images_raise(truth: Path, tmp_path: Path) -> None:
    (tmp_path / "low").mkdir()
    images.write(tmp_path / "low/a.png", np.zeros((20, 25, 3), np.uint8))
    with pytest.raises(ValueError, match=r"low: 1 of 2 images are not in it: .*b\.png"):
        find_examples(truth, tmp_path / "low")
    images.write(tmp_path / "low/a.bmp", np.zeros((20, 25, 3), np.uint8))
    with pytest.raises(ValueError, match="two images are called a"):
        find_examples(truth, tmp_path / "low")


def test_an_empty_folder_raises(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no images in it"):
        find_examples(tmp_path)


def test_images_that_cannot_be_measured_are_reported(truth: Path) -> None:
    (truth / "broken.png").write_bytes(b"no image")
    images.write(truth / "clear.png", np.zeros((40, 40, 4), np.uint8))
    images.write(truth / "dot.png", np.zeros((1, 1, 3), np.uint8))
    images.write(truth / "small.png", np.zeros((14, 40, 3), np.uint8))
    evaluation = evaluate_upscaling({"nearest": nearest}, find_examples(truth), scale=2)
    assert [score.image.name for score in evaluation.scores] == ["a.png", "a.png", "b.png", "b.png"]
    reasons = {name.name: sentence for name, sentence in evaluation.failed}
    for name, reason in (("broken", "not an image"), ("clear", "transparent"), ("dot", "1x1"), ("small", "36x10")):
        sentence = reasons[f"{name}.png"]
        assert reason in sentence and str(truth / f"{name}.png") in sentence and "\n" not in sentence


def test_an_image_that_fails_for_one_model_counts_for_none(truth: Path) -> None:
    def picky(low: np.ndarray) -> np.ndarray:
        if low.shape[0] == 18:
            raise RuntimeError("out of\nmemory")
        return nearest(low)

    evaluation = evaluate_upscaling({"nearest": nearest, "picky": picky}, find_examples(truth), scale=2)
    assert {score.image for score in evaluation.scores} == {Path("a.png")}
    assert evaluation.failed == [(Path("b.png"), f"{truth / 'b.png'}: RuntimeError: out of memory")]


def test_a_result_of_another_size_is_reported(truth: Path) -> None:
    evaluation = evaluate_upscaling({"same": lambda low: low}, find_examples(truth), scale=2)
    assert not evaluation.scores and "same gave 25x20 pixels instead of 50x40" in evaluation.failed[0][1]


def test_grey_opaque_and_16_bit_truths_are_measured_as_8_bit_rgb(tmp_path: Path) -> None:
    grey = picture()[..., :1]
    colour = grey.repeat(3, 2)
    kinds = {
        "colour": colour,
        "deep": colour.astype(np.uint16) * 257,
        "grey": grey,
        "opaque": np.dstack([colour, np.full_like(grey, 255)]),
    }
    for name, image in kinds.items():
        images.write(tmp_path / f"{name}.png", image)
    evaluation = evaluate_upscaling({}, find_examples(tmp_path), scale=2)
    assert len(evaluation.scores) == 4 and not evaluation.failed
    assert all(score.measures == evaluation.scores[0].measures for score in evaluation.scores)


def test_grey_results_are_measured_as_rgb(truth: Path) -> None:
    evaluation = evaluate_upscaling({"grey": lambda low: nearest(low)[..., :1]}, find_examples(truth), scale=2)
    assert not evaluation.failed and evaluation.mean("grey")["SSIM-Y"] > 0


def test_common_scale_is_that_of_the_models_or_the_given_one() -> None:
    assert common_scale({"a": 4, "b": 4}) == common_scale({}, 4) == common_scale({"a": 4}, 4) == 4


@pytest.mark.parametrize(
    ("scales", "given", "said"),
    [
        ({"a": 4, "b": 2}, None, "b enlarges 2 times, not 4"),
        ({"a": 4}, 2, "a enlarges 4 times, not 2"),
        ({}, None, "--scale 4"),
        ({}, 0, "0 is refused"),
    ],
)
def test_different_and_missing_scales_raise(scales: dict[str, int], given: int | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        common_scale(scales, given)


def test_wrong_options_raise(truth: Path) -> None:
    for options, said in (({"scale": 1}, "--low"), ({"scale": 2, "border": -1}, "border")):
        with pytest.raises(ValueError, match=said):
            evaluate_upscaling({}, find_examples(truth), **options)
    with pytest.raises(ValueError, match="another"):
        evaluate_upscaling({BASELINE: nearest}, find_examples(truth), scale=2)


def test_evaluation_stops_between_images_and_reports_progress(truth: Path) -> None:
    seen: list[tuple[int, int]] = []
    evaluation = evaluate_upscaling(
        {}, find_examples(truth), scale=2, progress=lambda *at: seen.append(at), stop=lambda: len(seen) == 1
    )
    assert seen == [(1, 2)] and len(evaluation.scores) == 1


def test_published_figures_of_set5_are_reproduced(shared: Path) -> None:
    model = i2i.load(shared / "weights/realesr-animevideov3.pth", device="cpu")
    evaluation = evaluate_upscaling({"anime": model}, find_examples(shared / "data/Set5"), scale=4, channel="y")
    baseline = evaluation.mean(BASELINE)
    assert baseline["PSNR-Y"] == pytest.approx(28.43, abs=0.02) and baseline["SSIM-Y"] == pytest.approx(0.810, abs=2e-3)
    assert evaluation.mean("anime")["PSNR-Y"] == pytest.approx(28.25, abs=0.05)
