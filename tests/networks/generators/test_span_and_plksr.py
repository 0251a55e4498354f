import pytest
import torch
from torch.nn import functional as F

from i2i.networks.generators import ImageGenerator
from i2i.networks.generators.plksr import PLKSR
from i2i.networks.generators.realplksr import RealPLKSR
from i2i.networks.generators.span import SPAN
from i2i.networks.reparameterised import fold
from i2i.registry import generators


def small(name: str, **options) -> ImageGenerator:
    torch.manual_seed(0)
    sizes = {} if name == "span" else {"blocks": 2, "kernel": 5}
    return generators[name](**{"features": 8, **sizes, **options})


def weights(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize(
    ("network", "count"),
    [
        # The papers have 426K, 498K (of the challenge) and 7386K.
        (lambda: fold(SPAN()), 426_288),
        (lambda: fold(SPAN(features=52)), 498_208),
        (PLKSR, 7_386_096),
        (lambda: PLKSR(blocks=12, kernel=13, attention=False), 2_370_544),
        (RealPLKSR, 7_389_680),
    ],
)
def test_parameter_counts_are_the_published_ones(network, count):
    with torch.device("meta"):
        assert weights(network()) == count


VARIANTS = [
    ("span", {}),
    ("span", {"norm": False, "in_channels": 1, "out_channels": 2}),
    ("plksr", {"mixer": "iccm"}),
    ("realplksr", {}),
    ("realplksr", {"norm": "layer", "dysample": True}),
]
every_variant = pytest.mark.parametrize(("name", "options"), VARIANTS)


@every_variant
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_every_scale_magnifies_any_size_and_has_gradients(name, options, scale):
    generator = small(name, scale=scale, **options)
    result = generator(torch.rand(2, generator.in_channels, 1, 5))
    assert result.shape == (2, generator.out_channels, scale, 5 * scale)
    result.square().mean().backward()
    assert all(weight.grad is not None for weight in generator.parameters())


@every_variant
def test_a_batch_of_two_is_two_batches_of_one(name, options):
    generator = small(name, scale=2, **options).train().double()
    images = torch.rand(2, generator.in_channels, 6, 5, dtype=torch.double)
    assert generator.batch_independent
    torch.testing.assert_close(generator(images), torch.cat([generator(images[:1]), generator(images[1:])]))


@pytest.mark.parametrize(
    ("name", "options"),
    [("span", {}), ("plksr", {"mixer": "ccm"}), ("plksr", {"attention": False}), ("realplksr", {"norm": "layer"})],
)
def test_half_of_the_overlap_is_the_radius_of_the_receptive_field(name, options):
    generator = small(name, scale=1, **options)
    radius = generator.overlap // 2
    image = torch.rand(1, 3, 3, 2 * radius + 9).double().requires_grad_()
    middle = image.shape[-1] // 2
    generator.double()(image)[..., middle].sum().backward()
    reached = image.grad.abs().amax((0, 1, 2)).nonzero().flatten()
    assert (int(reached[0]), int(reached[-1])) == (middle - radius, middle + radius)


def test_group_norm_needs_the_whole_image():
    assert small("realplksr").overlap == 0


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("span", {"in_channels": 1}, "in_channels = 1 is refused with norm, whose mean is of 3; set norm = false"),
        ("plksr", {"out_channels": 1}, "out_channels = 1 is refused; allowed: in_channels = 3, since"),
        ("plksr", {"kernel": 4}, "kernel = 4 is refused; allowed: odd numbers of pixels"),
        ("plksr", {"share": 0.01}, "share = 0.01 of 8 features is refused; allowed: from 1 feature to all"),
        ("plksr", {"mixer": "cm"}, "unknown mixer 'cm'; did you mean 'ccm'"),
        ("realplksr", {"groups": 3}, "groups = 3 is refused; allowed: divisors of features = 8"),
        ("realplksr", {"norm": "batch"}, "unknown norm 'batch'; choose from: group, layer"),
        (
            "realplksr",
            {"dysample": True, "in_channels": 1, "out_channels": 1},
            "in_channels = 1 is refused with dysample",
        ),
    ],
)
def test_options_that_make_no_network_are_one_sentence(name, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        small(name, **options)


@pytest.mark.parametrize("options", [{"norm": True}, {"norm": False, "in_channels": 1, "out_channels": 1}])
def test_from_init_nearest_span_starts_as_nearest_neighbour_up_sampling_and_every_weight_learns(options) -> None:
    torch.manual_seed(0)
    network = SPAN(features=8, scale=3, init="nearest", **options).double()
    image = torch.rand(1, network.in_channels, 7, 9, dtype=torch.float64)
    assert torch.allclose(network(image), F.interpolate(image, scale_factor=3, mode="nearest"), atol=1e-6)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-6)
    for _ in range(2):  # the first step only moves the last convolution
        optimiser.zero_grad()
        network(image).square().mean().backward()
        optimiser.step()
    assert all(bool(weight.grad.any()) for weight in network.parameters())


def test_span_refuses_an_init_that_its_features_cannot_hold() -> None:
    with pytest.raises(ValueError, match='init = "nearest" is refused; allowed: as many out_channels as in_channels'):
        SPAN(features=2, init="nearest")
    with pytest.raises(ValueError, match="unknown init 'nearst'; did you mean 'nearest'"):
        SPAN(features=4, init="nearst")
