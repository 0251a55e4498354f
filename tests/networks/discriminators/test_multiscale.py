import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.losses.feature_matching import feature_matching
from i2i.networks.discriminators.multiscale import MultiscaleDiscriminator
from i2i.registry import adversarial

SMALL = {"features": 4, "layers": 1}


def judge(**options: object) -> MultiscaleDiscriminator:
    torch.manual_seed(0)
    return MultiscaleDiscriminator(**{**SMALL, "init_gain": 0.3, **options})  # type: ignore[arg-type]


def halved(image: Tensor) -> Tensor:
    """Means of the 3x3 pixels about every other pixel, of those that lie in the image."""
    channels = image.shape[1]
    ones = torch.ones(channels, 1, 3, 3)
    sums = F.conv2d(image, ones, stride=2, padding=1, groups=channels)
    return sums / F.conv2d(torch.ones_like(image), ones, stride=2, padding=1, groups=channels)


@pytest.mark.parametrize("size", [(16, 16), (17, 26)])
def test_each_scale_is_a_patchgan_on_an_image_of_half_the_size(size: tuple[int, int]) -> None:
    network, image = judge(scales=2), torch.rand(2, 3, *size)
    first, second = network(image)
    torch.testing.assert_close(first, network.judges[0](image))
    torch.testing.assert_close(second, network.judges[1](halved(image)))
    assert not torch.allclose(network.judges[0](halved(image)), second), "with weights of its own"


def test_features_are_the_activations_before_the_logits_of_all_scales() -> None:
    network, image = judge(scales=3, layers=2), torch.rand(2, 3, 48, 48)
    features = network.features(image)
    assert [tuple(each.shape[1:]) for each in features] == [
        (width, side, side)
        for size in (48, 24, 12)
        for width, side in ((4, size // 2), (8, size // 4), (16, size // 4 - 1))
    ]
    for scale, logits in enumerate(network(image)):
        torch.testing.assert_close(network.judges[scale].head(features[3 * scale + 2]), logits)


def test_images_that_are_too_small_for_the_last_scale_are_refused() -> None:
    network = judge(scales=3, layers=3)
    network.check_size(96, 120)
    assert network(torch.rand(1, 3, 96, 96))[-1].shape[-2:] == (1, 1)
    said = r"height 96 and width 95; both must be at least 96; .* fewer method\.discriminator\.scales than 3"
    with pytest.raises(ValueError, match=said):
        network.check_size(96, 95)


def test_it_learns_at_every_scale_to_separate_real_from_fake() -> None:
    network, loss = judge(scales=2, norm="none"), adversarial["lsgan"]()
    real, fake = 2 * torch.rand(4, 3, 16, 16) ** 4 - 1, 1 - 2 * torch.rand(4, 3, 16, 16) ** 4
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(30):
        optimizer.zero_grad()
        sum(loss.discriminator(network(real), network(fake)).values()).backward()
        optimizer.step()
    with torch.no_grad():
        for of_real, of_fake in zip(network(real), network(fake), strict=True):
            assert of_real.mean() > of_fake.mean() + 0.3


def test_feature_matching_sums_over_layers_and_is_a_mean_over_scales_that_real_images_do_not_learn_from() -> None:
    shapes = [(2, 3, 4, 4), (2, 5, 2, 2), (2, 3, 2, 2), (2, 5, 1, 1)]
    fakes, reals = ([torch.randn(shape, requires_grad=True) for shape in shapes] for _ in range(2))
    found = feature_matching(fakes, reals, scales=2)
    expected = sum((fake - real).abs().mean() for fake, real in zip(fakes, reals, strict=True)) / 2
    torch.testing.assert_close(found, expected)
    found.backward()
    assert all(fake.grad is not None and real.grad is None for fake, real in zip(fakes, reals, strict=True))
