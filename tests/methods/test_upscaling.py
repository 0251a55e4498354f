from typing import Any

import pytest
import torch

from i2i import registry
from i2i.data.batch import Pair
from i2i.methods.upscaling import Upscaling
from i2i.recipe import components
from tests.vgg import SHALLOW, write_vgg19

RRDB = {"name": "rrdb", "features": 4, "blocks": 1, "growth": 2}
GAN = {
    "discriminator": {"name": "vgg", "size": 32, "features": 4},
    "adversarial": {"name": "relativistic"},
    "perceptual": {"name": "vgg19"},
    "perceptual_weight": 0.0,
}
METHODS = ("rrdb-psnr", "esrgan", "real-esrnet", "real-esrgan")


def build(name: str, **more: Any) -> Upscaling:
    table = {"name": name, "generator": RRDB, "pixel": {"name": "l1"}, **(GAN if "gan" in name else {}), **more}
    return components.build(registry.methods, components.complete(registry.methods, table, "method"))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_generator_enlarges_by_the_scale_of_the_method(name: str, scale: int) -> None:
    method = build(name, scale=scale, channels=1)
    (generator,) = method.products().values()
    assert (method.scale, generator.scale, generator.spec["scale"]) == (scale, scale, scale)
    assert method.channels == (1, 1)
    assert generator(torch.rand(1, 1, 8, 6)).shape == (1, 1, 8 * scale, 6 * scale)


@pytest.mark.parametrize("name", METHODS)
def test_preview_shows_images_of_one_size_and_score_is_their_distance(name: str) -> None:
    method = build(name)
    batch = Pair(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 32, 32))
    (columns,) = method.preview([batch], method.products())
    assert list(columns) == ["source", "fake", "target"]
    assert {image.shape for image in columns.values()} == {(2, 3, 32, 32)}
    assert torch.equal(columns["source"][..., ::4, ::4], batch.source)
    distance = (columns["fake"] - batch.target).abs().mean()
    torch.testing.assert_close(method.score([batch], method.products()), distance)


def test_a_weight_of_none_builds_no_network_for_its_term() -> None:
    method = build("esrgan", adversarial_weight=0.0)
    assert list(method.players()) == ["generator"]
    assert {name.split(".")[0] for name, _ in method.named_parameters()} == {"generator"}
    with pytest.raises(ValueError, match="all weights are 0"):
        build("esrgan", adversarial_weight=0.0, pixel_weight=0.0)


def test_the_classifier_is_no_player_and_not_in_the_state(tmp_path) -> None:
    file = write_vgg19(tmp_path / "vgg19.safetensors", convolutions=3)
    perceptual = {"name": "vgg19", "layers": SHALLOW, "weights": str(file)}
    method = build("esrgan", perceptual=perceptual, perceptual_weight=1.0)
    assert {key.split(".")[0] for key in method.state_dict()} == {"generator", "discriminator"}
    assert method.double().perceptual.get_buffer("conv1_1_weight").dtype == torch.float64


@pytest.mark.parametrize("name", METHODS)
def test_targets_of_another_size_are_refused(name: str) -> None:
    method = build(name)
    method.check_size((8, 8), (32, 32))
    with pytest.raises(ValueError, match=r"scale 4: .* allowed: exactly 4 times the source"):
        method.check_size((8, 8), (32, 31))


def test_sizes_that_a_network_cannot_take_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="VGGDiscriminator of size 32 can't judge"):
        build("esrgan").check_size((16, 16), (64, 64))
    file = write_vgg19(tmp_path / "vgg19.safetensors", convolutions=5)
    perceptual = {"name": "vgg19", "layers": {"conv3_1": 1.0}, "weights": str(file)}
    method = build("esrgan", perceptual=perceptual, perceptual_weight=1.0, adversarial_weight=0.0, scale=3)
    method.check_size((2, 2), (6, 6))
    with pytest.raises(ValueError, match=r"perceptual loss can't take .*at least 4, or name no layers as deep"):
        method.check_size((1, 2), (3, 6))


def test_channels_that_the_classifier_cannot_see_are_refused() -> None:
    with pytest.raises(ValueError, match=r"method.channels = 4: .*set method.perceptual_weight=0"):
        build("esrgan", channels=4, perceptual_weight=1.0)
