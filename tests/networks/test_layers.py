import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from i2i.networks.layers import (
    ResizeConvolution,
    add_spectral_norm,
    at_least,
    clamp_to_range,
    initialise,
    normalisation,
    set_test_time,
    upsample,
)


@pytest.mark.parametrize(
    ("init", "deviation"),
    [
        ("normal", 0.02),
        ("xavier", 0.02 * math.sqrt(2 / (9 * 128 + 9 * 128))),
        ("kaiming", math.sqrt(2 / (9 * 128))),
        ("orthogonal", 0.02 / math.sqrt(9 * 128)),  # 128 orthogonal rows of 9 * 128 numbers
    ],
)
def test_convolutions_start_with_the_published_deviation(init, deviation):
    torch.manual_seed(0)
    layer = nn.Conv2d(128, 128, 3)
    initialise(layer, init, 0.02)
    assert layer.weight.mean().item() == pytest.approx(0, abs=0.02 * deviation)
    assert layer.weight.std().item() == pytest.approx(deviation, rel=0.02)
    assert not layer.bias.any()


def test_batch_norm_starts_around_one():
    torch.manual_seed(0)
    layer = nn.BatchNorm2d(10_000)
    initialise(layer, "kaiming", 0.05)
    assert layer.weight.mean().item() == pytest.approx(1, abs=0.002)
    assert layer.weight.std().item() == pytest.approx(0.05, rel=0.05)
    assert not layer.bias.any()


def test_orthogonal_rows_have_the_gain_as_length():
    layer = nn.Conv2d(8, 6, 3)
    initialise(layer, "orthogonal", 0.5)
    rows = layer.weight.detach().flatten(1)
    torch.testing.assert_close(rows @ rows.T, 0.25 * torch.eye(6), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kernel", [3, 4])
@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_upsample_doubles_the_size(kernel, upsampling):
    layer = upsample(3, 5, kernel=kernel, bias=True, upsampling=upsampling)
    assert layer(torch.zeros(1, 3, 6, 10)).shape == (1, 5, 12, 20)


def test_only_resize_keeps_a_flat_area_flat():
    torch.manual_seed(0)
    flat = torch.ones(1, 3, 8, 8)
    smooth = upsample(3, 4, kernel=3, bias=True, upsampling="resize")(flat)
    checkered = upsample(3, 4, kernel=3, bias=True, upsampling="transposed")(flat)
    assert smooth.std(dim=(2, 3)).max() < 1e-6
    assert checkered.std(dim=(2, 3)).min() > 1e-2


def test_a_resize_convolution_convolves_what_is_repeated():
    torch.manual_seed(0)
    layer, features = ResizeConvolution(3, 5, bias=True).double(), torch.randn(2, 3, 4, 6, dtype=torch.float64)
    expected = layer.convolution(F.interpolate(features, scale_factor=2.0, mode="nearest"))
    torch.testing.assert_close(layer(features), expected, atol=1e-12, rtol=0)


def test_spectral_norm_holds_the_largest_singular_value_at_one():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 4), nn.Conv2d(8, 8, 3))
    initialise(network, "normal", 5.0)
    add_spectral_norm(network)
    for _ in range(30):
        network(torch.zeros(1, 3, 8, 8))
    for layer in network:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
        assert largest.item() == pytest.approx(1, abs=1e-3)


@pytest.fixture
def trained():
    """A network with batch norm whose running statistics are those of other images."""
    torch.manual_seed(0)
    norm = normalisation("batch", 4)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.ReLU())
    initialise(network, gain=0.5)
    network(5 + torch.randn(8, 3, 8, 8))
    return network


def test_published_test_time_is_training_mode_on_one_image(trained):
    image = torch.randn(1, 3, 8, 8)
    in_training = trained.train()(image)
    torch.testing.assert_close(set_test_time(trained, "published")(image), in_training)
    assert not trained.training


def test_published_test_time_does_not_depend_on_the_rest_of_the_batch(trained):
    images = torch.randn(2, 3, 8, 8) * torch.tensor([1.0, 9.0]).view(2, 1, 1, 1)
    published = set_test_time(trained, "published")
    torch.testing.assert_close(published(images)[:1], published(images[:1]))


@pytest.mark.parametrize(("test_time", "random"), [("published", True), ("eval", False)])
def test_dropout_at_test_time_is_on_only_as_published(test_time, random):
    network = set_test_time(nn.Sequential(nn.Identity(), nn.Dropout(0.5)), test_time)
    image = torch.ones(1, 3, 8, 8)
    assert random == (not torch.equal(network(image), network(image)))


def test_eval_test_time_is_eval(trained):
    image = torch.randn(1, 3, 8, 8)
    expected = trained.eval()(image)
    assert torch.equal(set_test_time(trained.train(), "eval")(image), expected)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: normalisation("instanse", 3), "unknown norm 'instanse'; did you mean 'instance'?"),
        (lambda: upsample(1, 1, kernel=3, bias=True, upsampling="x"), "unknown upsampling 'x'; choose from: resize"),
        (lambda: initialise(nn.Conv2d(1, 1, 1), "xaver"), "unknown init 'xaver'; did you mean 'xavier'?"),
        (lambda: at_least(1, layers=2, features=0), "features = 0 is too small; allowed: 1 or more"),
    ],
)
def test_wrong_options_are_refused_with_the_choices(build, sentence):
    with pytest.raises(ValueError) as error:
        build()
    assert str(error.value).startswith(sentence)


def test_settled_spectral_norm_knows_weights_it_has_never_seen():
    torch.manual_seed(0)
    network = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Conv2d(6, 8, 3)), nn.ReLU()).eval()
    with torch.no_grad():
        network[0].parametrizations.weight.original.normal_()
    largest = partial(torch.linalg.matrix_norm, ord=2)
    assert largest(network[0].weight.flatten(1)) > 1.5
    set_test_time(network, "eval")
    assert largest(network[0].weight.flatten(1)).item() == pytest.approx(1, abs=0.05)
    assert not network[0].parametrizations.weight.training


def test_layer_norm_is_over_all_channels_and_pixels_of_an_image():
    torch.manual_seed(0)
    features = torch.randn(3, 4, 5, 6, dtype=torch.float64) * 7 + 2
    normed = normalisation("layer", 4).double()(features)
    mean, variance = features.mean((1, 2, 3), keepdim=True), features.var((1, 2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(normed, (features - mean) / (variance + 1e-5).sqrt())


@pytest.mark.parametrize(("sign", "kept"), [(1, [0, 1, 1, 1]), (-1, [1, 1, 1, 0])])
def test_what_has_left_the_range_can_come_back_but_goes_no_farther(sign, kept):
    image = torch.tensor([-2.0, -0.5, 0.5, 2.0], requires_grad=True)
    clamped = clamp_to_range(image)
    assert clamped.tolist() == [-1, -0.5, 0.5, 1]
    (sign * clamped).sum().backward()  # which gradient descent makes darker, or lighter
    assert image.grad.tolist() == [sign * each for each in kept]
