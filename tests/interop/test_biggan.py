"""BigGAN in the layout of its authors' code: recognised by content, and equal to a second implementation."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i import interop

FEATURES, LATENT, CLASSES, SHARED = 8, 5, 3, 128  # LATENT for each part of z


def divided(layer: nn.Module, weight: Tensor) -> Tensor:
    """A weight by its largest singular value, estimated by one power iteration of the layer's own vector."""
    matrix, left = weight.reshape(len(weight), -1), layer.u0
    right = left @ matrix / (left @ matrix).norm()
    left = right @ matrix.T / (right @ matrix.T).norm()
    return weight / (left @ matrix @ right.T)


class Conv(nn.Conv2d):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.register_buffer("u0", torch.randn(1, self.out_channels))
        self.register_buffer("sv0", torch.ones(1))

    def forward(self, image: Tensor) -> Tensor:
        return F.conv2d(image, divided(self, self.weight), self.bias, padding=self.padding)


class Linear(nn.Linear):
    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias)
        self.register_buffer("u0", torch.randn(1, outputs))
        self.register_buffer("sv0", torch.ones(1))

    def forward(self, vector: Tensor) -> Tensor:
        return F.linear(vector, divided(self, self.weight), self.bias)


class ConditionalNorm(nn.Module):
    def __init__(self, channels: int, inputs: int, *, embed: bool) -> None:
        super().__init__()
        self.gain = nn.Embedding(inputs, channels) if embed else Linear(inputs, channels, bias=False)
        self.bias = nn.Embedding(inputs, channels) if embed else Linear(inputs, channels, bias=False)
        self.register_buffer("stored_mean", torch.randn(channels))
        self.register_buffer("stored_var", 1 + torch.rand(channels))

    def forward(self, image: Tensor, y: Tensor) -> Tensor:
        scaled = (image - self.stored_mean[:, None, None]) / (self.stored_var[:, None, None] + 1e-5).sqrt()
        return scaled * (1 + self.gain(y))[..., None, None] + self.bias(y)[..., None, None]


class Norm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.rand(channels)), nn.Parameter(torch.randn(channels))
        self.register_buffer("stored_mean", torch.randn(channels))
        self.register_buffer("stored_var", 1 + torch.rand(channels))

    def forward(self, image: Tensor) -> Tensor:
        return F.batch_norm(image, self.stored_mean, self.stored_var, self.gain, self.bias)


class Block(nn.Module):
    def __init__(self, channels: int, inputs: int, *, embed: bool) -> None:
        super().__init__()
        self.conv1, self.conv2 = (Conv(channels, channels, 3, padding=1) for _ in range(2))
        self.conv_sc = Conv(channels, channels, 1)
        self.bn1, self.bn2 = (ConditionalNorm(channels, inputs, embed=embed) for _ in range(2))

    def forward(self, image: Tensor, y: Tensor) -> Tensor:
        change = F.interpolate(self.bn1(image, y).relu(), scale_factor=2)
        change = self.conv2(self.bn2(self.conv1(change), y).relu())
        return change + self.conv_sc(F.interpolate(image, scale_factor=2))


class Attention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.theta, self.phi = (Conv(channels, channels // 8, 1, bias=False) for _ in range(2))
        self.g, self.o = Conv(channels, channels // 2, 1, bias=False), Conv(channels // 2, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.tensor(0.7))

    def forward(self, image: Tensor, y: Tensor) -> Tensor:
        phi, g = (F.max_pool2d(each(image), 2).flatten(2) for each in (self.phi, self.g))
        weights = torch.softmax(self.theta(image).flatten(2).transpose(1, 2) @ phi, dim=2)
        return self.gamma * self.o((g @ weights.transpose(1, 2)).reshape(len(image), -1, *image.shape[2:])) + image


class Published(nn.Module):
    """For 32 pixels: three blocks of 4 * FEATURES, attention after the second."""

    def __init__(self, *, shared: bool, hierarchical: bool, attention: bool) -> None:
        super().__init__()
        self.parts = 4 if hierarchical else 1
        inputs = (SHARED if shared else CLASSES) + (LATENT if hierarchical else 0)
        if shared:
            self.shared = nn.Embedding(CLASSES, SHARED)
        self.linear = Linear(LATENT, 4 * FEATURES * 16)
        self.blocks = nn.ModuleList(nn.ModuleList([Block(4 * FEATURES, inputs, embed=not shared)]) for _ in range(3))
        if attention:
            self.blocks[1].append(Attention(4 * FEATURES))
        self.output_layer = nn.Sequential(Norm(4 * FEATURES), nn.ReLU(), Conv(4 * FEATURES, 3, 3, padding=1))

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        first, *parts = z.split(LATENT, dim=1)
        y = self.shared(label) if hasattr(self, "shared") else label
        image = self.linear(first).reshape(len(z), -1, 4, 4)
        for number, block in enumerate(self.blocks):
            for layer in block:
                image = layer(image, torch.cat([y, parts[number]], dim=1) if parts else y)
        return self.output_layer(image).tanh()


@pytest.mark.parametrize(
    ("kind", "conditioning"),
    [
        ({"shared": True, "hierarchical": True, "attention": True}, "hierarchical"),
        ({"shared": True, "hierarchical": False, "attention": False}, "shared"),
        ({"shared": False, "hierarchical": False, "attention": True}, "separate"),
    ],
)
def test_a_published_file_gives_the_images_of_its_network(
    kind: dict[str, bool], conditioning: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    published = Published(**kind).eval()
    torch.save(published.state_dict(), tmp_path / "G_ema.pth")
    generator = interop.load_published(tmp_path / "G_ema.pth")
    z, label = torch.randn(4, LATENT * published.parts), torch.tensor([0, 1, 2, 0])
    with torch.no_grad():
        expected = published(z, label)
        torch.testing.assert_close(generator(z, label), expected, rtol=1e-4, atol=1e-5)
    assert expected.std() > 0.1 and expected.abs().mean() < 0.95, "and there is something to compare"
    assert generator.spec["conditioning"] == conditioning and generator.spec["attention"] == 16 * kind["attention"]
    assert not any("parametrizations" in key for key in generator.state_dict())


def test_a_damaged_file_is_refused_with_the_key(tmp_path: Path) -> None:
    state = Published(shared=True, hierarchical=True, attention=False).state_dict()
    del state["blocks.1.0.conv2.bias"]
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"x\.pth: lacks or has too many tensors, such as blocks\.1\.conv2\.bias"):
        interop.load_published(tmp_path / "x.pth")
