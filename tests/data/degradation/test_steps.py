import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from i2i import recipe
from i2i.data.batch import HighResolution
from i2i.data.degradation.steps import Size
from i2i.data.world import draw_scene
from i2i.recipe.components import build, complete
from i2i.registry import degradation_steps, degradations

STEPS = list(degradation_steps)
KEEPING = [name for name in STEPS if name != "downscale"]
every_step = pytest.mark.parametrize("name", STEPS)


def scene(size: int = 48, channels: int = 3) -> Tensor:
    real = draw_scene(size=size, seed=0, index=0).real.astype(np.float32) / 255
    return torch.from_numpy(real).permute(2, 0, 1)[:channels].contiguous()


def applied(name: str, image: Tensor, seed: int = 0, scale: int = 1, **options) -> Tensor:
    step = build(degradation_steps, complete(degradation_steps, {"name": name, **options}, name))
    before = image.clone()
    result = step(image, np.random.default_rng(seed), Size(image.shape[1] // scale, image.shape[2] // scale))
    assert torch.equal(image, before), "the target stays as it is"
    return result


def degradation(scale: int = 1, **steps):
    table = complete(degradations, {"name": "steps", "steps": steps}, "degradation", ("scale",))
    return build(degradations, {**table, "scale": scale})


@every_step
@pytest.mark.parametrize("channels", [1, 3])
def test_every_step_changes_an_image_within_its_range_and_by_its_seed_alone(name, channels):
    image = scene(47, channels)
    once, again = (applied(name, image, seed=3) for _ in range(2))
    assert once.shape == image.shape and once.dtype == image.dtype
    assert torch.equal(once, again)
    assert once.min() >= 0 and once.max() <= 1
    if name != "downscale" and (name, channels) != ("chroma", 1):
        assert 1e-3 < (once - image).abs().mean() < 0.3


@pytest.mark.parametrize("name", KEEPING)
def test_a_degradation_leaves_out_what_its_probability_says(name):
    batch = HighResolution(scene(40).expand(2, -1, -1, -1), torch.tensor([1, 2]))
    never = degradation(**{name: {"probability": 0.0}})(batch)
    torch.testing.assert_close(never.source, never.target, rtol=0, atol=1e-6)
    one, other = degradation(**{name: {}})(batch).source
    assert name == "chroma" or not torch.equal(one, other), "seeds differ"


def test_a_step_draws_the_same_whatever_the_others_are():
    batch = HighResolution(scene()[None], torch.tensor([5]))
    alone = degradation(noise={}, jpeg={"probability": 0.0})(batch)
    beside = degradation(blur={"probability": 0.0}, noise={})(batch)
    assert torch.equal(alone.source, beside.source)


def test_images_are_made_small_where_the_recipe_says_it():
    batch = HighResolution(scene(50)[None], torch.tensor([0]))
    pair = degradation(4, noise={"sigma": [40, 40]}, downscale={"filters": ["box"]})(batch)
    later = degradation(4, downscale={"filters": ["box"]}, noise={"sigma": [40, 40]})(batch)
    assert pair.source.shape == later.source.shape == (1, 3, 12, 12) and pair.target.shape == (1, 3, 48, 48)
    means = pair.target.unflatten(-1, (12, 4)).unflatten(-3, (12, 4)).mean((-1, -3))
    before, after = ((each.source - means).std() * 255 for each in (pair, later))
    # A mean over 16 pixels has a quarter of the noise; clipped at black and white it is a little less.
    assert 5 < before < 11 and 25 < after < 41


def test_quality_decides_how_much_codecs_destroy():
    image = scene(64)

    def error(name: str, **options) -> float:
        return float((applied(name, image, **options) - image).square().mean())

    for name in ("jpeg", "webp"):
        assert error(name, quality=[10, 10]) > 2 * error(name, quality=[90, 90])
    for codec in ("h264", "h265", "vp9"):
        assert error("video", codecs=[codec], crf=[45, 45]) > 2 * error("video", codecs=[codec], crf=[15, 15])
    for codec in ("mpeg2", "mpeg4"):
        assert error("video", codecs=[codec], qscale=[28, 28]) > 2 * error("video", codecs=[codec], qscale=[2, 2])


def test_a_frame_of_a_film_is_in_place():
    """The last frame, without the shift of those before it."""
    image = torch.nn.functional.interpolate(torch.rand(1, 1, 6, 6).expand(-1, 3, -1, -1), size=48, mode="bicubic")[0]
    image = image.clamp(0, 1)
    decoded = applied("video", image, codecs=["h264"], crf=[5, 5], motion=[3, 3], frames=[4, 4])
    assert (decoded - image).abs().mean() < 0.02 < (decoded - image.roll(3, 2)).abs().mean()


def test_webp_is_opencv_s():
    image = scene(32)
    pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()[..., ::-1]
    _, data = cv2.imencode(".webp", np.ascontiguousarray(pixels), [cv2.IMWRITE_WEBP_QUALITY, 40])
    expected = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) / 255
    np.testing.assert_allclose(applied("webp", image, quality=[40, 40]).permute(1, 2, 0), expected, atol=1e-6)


def test_oversharpening_makes_halos_beside_an_edge_and_none_far_from_it():
    image = torch.full((3, 16, 64), 0.25)
    image[:, :, 32:] = 0.75
    result = applied("oversharpen", image, sigma=[2, 2], amount=[0.5, 0.5])
    assert result[..., 31].max() < 0.2 and result[..., 32].min() > 0.8
    torch.testing.assert_close(result[..., :16], image[..., :16])


def test_chroma_subsampling_keeps_the_luma_and_grey():
    image = scene()
    luma = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    inside = 0.3 + 0.4 * image  # so that nothing is clipped
    for form in ("4:2:2", "4:2:0", "4:1:1", "4:1:0"):
        result = applied("chroma", inside, formats=[form])
        torch.testing.assert_close((luma * result).sum(0), (luma * inside).sum(0))
    grey = image.mean(0, keepdim=True).expand(3, -1, -1)
    torch.testing.assert_close(applied("chroma", grey), grey)


@pytest.mark.parametrize("kind", ["ordered", "noise", "none"])
def test_dithering_leaves_its_levels_and_keeps_the_mean_of_a_tone(kind):
    image = torch.full((1, 64, 64), 0.4)
    result = applied("dither", image, levels=[5, 5], kinds=[kind])
    assert set((result * 4).unique().tolist()) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    assert float(result.mean()) == pytest.approx(0.5 if kind == "none" else 0.4, abs=0.01)


def test_grain_is_grey_of_its_strength_in_the_middle_tones_and_absent_in_black():
    image = torch.zeros(3, 64, 128)
    image[..., 64:] = 0.5
    difference = applied("grain", image, strength=[10, 10], size=[1, 1]) - image
    assert not difference[..., :64].any()
    torch.testing.assert_close(difference[0], difference[2])
    middle = difference[0, :, 64:]
    assert float(middle.std()) * 255 == pytest.approx(10, rel=0.1)
    neighbours = torch.stack([middle[:, 1:], middle[:, :-1]]).flatten(1)
    assert float(torch.corrcoef(neighbours)[0, 1]) > 0.6, "clumps"


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ["degradation.steps.jpeg.quality=[0, 90]"],
            r"jpeg: quality = \[0\.0, 90\.0\] is refused; allowed: two numbers from",
        ),
        (["degradation.steps.jpg.quality=[10, 90]"], r"degradation\.steps: unknown step 'jpg'; did you mean 'jpeg'"),
        (
            ["degradation.steps.jpeg.qualty=[10, 90]"],
            r"unknown option 'degradation\.steps\.jpeg\.qualty'; did you mean 'quality'",
        ),
        (["degradation.steps.downscale.filters=['cubic']"], r"degradation\.steps\.downscale\.filters"),
        (["method.scale=2"], "none makes images smaller by scale 2; add downscale"),
    ],
)
def test_what_is_wrong_with_the_steps_of_a_recipe_is_one_sentence(overrides, sentence):
    with pytest.raises(ValueError, match=sentence):
        loaded = recipe.load(recipe.find("de-jpeg"), ["unused"], overrides)
        build(degradations, loaded.degradation | {"scale": loaded.method["scale"]})
