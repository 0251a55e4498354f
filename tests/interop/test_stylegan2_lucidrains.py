"""The StyleGAN2 of lucidrains in its own layout: recognised by content, and equal to a second implementation."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i import interop

LATENT, MAPPING, CAPACITY, MOST = 6, 3, 2, 8
CHANNELS = [8, 8, 8, 4]  # of 32 pixels: what comes out of every block
LAST = ("conv1", "to_style1", "to_rgb.conv")
State = dict[str, Tensor]


def published(*, channels: int = 3) -> State:
    """Averages of a model, and some of its other weights."""
    random = torch.Generator().manual_seed(0)

    def draw(*shape: int, scale: float = 1.0) -> Tensor:
        return scale * torch.randn(shape, generator=random)

    state: State = {"S.net.0.weight": draw(LATENT, LATENT), "D.final_conv.bias": draw(3)}
    for layer in range(MAPPING):
        state |= {f"SE.net.{2 * layer}.weight": draw(LATENT, LATENT, scale=8)}
        state |= {f"SE.net.{2 * layer}.bias": draw(LATENT, scale=2)}
    state["GE.initial_block"] = draw(1, CHANNELS[0], 4, 4)
    state |= {"GE.initial_conv.weight": draw(CHANNELS[0], CHANNELS[0], 3, 3, scale=0.2)}
    state |= {"GE.initial_conv.bias": draw(CHANNELS[0])}
    for level, (before, after) in enumerate(zip([CHANNELS[0], *CHANNELS], CHANNELS, strict=False)):
        block = f"GE.blocks.{level}"
        for number, inputs in ((1, before), (2, after)):
            state |= {
                f"{block}.to_style{number}.weight": draw(inputs, LATENT),
                f"{block}.conv{number}.weight": draw(after, inputs, 3, 3),
            }
            state |= {f"{block}.to_style{number}.bias": draw(inputs), f"{block}.to_noise{number}.bias": draw(after)}
            state[f"{block}.to_noise{number}.weight"] = draw(after, 1)
        state |= {f"{block}.to_rgb.to_style.weight": draw(after, LATENT), f"{block}.to_rgb.to_style.bias": draw(after)}
        state[f"{block}.to_rgb.conv.weight"] = draw(channels, after, 1, 1, scale=0.1)
        if level < len(CHANNELS) - 1:
            state[f"{block}.to_rgb.upsample.1.f"] = torch.tensor([1.0, 2.0, 1.0])
    return state


def image_of(state: State, z: Tensor, noise: Tensor) -> Tensor:
    """What the published network makes of z and noise (1, 1, 32, 32), by the state dict alone."""

    def linear(features: Tensor, name: str) -> Tensor:
        return F.linear(features, state[f"{name}.weight"], state[f"{name}.bias"])

    def convolved(features: Tensor, name: str, style: Tensor, *, demodulated: bool) -> Tensor:
        weights = state[f"{name}.weight"] * (1 + style[:, None, :, None, None])
        if demodulated:
            weights = weights / weights.square().sum((2, 3, 4), keepdim=True).sqrt()
        padding = weights.shape[-1] // 2
        return torch.cat(
            [F.conv2d(one[None], own, padding=padding) for one, own in zip(features, weights, strict=True)]
        )

    w = F.normalize(z, dim=1)
    for layer in range(MAPPING):
        name = f"SE.net.{2 * layer}"
        w = F.leaky_relu(0.1 * linear(w, name), 0.2)
    features = state["GE.initial_block"].expand(len(z), -1, -1, -1)
    features = F.conv2d(features, state["GE.initial_conv.weight"], state["GE.initial_conv.bias"], padding=1)
    doubled = torch.nn.Upsample(scale_factor=2, mode="bilinear")
    kernel = torch.outer(taps := torch.tensor([1.0, 2.0, 1.0]) / 4, taps)[None, None]
    image = torch.zeros(())
    for level in range(len(CHANNELS)):
        block = f"GE.blocks.{level}"
        features = doubled(features) if level else features
        for number in (1, 2):
            features = convolved(
                features, f"{block}.conv{number}", linear(w, f"{block}.to_style{number}"), demodulated=True
            )
            added = linear(noise[..., : features.shape[2], : features.shape[3], None], f"{block}.to_noise{number}")
            features = F.leaky_relu(features + added[:, 0].permute(0, 3, 1, 2), 0.2)
        change = convolved(features, f"{block}.to_rgb.conv", linear(w, f"{block}.to_rgb.to_style"), demodulated=False)
        image = image + change
        if level < len(CHANNELS) - 1:
            padded = F.pad(doubled(image), (1, 1, 1, 1), mode="reflect")
            image = F.conv2d(padded.flatten(0, 1)[:, None], kernel).unflatten(0, image.shape[:2])[:, :, 0]
    return image


def load(state: State, folder: Path) -> interop.Generator:
    torch.save({"GAN": state, "version": "1.9.0"}, folder / "model_7.pt")
    return interop.load_published(folder / "model_7.pt")


@pytest.mark.parametrize("channels", [3, 4])
def test_a_published_file_gives_the_images_of_its_network(channels: int, tmp_path: Path) -> None:
    state = published(channels=channels)
    generator = load(state, tmp_path)
    z = torch.randn(4, LATENT, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        image = generator(z)
    expected = image_of(state, z, generator.noise)
    torch.testing.assert_close(image, expected, rtol=1e-4, atol=1e-4)
    assert image.shape == (4, channels, 32, 32) and (image[0] - image[1]).abs().mean() > 0.1
    assert generator.spec["name"] == "stylegan2-lucidrains" and generator.value_range == (0, 1)


def test_its_mean_style_is_that_of_many_latents(tmp_path: Path) -> None:
    generator = load(published(), tmp_path)
    with torch.no_grad():
        w = generator.map(torch.randn(20_000, LATENT, generator=torch.Generator().manual_seed(2)))[:, 0]
        one = generator.map(torch.ones(1, LATENT), truncation=0.0)[0, 0]
    assert (one - w.mean(0)).abs().max() < 0.05 * w.std()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"GE.attns.2.0.fn.norm.g": torch.ones(1)}, "with attention .*, which is not here"),
        ({"GE.to_initial_block.weight": torch.ones(1)}, "without a constant .*, which is not here"),
        (
            {f"GE.blocks.{n}.{each}.weight": torch.ones(1, 1) for n in range(4, 20) for each in LAST},
            "of 20 blocks, of which",
        ),
        ({"GE.initial_block": None}, r"lacks GE\.initial_block, without which the network is not whole"),
        ({"GE.blocks.1.conv2.weight": None}, r"such as blocks\.1\.second\.weight by our names; copy"),
    ],
)
def test_what_is_not_here_or_damaged_is_said(change: dict[str, Tensor | None], sentence: str, tmp_path: Path) -> None:
    state = {key: each for key, each in (published() | change).items() if each is not None}
    with pytest.raises(ValueError, match=sentence):
        load(state, tmp_path)


def test_it_trains(tmp_path: Path) -> None:
    generator = load(published(), tmp_path).train()
    generator(torch.randn(3, LATENT)).square().sum().backward()
    assert not [name for name, weight in generator.named_parameters() if weight.grad is None or not weight.grad.any()]
