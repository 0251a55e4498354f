"""Frozen norms: what they equal, how far a pixel then reaches, and what goes on training with them."""

import pytest
import torch
from torch import Tensor, nn

from i2i.networks.frozen_norms import FrozenNorm2d, freeze_norms
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.unet import UnetGenerator
from i2i.recipe.components import build
from i2i.registry import generators

SMALL = {
    "resnet": {"features": 2, "blocks": 2},
    "resnet, anti-aliased": {"features": 2, "blocks": 1, "antialias_down": True, "antialias_up": True},
    "resnet, resized": {"features": 2, "blocks": 0, "upsampling": "resize", "antialias_down": True, "residual": True},
    "unet": {"features": 2, "depth": 3, "dropout": False},
    "unet, resized": {"features": 2, "depth": 3, "dropout": False, "upsampling": "resize"},
}


def small(name: str, norm: str = "instance") -> ImageGenerator:
    torch.manual_seed(0)
    table = {"name": name.partition(",")[0], "norm": norm, "init_gain": 0.3, **SMALL[name]}
    generator = build(generators, {**table, "in_channels": 3, "out_channels": 3})
    for layer in generator.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None:
            nn.init.uniform_(layer.bias, -0.5, 0.5)
    return generator.double().eval()


def frame(seed: int, height: int = 32, width: int = 40) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_norms_frozen_on_one_frame_give_its_own_translation(name: str) -> None:
    generator = small(name)
    before = generator(frame(0))
    frozen = freeze_norms(generator, [frame(0)])
    torch.testing.assert_close(frozen(frame(0)), before, rtol=0, atol=1e-10)
    assert (frozen(frame(1)) - generator(frame(1))).abs().max() > 1e-3, "another frame has other statistics"
    torch.testing.assert_close(generator(frame(0)), before, rtol=0, atol=0, msg="the generator itself is not changed")


@torch.no_grad()
def test_statistics_are_the_means_of_those_of_single_frames_of_any_sizes() -> None:
    network = nn.Sequential(nn.InstanceNorm2d(3, affine=True)).double()
    nn.init.uniform_(network[0].weight)
    frames = [frame(0), frame(1, 8, 8) + 3, torch.full((1, 3, 2, 2), 5.0, dtype=torch.float64)]
    norm = freeze_norms(network, frames)[0]
    singles = torch.stack([torch.stack([each.mean((2, 3))[0], each.var((2, 3), correction=0)[0]]) for each in frames])
    mean, variance = singles.mean(dim=0)
    image = frame(2)[0].permute(1, 2, 0)
    expected = (image - mean) / (variance + 1e-5).sqrt() * network[0].weight
    torch.testing.assert_close(norm(frame(2))[0].permute(1, 2, 0), expected)
    both = freeze_norms(network, [torch.cat([frame(0), frame(1)])])[0]
    torch.testing.assert_close(both.running_mean, freeze_norms(network, [frame(0), frame(1)])[0].running_mean)


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_a_pixel_reaches_no_further_than_half_the_overlap_of_tiles_and_nearly_as_far(name: str) -> None:
    """Every operator passes NaN on to all that depends on it; in float64 convolutions work on no blocks of pixels."""
    generator = small(name)
    assert generator.overlap == 0, "the norms need the whole image"
    frozen = freeze_norms(generator, [frame(0)])
    assert frozen.overlap == small(name, norm="frozen").overlap > 0
    step, size = frozen.multiple_of, 96
    for turn in (lambda strip: strip, lambda strip: strip.mT):
        strip = torch.zeros(1, 3, size, 4 * step, dtype=torch.float64)
        strip[:, :, size // 2 : size // 2 + step] = torch.nan
        rows = turn(frozen(turn(strip))).isnan().any(dim=3)[0, 0].nonzero()[:, 0]
        reach = max(size // 2 - int(rows[0]), int(rows[-1]) + 1 - size // 2 - step)
        assert frozen.overlap // 2 - 6 <= reach <= frozen.overlap // 2


@pytest.mark.parametrize("name", SMALL)
def test_a_frozen_network_is_built_again_from_its_options_and_trains(name: str) -> None:
    frozen = freeze_norms(small(name), [frame(0)])
    assert frozen.spec["norm"] == "frozen"
    again = build(generators, frozen.spec).double().train()
    again.load_state_dict(frozen.state_dict())
    torch.testing.assert_close(again(frame(1)), frozen(frame(1)), rtol=0, atol=0, msg="in training, too")
    again(frame(1)).square().mean().backward()
    norms = [layer for layer in again.modules() if isinstance(layer, FrozenNorm2d)]
    assert all(each.weight.grad is not None and each.weight.grad.any() for each in norms)
    for layer, other in zip(norms, (each for each in frozen.modules() if isinstance(each, FrozenNorm2d)), strict=True):
        assert torch.equal(layer.running_mean, other.running_mean)


def test_a_generator_inside_another_is_frozen_and_says_so() -> None:
    table = {"name": "one-hot", "generator": {"name": "resnet", "blocks": 0, "norm": "instance"}, "classes": 2}
    frozen = freeze_norms(build(generators, table), [torch.zeros(1, 1, 8, 8)])
    assert frozen.spec["generator"]["norm"] == "frozen" and frozen.overlap == ResnetGenerator(blocks=0).frozen_overlap


def test_a_network_without_instance_norm_and_no_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="UnetGenerator has no instance norm to freeze"):
        freeze_norms(UnetGenerator(features=2, depth=2, norm="batch"), [frame(0)])
    with pytest.raises(ValueError, match=r"no frame has passed the norm down\.0\.2"):
        freeze_norms(UnetGenerator(features=2, depth=3, norm="instance"), [])
