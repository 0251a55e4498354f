import pytest
import torch
from torch import nn

from i2i.networks.generators.stylegan2 import StyleGAN2Generator
from i2i.networks.modulated import AdaINLayer, DemodulatedLayer, demodulation
from i2i.networks.stylegan2_layers import (
    Blur,
    EqualisedConv,
    EqualisedLinear,
    FilteredDownsample,
    FilteredUpsample,
    Mapping,
    ScaledLeakyReLU,
)
from i2i.registry import generators

MODULATIONS = ["demodulated", "adain"]


def small(**options) -> StyleGAN2Generator:
    torch.manual_seed(0)
    tiny = {"size": 16, "latent": 6, "style": 8, "mapping_layers": 2, "features": 8}
    generator = generators["stylegan2"](**tiny | options)
    for layer in [*generator.up, *generator.flat]:
        nn.init.constant_(layer.strength, 0.3)  # as if trained: it begins with 0
    return generator


@pytest.mark.parametrize(("size", "base", "count"), [(256, 16384, 24_767_458), (1024, 32768, 30_370_060)])
def test_parameter_counts_are_the_published_ones(size, base, count):
    with torch.device("meta"):
        generator = StyleGAN2Generator(size=size, base=base)
    assert sum(weight.numel() for weight in generator.parameters()) == count


@pytest.mark.parametrize("modulation", MODULATIONS)
@pytest.mark.parametrize(("size", "classes", "channels"), [(8, 0, 1), (32, 3, 4)])
def test_latents_become_images_of_the_size_and_all_weights_have_gradients(modulation, size, classes, channels):
    generator = small(size=size, classes=classes, out_channels=channels, modulation=modulation)
    label = torch.tensor([0, 2]) if classes else None
    image = generator(torch.randn(2, 6), label)
    assert image.shape == (2, channels, size, size) and generator.linear
    image.square().mean().backward()
    assert all(weight.grad is not None for weight in generator.parameters())


def test_demodulated_weights_have_unit_norm_whatever_the_style():
    weight, style = torch.randn(5, 4, 3, 3), torch.randn(7, 4)
    modulated = weight * style[:, None, :, None, None] * demodulation(weight, style)[..., None, None, None]
    torch.testing.assert_close(modulated.square().sum((2, 3, 4)), torch.ones(7, 5))


@pytest.mark.parametrize("upsampling", [False, True])
def test_scaling_input_and_output_equals_convolving_with_demodulated_weights(upsampling):
    layer = DemodulatedLayer(4, 5, 8, style=3, upsampling=upsampling).double()
    features, w = torch.randn(2, 4, 4 if upsampling else 8, 4 if upsampling else 8).double(), torch.randn(2, 3).double()
    style = layer.affine(w)
    coefficients = demodulation(layer.weight, style)
    expected = []
    for image in range(2):
        weight = layer.weight * style[image, None, :, None, None] * coefficients[image, :, None, None, None]
        expected.append(layer.activated(layer.convolved(features[image : image + 1], weight)))
    torch.testing.assert_close(layer(features, w), torch.cat(expected))


def test_doubling_before_the_convolution_is_the_same_inside():
    layer = DemodulatedLayer(2, 3, 16, style=3, upsampling=True)
    features = torch.randn(1, 2, 8, 8)
    flipped = layer.weight.flip(2, 3)  # a transposed convolution turns its filters around
    after = nn.functional.conv2d(FilteredUpsample()(features), flipped, padding=1)
    torch.testing.assert_close(layer.convolved(features, layer.weight)[..., 2:-2, 2:-2], after[..., 2:-2, 2:-2])


def test_adain_gives_every_map_the_mean_and_the_deviation_of_its_style():
    layer, w = AdaINLayer(4, 5, 32, style=3, upsampling=False), torch.randn(2, 3)
    result = layer(torch.randn(2, 4, 32, 32), w)
    scale, shift = layer.affine(w).chunk(2, dim=1)
    torch.testing.assert_close(result.mean((2, 3)), shift, atol=1e-5, rtol=0)
    torch.testing.assert_close(result.std((2, 3)), (1 + scale).abs(), atol=1e-2, rtol=0)


@pytest.mark.parametrize("width", [16, 256])
def test_equalised_layers_keep_the_variance_at_any_width(width):
    torch.manual_seed(0)
    linear = EqualisedLinear(width, width, rate=0.01)
    assert linear(torch.randn(1000, width)).var().item() == pytest.approx(1, rel=0.15)
    convolution = EqualisedConv(width, width, 3)
    assert convolution(torch.randn(4, width, 8, 8)).var().item() == pytest.approx(1, rel=0.15)
    assert ScaledLeakyReLU()(torch.randn(100_000)).square().mean().item() == pytest.approx(1, rel=0.05)


def test_a_step_of_the_optimiser_changes_layers_of_any_width_equally_and_by_the_rate():
    def moved(width: int, rate: float) -> float:
        """How much of a result's deviation a sign step of 0.01, as an Adam takes, is on random gradients."""
        layer, features = EqualisedLinear(width, 64, rate=rate), torch.randn(500, width)
        before = layer(features)
        with torch.no_grad():
            layer.weight += 0.01 * torch.randn_like(layer.weight).sign()
        return ((layer(features) - before).std() / before.std()).item()

    torch.manual_seed(0)
    assert moved(16, 1.0) == pytest.approx(0.01, rel=0.1)
    assert moved(512, 1.0) == pytest.approx(0.01, rel=0.1)
    assert moved(512, 0.1) == pytest.approx(0.001, rel=0.1)


@pytest.mark.parametrize(
    ("resample", "size"), [(FilteredUpsample(), 16), (FilteredDownsample(), 4), (Blur(padding=2), 9)]
)
def test_the_filter_keeps_a_constant_but_for_the_border(resample, size):
    image = resample(torch.full((2, 3, 8, 8), 0.7))
    assert image.shape == (2, 3, size, size)
    inner = slice(2, -2) if size > 4 else slice(1, -1)
    torch.testing.assert_close(image[..., inner, inner], torch.full_like(image[..., inner, inner], 0.7))


def test_enlarging_is_bilinear_inside_and_shrinking_takes_a_ramp_to_a_ramp():
    image = torch.rand(1, 2, 8, 8)
    bilinear = nn.functional.interpolate(image, scale_factor=2.0, mode="bilinear", align_corners=False)
    torch.testing.assert_close(FilteredUpsample()(image)[..., 1:-1, 1:-1], bilinear[..., 1:-1, 1:-1])
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)
    torch.testing.assert_close(FilteredDownsample()(ramp)[0, 0, 3, 1:-1], torch.arange(2.5, 14, 2))


@pytest.mark.parametrize("modulation", MODULATIONS)
def test_noise_is_drawn_in_training_and_fixed_after(modulation):
    generator, z = small(modulation=modulation), torch.randn(2, 6)
    assert not torch.equal(generator(z), generator(z))
    generator.eval()
    assert torch.equal(generator(z), generator(z))
    kept = StyleGAN2Generator(**{"size": 16, "latent": 6, "style": 8, "mapping_layers": 2, "features": 8,
                                 "modulation": modulation})  # fmt: skip
    kept.load_state_dict(generator.state_dict())
    assert torch.equal(kept.eval()(z), generator(z)), "the noise is kept with the weights"


def test_noise_has_no_effect_at_the_beginning():
    generator, z = StyleGAN2Generator(size=16, features=8), torch.randn(2, 512)
    assert torch.equal(generator(z), generator(z))


def test_truncation_of_nothing_is_the_mean_image_and_of_half_is_half_way():
    generator = small()
    for _ in range(1500):
        generator.map(torch.randn(128, 6))
    mean = generator.mean_style.clone()
    generator.eval()
    w = generator.map(torch.randn(4000, 6))
    torch.testing.assert_close(w.mean((0, 1)), mean, atol=0.05, rtol=0)
    z = torch.randn(2, 6)
    none, half, whole = (generator.map(z, truncation=psi) for psi in (0.0, 0.5, 1.0))
    torch.testing.assert_close(none, mean.expand(2, generator.layers, -1))
    torch.testing.assert_close(half, (none + whole) / 2)
    images = generator.synthesise(none)
    torch.testing.assert_close(images[0], images[1])
    assert torch.equal(generator.mean_style, mean), "looking at it changes nothing"


def test_every_layer_has_a_style_of_its_own_and_later_ones_change_less_of_the_picture():
    generator = small().eval().requires_grad_(False)
    w, other = generator.map(torch.randn(2, 6)).split(1)
    assert w.shape == (1, 6, 8)
    plain = generator.synthesise(w)
    for layer in range(generator.layers):
        mixed = w.clone()
        mixed[:, layer] = other[:, layer]
        assert not torch.equal(generator.synthesise(mixed), plain), f"style {layer} is not used"


def test_labels_change_the_image():
    generator, z = small(classes=3).eval(), torch.randn(1, 6)
    one, two = (generator(z, torch.tensor([label])) for label in (0, 1))
    assert not torch.allclose(one, two)


def test_label_vectors_of_version_0_1_are_loaded_as_the_same_points():
    mapping = Mapping(latent=0, classes=3, width=4, layers=1, rate=1.0)
    vectors = torch.randn(3, 4)
    state = {key: value for key, value in mapping.state_dict().items() if "embedding" not in key}
    mapping.load_state_dict(state | {"embedding.weight": vectors})
    torch.testing.assert_close(mapping.embedding(torch.tensor([2, 0])), vectors[[2, 0]])


@pytest.mark.parametrize("modulation", MODULATIONS)
def test_a_batch_of_two_is_two_batches_of_one(modulation):
    generator, z = small(modulation=modulation).eval().double(), torch.randn(2, 6).double()
    torch.testing.assert_close(generator(z), torch.cat([generator(z[:1]), generator(z[1:])]))


class _Whole(nn.Module):
    def __init__(self, generator: StyleGAN2Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return self.generator.synthesise(self.generator.map(z, label, truncation=0.7), label)


@pytest.mark.parametrize("modulation", MODULATIONS)
def test_it_runs_as_onnx_at_any_batch(modulation, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    whole = _Whole(small(size=8, classes=3, modulation=modulation)).eval()
    example = (torch.randn(2, 6), torch.tensor([0, 1]))
    batch = torch.export.Dim("batch", min=1)
    program = torch.onnx.export(whole, example, dynamo=True, dynamic_shapes=({0: batch}, {0: batch}), verbose=False)
    program.save(tmp_path / "stylegan2.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "stylegan2.onnx")
    names = [each.name for each in session.get_inputs()]
    for number in (1, 3):
        z, label = torch.randn(number, 6), torch.arange(number)
        (image,) = session.run(None, dict(zip(names, (z.numpy(), label.numpy()), strict=True)))
        torch.testing.assert_close(torch.from_numpy(image), whole(z, label), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": 4}, "size = 4 is refused; allowed: a power of two, 8 or more"),
        ({"size": 48}, "size = 48 is refused"),
        ({"size": 64, "base": 32}, "base = 32 is too small; allowed: 64 or more"),
        ({"mapping_layers": 0}, "mapping_layers = 0 is too small; allowed: 1 or more"),
        ({"mapping_lr": 0.0}, "mapping_lr = 0.0 is refused; allowed: above 0"),
        ({"modulation": "adian"}, "unknown modulation 'adian'; did you mean 'adain'?"),
    ],
)
def test_what_makes_no_network_is_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence.replace("?", r"\?")):
        StyleGAN2Generator(**options)
