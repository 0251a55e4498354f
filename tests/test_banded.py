import numpy as np
import pytest
import torch
from torch import nn

from i2i.banded import can_band, instance_statistics, maps, translate_banded
from i2i.banded.norm import Moments
from i2i.inference import Translator
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.rrdb import RRDBNet
from i2i.networks.generators.srvgg import SRVGGNet
from i2i.networks.generators.unet import UnetGenerator
from i2i.networks.layers import set_test_time
from i2i_runtime.card import Card

# Large enough that every layer matters
GAIN = 0.3


def resnet(**options) -> ImageGenerator:
    return ResnetGenerator(**{"features": 4, "blocks": 2, "init_gain": GAIN, **options}).eval()


def unet(**options) -> ImageGenerator:
    return UnetGenerator(**{"features": 4, "depth": 3, "norm": "instance", "init_gain": GAIN, **options}).eval()


class Plugin(ImageGenerator):
    """A generator of layers that are given."""

    in_channels = out_channels = 2

    def __init__(self, *layers: nn.Module, scale: int = 1) -> None:
        super().__init__()
        self.layers, self.scale = nn.Sequential(*layers), scale

    def forward(self, image):
        return self.layers(image)


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Noise over a slope, so that no two parts have the same statistics."""
    slope = np.linspace(0, 0.6, height, dtype=np.float32)[:, None, None]
    return slope + np.random.default_rng(0).random((height, width, channels), dtype=np.float32) * 0.4


@torch.inference_mode()
def at_once(generator: ImageGenerator, image: np.ndarray) -> np.ndarray:
    low, high = generator.value_range
    batch = torch.from_numpy(image).permute(2, 0, 1)[None].to(next(generator.parameters())) * (high - low) + low
    return ((generator(batch)[0].permute(1, 2, 0) - low) / (high - low)).clamp(0, 1).float().numpy()


def worst(one: np.ndarray, other: np.ndarray) -> float:
    assert one.shape == other.shape and one.std() > 0.01
    return float(np.abs(one.astype(np.float64) - other).max())


GENERATORS = {
    "resnet 6": lambda: resnet(blocks=6),
    "resnet 9": lambda: resnet(blocks=9, features=2),
    "resnet 0": lambda: resnet(blocks=0),
    "resnet resized": lambda: resnet(upsampling="resize"),
    "resnet without norm": lambda: resnet(norm="none", init_gain=0.15),
    "resnet of an odd number of channels": lambda: resnet(in_channels=1, out_channels=5, features=3),
    "unet": unet,
    "unet resized": lambda: unet(upsampling="resize"),
    "unet 5": lambda: unet(depth=5, features=2),
    "unet with batch norm": lambda: unet(norm="batch"),
    "unet with batch norm as published": lambda: set_test_time(unet(norm="batch", dropout=False), "published"),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_bands_of_any_height_give_what_the_whole_image_gives(name):
    torch.manual_seed(0)
    # Double precision, so that only a mistake is larger than the last digit of the float32 result
    generator = GENERATORS[name]().double()
    height, width = (13 * generator.multiple_of, 11 * generator.multiple_of) if generator.multiple_of < 32 else (96, 64)
    image = picture(height, width, generator.in_channels)
    whole = at_once(generator, image)
    assert can_band(generator)
    for rows in (1, 5, 16, 24, height - 1, 10 * height):
        assert worst(translate_banded(generator, image, rows=rows), whole) < 1e-6


@pytest.mark.parametrize("make", [resnet, lambda: resnet(blocks=9, upsampling="resize"), unet])
def test_single_precision_loses_no_more_than_with_the_whole_image(make):
    torch.manual_seed(0)
    generator, image = make(), picture(88, 72)
    banded, whole = translate_banded(generator, image, rows=12), at_once(generator, image)
    exact = at_once(generator.double(), image)
    assert worst(banded, exact) < 1.5 * worst(whole, exact) < 3e-5


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(50, 37), (3, 1), (52, 44)])
def test_any_size_is_padded_and_rounded_as_the_translator_does_it(dtype, size):
    torch.manual_seed(0)
    generator = resnet()
    image = (picture(*size) * np.iinfo(dtype).max).astype(dtype)
    card = Card(product="b", in_channels=3, out_channels=3, multiple_of=4, min_size=8)
    whole, banded = Translator(generator, card)(image), translate_banded(generator, image, rows=8)
    assert banded.dtype == dtype and banded.shape == whole.shape
    assert np.abs(banded.astype(int) - whole).max() <= (1 if dtype == np.uint8 else 2)


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(2, 4, 5, stride=3, padding=2, groups=2), nn.ConvTranspose2d(4, 2, 5, stride=3, padding=1)],
        [nn.Conv2d(2, 4, (3, 5), padding=(1, 2)), nn.InstanceNorm2d(4, affine=True), nn.Conv2d(4, 2, 1)],
        [nn.Conv2d(2, 2, 2, stride=2), nn.ReflectionPad2d(5), nn.Conv2d(2, 2, 11), nn.Upsample(scale_factor=2)],
        [nn.Conv2d(2, 4, 4, stride=4), nn.ConvTranspose2d(4, 2, 4, stride=4, groups=2)],
        [nn.Conv2d(2, 2, 3, stride=2, padding=1), nn.ConvTranspose2d(2, 2, 7, 2, padding=3, output_padding=1)],
        [nn.ConvTranspose2d(2, 4, 4, 2, 1), nn.InstanceNorm2d(4), nn.LeakyReLU(0.2, True), nn.Conv2d(4, 2, 4, 2, 1)],
        [nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1), nn.InstanceNorm2d(2), nn.Tanh()],
    ],
    ids=lambda layers: layers[0].__class__.__name__ + "-" + layers[1].__class__.__name__,
)
def test_kernels_strides_and_paddings_of_all_kinds_are_exact(layers):
    torch.manual_seed(0)
    generator, image = Plugin(*layers).double(), picture(24, 36, 2)
    for rows in (1, 2, 7, 24):
        assert worst(translate_banded(generator, image, rows=rows), at_once(generator, image)) < 1e-6


def test_changes_in_place_reach_whoever_else_holds_the_map():
    class Aliased(Plugin):
        def forward(self, image):
            first = self.layers[0](image)
            second = held = self.layers[1](nn.functional.relu(first, inplace=True))
            second += first
            return held

    torch.manual_seed(0)
    generator, image = Aliased(nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)).double(), picture(20, 8, 2)
    assert worst(translate_banded(generator, image, rows=3), at_once(generator, image)) < 1e-6


def test_an_upscaler_with_instance_norm_gets_its_larger_result():
    torch.manual_seed(0)
    generator = Plugin(nn.Conv2d(2, 2, 3, padding=1), nn.InstanceNorm2d(2), nn.Upsample(scale_factor=3), scale=3)
    image = picture(20, 8, 2)
    assert worst(translate_banded(generator, image, rows=6), at_once(generator, image)) < 1e-6


def test_the_image_stays_as_it_is_and_the_result_goes_where_it_is_told():
    image, room = picture(16, 12), np.zeros((20, 12, 3), np.float32)
    before = image.copy()
    result = translate_banded(resnet(), image, rows=8, out=room[2:18])
    assert np.array_equal(image, before)
    assert np.shares_memory(result, room) and room[2:18].std() > 0 and not room[:2].any() and not room[18:].any()


@pytest.mark.parametrize("blocks", [1, 4])
def test_no_more_is_stored_than_half_a_map_of_the_images_size(blocks, monkeypatch):
    features, height, width, rows = 8, 256, 32, 8
    stores, most = set(), 0

    def write(store, start, band):
        nonlocal most
        write_one(store, start, band)
        stores.add(store)
        most = max(most, sum(kept.numel() for one in stores for kept in one._bands.values()))

    write_one = maps.Store.write
    monkeypatch.setattr(maps.Store, "write", write)
    translate_banded(resnet(features=features, blocks=blocks), picture(height, width), rows=rows)
    bands = 2 * rows * width * features  # one that is complete, and one of which a part is needed
    assert height * width * features / 2 <= most <= height * width * features / 2 + bands
    assert not any(store._bands for store in stores)


def test_statistics_are_those_of_the_whole_image():
    torch.manual_seed(0)
    generator, image = resnet().double(), picture(36, 28)
    found, expected = instance_statistics(generator, image, rows=5), {}

    def measure(name):
        return lambda _, given: expected.update({name: torch.var_mean(given[0][0], dim=(1, 2), correction=0)[::-1]})

    for name, layer in generator.named_modules():
        if isinstance(layer, nn.InstanceNorm2d):
            layer.register_forward_pre_hook(measure(name))
    at_once(generator, image)
    torch.testing.assert_close(found, expected)
    assert len(found) == 9


def test_moments_keep_small_differences_of_large_values():
    generator = torch.Generator().manual_seed(0)
    values = 1000 + torch.randn(1, 3, 50, 40, generator=generator)
    moments = Moments(3)
    for band in values.split([1, 30, 2, 17], dim=2):
        moments.merge(band.clone())
    variance, mean = torch.var_mean(values.double(), dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(moments.mean, mean, rtol=1e-7, atol=0)
    torch.testing.assert_close(moments.variance, variance, rtol=1e-4, atol=0)


class Pooled(Plugin):
    def forward(self, image):
        return image + image.mean()


class Twice(Plugin):
    def forward(self, image):
        return self.layers(self.layers(image))


@pytest.mark.parametrize(
    ("generator", "reason"),
    [
        (RRDBNet(features=2, blocks=1, growth=2), "RRDBNet can't run in bands of rows: add is unknown"),
        (SRVGGNet(features=2, convolutions=1), "prelu is unknown"),
        (unet(norm="batch").train(), "batch norm without running statistics"),
        (set_test_time(unet(depth=6), "published"), "dropout that is on is unknown"),
        (Plugin(nn.Conv2d(2, 2, 3, padding=2, dilation=2)), "a convolution with dilation"),
        (Plugin(nn.Conv2d(2, 2, 3, padding="same")), "a convolution with dilation"),
        (Plugin(nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), nn.Sigmoid()), "sigmoid is unknown"),
        (Plugin(nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular")), "padding other than"),
        (Plugin(nn.ConvTranspose2d(2, 2, 2, stride=3)), "a transposed convolution with dilation or gaps"),
        (Plugin(nn.Conv2d(2, 2, 1), nn.Upsample(scale_factor=2, mode="bilinear")), "up-sampling other than"),
        (Plugin(nn.Conv2d(2, 2, 1), nn.InstanceNorm2d(2, track_running_stats=True)).eval(), "with running statistics"),
        (Pooled(nn.Conv2d(2, 2, 1)), "mean"),
        (Plugin(nn.Conv2d(2, 2, 3)), r"makes \(1, 2, 62, 62\) where it promises \(1, 2, 64, 64\)"),
        (Twice(nn.Conv2d(2, 2, 1), nn.InstanceNorm2d(2)), "using the layer layers.1 twice"),
    ],
)
def test_what_is_unknown_is_refused_in_a_sentence(generator, reason):
    assert not can_band(generator)
    with pytest.raises(ValueError, match=reason):
        translate_banded(generator, picture(64, 64, generator.in_channels))


def test_wrong_arrays_and_values_are_refused():
    generator = resnet()
    for image, rows in [(picture(8, 8, 1), 8), (picture(8, 8)[0], 8), (picture(8, 8)[:0], 8), (picture(8, 8), 0)]:
        with pytest.raises(ValueError, match=r"allowed: \(height, width, 3\) in 1 row or more"):
            translate_banded(generator, image, rows=rows)
        with pytest.raises(ValueError, match="allowed:"):
            instance_statistics(generator, image, rows=rows)
    with pytest.raises(ValueError, match=r"out: an array of shape \(9, 8, 3\) is refused; allowed: \(8, 8, 3\)"):
        translate_banded(generator, picture(8, 8), out=np.empty((9, 8, 3), np.float32))
    with pytest.raises(ValueError, match="image of float64; allowed"):
        translate_banded(generator, picture(8, 8).astype(np.float64))
    with torch.no_grad():
        generator.head[1].bias[0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        translate_banded(generator, picture(8, 8))
