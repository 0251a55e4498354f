import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from i2i.data.batch import HighResolution
from i2i.data.degradation.distribution import Parameters
from i2i.data.degradation.jpeg import jpeg
from i2i.data.degradation.kernels import Kernel
from i2i.data.degradation.second_order import KINDS, SecondOrder
from i2i.data.degradation.sharpen import sharpen
from i2i.data.world import draw_scene
from i2i.recipe.components import build, complete
from i2i.registry import degradations

NOTHING: dict[str, Any] = {  # switches every effect off
    "blur_probability": (0.0, 0.0),
    "enlarge_probability": (0.0, 0.0),
    "shrink_probability": (0.0, 0.0),
    "gaussian_probability": (1.0, 1.0),
    "gaussian_sigma": ((0.0, 0.0), (0.0, 0.0)),
    "jpeg_quality": ((100.0, 100.0), (100.0, 100.0)),
    "final_sinc_probability": 0.0,
    "sharpen": False,
}


def batch(*seeds: int, size: int = 96, channels: int = 3) -> HighResolution:
    scenes = [draw_scene(size=size, seed=0, index=index).real for index in range(len(seeds))]
    images = torch.from_numpy(np.stack(scenes).astype(np.float32) / 255).permute(0, 3, 1, 2)[:, :channels]
    return HighResolution(images.contiguous(), torch.tensor(seeds))


@pytest.fixture(scope="module")
def published() -> list[Parameters]:
    degradation = SecondOrder()
    return [degradation.draw(np.random.default_rng(seed)) for seed in range(3000)]


def share(drawn: list[Parameters], holds: Callable[[Parameters], bool]) -> float:
    return sum(map(holds, drawn)) / len(drawn)


def uniform(values: list[float], low: float, high: float) -> bool:
    """True for values that reach from one end of the range to the other, with their mean in the middle."""
    width = high - low
    inside = low <= min(values) and max(values) <= high
    reached = min(values) < low + 0.05 * width and max(values) > high - 0.05 * width
    return inside and reached and abs(np.mean(values) - (low + high) / 2) < 4 * width / math.sqrt(12 * len(values))


@pytest.mark.parametrize(
    ("index", "blurred", "enlarged", "shrunk", "factors", "sigma", "scale", "kernel_sigma"),
    [
        (0, 1.0, 0.2, 0.7, (0.15, 1.5), 30, 3.0, 3.0),
        (1, 0.8, 0.3, 0.4, (0.3, 1.2), 25, 2.5, 1.5),
    ],
)
def test_each_pass_is_drawn_as_published(
    published, index, blurred, enlarged, shrunk, factors, sigma, scale, kernel_sigma
):
    steps = [drawn.passes[index] for drawn in published]
    kernels = [step.kernel for step in steps if step.kernel != Kernel()]
    assert len(kernels) / 3000 == pytest.approx(blurred, abs=0.03)
    sincs = [kernel for kernel in kernels if kernel.cutoff]
    assert len(sincs) / len(kernels) == pytest.approx(0.1, abs=0.03)
    assert uniform([kernel.sigma for kernel in kernels if not kernel.cutoff], 0.2, kernel_sigma)
    up, down = [s.factor for s in steps if s.factor > 1], [s.factor for s in steps if s.factor < 1]
    assert len(up) / 3000 == pytest.approx(enlarged, abs=0.035) and uniform(up, 1, factors[1])
    assert len(down) / 3000 == pytest.approx(shrunk, abs=0.035) and uniform(down, factors[0], 1)
    for mode in ("area", "bilinear", "bicubic"):
        assert sum(step.mode == mode for step in steps) / 3000 == pytest.approx(1 / 3, abs=0.035)
    gaussian = [step.noise.strength * 255 for step in steps if step.noise.gaussian]
    assert len(gaussian) / 3000 == pytest.approx(0.5, abs=0.035) and uniform(gaussian, 1, sigma)
    assert uniform([step.noise.strength for step in steps if not step.noise.gaussian], 0.05, scale)
    assert sum(step.noise.grey for step in steps) / 3000 == pytest.approx(0.4, abs=0.035)
    assert uniform([step.jpeg_quality for step in steps], 30, 95)


def test_the_final_filter_and_jpeg_are_drawn_as_published(published):
    sincs = [drawn.final_kernel.cutoff for drawn in published if drawn.final_kernel != Kernel()]
    assert len(sincs) / 3000 == pytest.approx(0.8, abs=0.03) and uniform(sincs, math.pi / 3, math.pi)
    assert share(published, lambda drawn: drawn.jpeg_last) == pytest.approx(0.5, abs=0.035)
    assert uniform([drawn.corner[0] for drawn in published], 0, 1)
    assert len({drawn.noise_seed for drawn in published}) == 3000


def test_a_recipe_can_change_what_is_drawn():
    table = complete(
        degradations,
        {"name": "second-order", "kernel_kinds": {"isotropic": 1.0}, "jpeg_quality": [[90, 95], [60, 60]]},
        "degradation",
        ("scale",),
    )
    degradation = build(degradations, {**table, "scale": 2, "crop": 32})
    drawn = [degradation.draw(np.random.default_rng(seed)) for seed in range(100)]
    assert all(90 <= each.passes[0].jpeg_quality <= 95 and each.passes[1].jpeg_quality == 60 for each in drawn)
    kernels = [each.passes[0].kernel for each in drawn]
    assert all(kernel.sigma == kernel.sigma_across and not kernel.plateau for kernel in kernels)
    assert degradation(batch(0, size=48)).source.shape == (1, 3, 16, 16)


def test_sources_are_8_bit_images_scale_times_smaller():
    for scale in (1, 2, 4):
        source, target = SecondOrder(scale=scale, crop=64)(batch(1, 2, 3))
        assert source.shape == (3, 3, 64 // scale, 64 // scale) and target.shape == (3, 3, 64, 64)
        torch.testing.assert_close(source * 255, (source * 255).round(), atol=1e-4, rtol=0)
        assert source.min() >= 0 and source.max() <= 1


def test_crops_reach_every_position_with_equal_probability():
    rows = torch.arange(8.0).view(1, 1, 8, 1).expand(200, 1, 8, 8) / 255
    _, target = SecondOrder(crop=4, **NOTHING)(HighResolution(rows, torch.arange(200)))
    tops = target[:, 0, 0, 0].mul(255).round().tolist()
    assert sorted(set(tops)) == [0, 4] and 70 < tops.count(0) < 130


def test_targets_are_windows_of_the_images_without_changes():
    images, seeds = batch(1, 2, 3)
    _, target = SecondOrder(crop=64)(HighResolution(images, seeds))
    for image, window in zip(images, target, strict=True):
        candidates = image.unfold(1, 64, 4).unfold(2, 64, 4).permute(1, 2, 0, 3, 4).flatten(0, 1)
        assert any(candidate.equal(window) for candidate in candidates)


def test_source_and_target_are_aligned():
    """Without effects the source is the target, smaller; a crop that is off by a pixel is not."""
    source, target = SecondOrder(crop=48, **NOTHING)(batch(*range(6)))
    means = torch.nn.functional.avg_pool2d(target, 4)
    assert (source - means).square().mean() < 0.25 * (source - means.roll(1, -1)).square().mean()


def test_held_out_images_are_not_cropped():
    images = batch(1).image[..., :91, :]
    source, target = SecondOrder(crop=64)(HighResolution(images, torch.tensor([1])), training=False)
    assert source.shape[-2:] == (22, 24) and target.equal(images[..., :88, :])
    assert SecondOrder(crop=0)(HighResolution(images, torch.tensor([1]))).source.equal(source)


def test_a_sample_depends_on_its_image_and_seed_alone():
    degradation, images = SecondOrder(crop=64), batch(11, 22, 33)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    batched = degradation(images)
    single = [degradation(HighResolution(images.image[i : i + 1], images.seed[i : i + 1])) for i in (2, 1, 0)]
    for field in ("source", "target"):
        assert getattr(batched, field).equal(torch.cat([getattr(one, field) for one in reversed(single)]))
    assert torch.get_rng_state().equal(before[0]) and (np.random.get_state()[1] == before[1]).all()
    other = degradation(HighResolution(images.image, images.seed + 1))
    assert not other.source.equal(batched.source)


def test_the_source_is_made_from_the_sharpened_image():
    images = batch(5)
    assert not sharpen(images.image).equal(images.image)
    options = {**NOTHING, "crop": 0}
    by_option = SecondOrder(**{**options, "sharpen": True})(images)
    by_hand = SecondOrder(**options)(HighResolution(sharpen(images.image), images.seed))
    assert by_option.source.equal(by_hand.source) and by_option.target.equal(images.image)


def error(options: dict[str, Any], images: HighResolution) -> float:
    """Mean squared error of source and target at scale 1, without effects but those in `options`."""
    source, target = SecondOrder(**{**NOTHING, **options, "scale": 1, "crop": 0})(images)
    return (source - target).square().mean().item()


@pytest.mark.parametrize(
    "option",
    [
        {"blur_probability": (1.0, 0.0), "blur_sigma": ((3.0, 3.0), (1.0, 1.0))},
        {"blur_probability": (0.0, 1.0), "blur_sigma": ((1.0, 1.0), (1.5, 1.5))},
        {"shrink_probability": (1.0, 0.0), "resize_range": ((0.2, 1.0), (1.0, 1.0))},
        {"shrink_probability": (0.0, 1.0), "resize_range": ((1.0, 1.0), (0.3, 1.0))},
        {"gaussian_sigma": ((20.0, 20.0), (0.0, 0.0))},
        {"gaussian_sigma": ((0.0, 0.0), (20.0, 20.0))},
        {"gaussian_probability": (0.0, 1.0), "poisson_scale": ((2.0, 2.0), (1.0, 1.0))},
        {"jpeg_quality": ((10.0, 10.0), (100.0, 100.0))},
        {"jpeg_quality": ((100.0, 100.0), (10.0, 10.0))},
        {"final_sinc_probability": 1.0},
        {"sharpen": True},
    ],
    ids=str,
)
def test_every_effect_reaches_the_source(option):
    images = batch(7, 8, channels=1)  # the chroma of JPEG loses more than some effects change
    assert error(option, images) > 4 * error({}, images)


@pytest.mark.parametrize("factor", [0.43, 0.7, 1.3])
def test_the_first_resize_samples_by_its_factor_the_second_by_the_size(factor):
    """As published: F.interpolate with `scale_factor`, then with `size`, which is a whole number."""
    images, only = batch(3), (1.0, 0.0) if factor < 1 else (0.0, 0.0)
    kind = {"shrink_probability": only, "enlarge_probability": (0.0, 0.0)}
    if factor > 1:
        kind = {"enlarge_probability": (1.0, 0.0)}
    options = {**NOTHING, **kind, "resize_range": ((min(factor, 1), max(factor, 1)), (1.0, 1.0)), "scale": 1, "crop": 0}
    degradation = SecondOrder(**options)
    drawn = degradation.draw(np.random.default_rng(3))
    first = drawn.passes[0]._replace(factor=factor, mode="bilinear")
    drawn = drawn._replace(passes=(first, drawn.passes[1]._replace(mode="bilinear")), final_mode="bilinear")
    degradation.draw = lambda rng: drawn
    small = F.interpolate(images.image, scale_factor=factor, mode="bilinear")
    expected = F.interpolate(jpeg(small, torch.tensor([100.0])), size=(96, 96), mode="bilinear")
    source = degradation(images).source
    by_size = F.interpolate(images.image, size=small.shape[-2:], mode="bilinear")
    other = F.interpolate(jpeg(by_size, torch.tensor([100.0])), size=(96, 96), mode="bilinear")
    assert (source - expected).abs().mean() < 0.5 * (source - other).abs().mean()


def test_jpeg_comes_last_or_before_the_final_filter():
    """A JPEG changes nothing in its own output."""

    def change(jpeg_last: float) -> float:
        options = {"jpeg_quality": ((100.0, 100.0), (20.0, 20.0)), "final_sinc_probability": 1.0, "crop": 0, "scale": 1}
        pipeline = SecondOrder(**{**NOTHING, **options, "jpeg_last_probability": jpeg_last})
        source = pipeline(batch(1, 2, channels=1)).source
        return (jpeg(source, torch.tensor([20.0, 20.0])) - source).abs().mean().item()

    assert change(jpeg_last=1.0) < 1 / 255 < 2 * change(jpeg_last=0.0)


def test_noise_is_clipped_before_the_final_filter():
    """Of white, half of the noise is cut off, so that the mean falls by sigma / sqrt(2 pi)."""
    white = HighResolution(torch.ones(1, 1, 128, 128), torch.tensor([1]))
    options = {**NOTHING, "gaussian_sigma": ((0.0, 0.0), (50.0, 50.0)), "scale": 1, "crop": 0}
    source = SecondOrder(**{**options, "final_sinc_probability": 1.0, "jpeg_last_probability": 1.0})(white).source
    assert 1 - source.mean().item() == pytest.approx(50 / 255 / math.sqrt(2 * math.pi), rel=0.05)


@pytest.mark.parametrize(("size", "scale"), [(40, 4), (16, 8), (8, 8), (5, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_small_and_grey_images_are_degraded(size, scale, channels):
    images = batch(*range(8), size=40, channels=channels)
    images = HighResolution(images.image[..., :size, :size], images.seed)
    source, _ = SecondOrder(scale=scale, crop=0)(images)
    assert source.shape == (8, channels, size // scale, size // scale) and source.isfinite().all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"scale": 0}, "scale = 0 is refused"),
        ({"crop": 250}, "crop = 250 is refused; allowed: multiples of scale 4"),
        ({"kernel_size": (7, 20)}, "allowed: two odd numbers from 3 on"),
        ({"kernel_size": (21, 7)}, "the smaller one first"),
        ({"kernel_kinds": KINDS | {"isotropic": 0.5}}, r"probabilities that sum to 1 \(here 1.05\)"),
        ({"generalised_shape": (1.5, 4.0)}, "generalised_shape"),
        ({"blur_probability": (1.0, 1.1)}, "blur_probability = 1.1 is refused; allowed: 0 to 1"),
        ({"enlarge_probability": (0.5, 0.3)}, r"\(0.5, 0.7\) is refused; allowed: a sum up to 1"),
        ({"blur_sigma": ((3.0, 0.2), (0.2, 1.5))}, "the lower one first"),
        ({"blur_sigma": ((0.0, 3.0), (0.2, 1.5))}, "from 0.01 on"),
        ({"resize_range": ((1.1, 1.5), (0.3, 1.2))}, "resize_range"),
        ({"jpeg_quality": ((30.0, 95.0), (0.0, 95.0))}, "from 1 to 100"),
        ({"final_sinc_probability": -0.1}, "final_sinc_probability"),
    ],
    ids=str,
)
def test_options_that_are_no_distribution_are_refused(options, sentence):
    with pytest.raises(ValueError, match=f"second-order: .*{sentence}"):
        SecondOrder(**options)


def test_images_smaller_than_the_crop_or_of_other_channels_are_refused():
    with pytest.raises(ValueError, match="96x96 image is smaller than crop 256"):
        SecondOrder()(batch(1))
    with pytest.raises(ValueError, match="2 channels are refused"):
        SecondOrder()(HighResolution(torch.rand(1, 2, 300, 300), torch.tensor([0])))
