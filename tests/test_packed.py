"""Layers with packed weights give what they give without, whatever the sizes; what cannot be packed is left alone."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from i2i import packed
from i2i.checkpoints.card import card_of
from i2i.inference import Translator
from i2i.networks.generators.unet import UnetGenerator
from i2i.packed import PackedWeights

LAYERS = {
    "3x3": lambda: nn.Conv2d(16, 24, 3, padding=1),
    "4x4, stride 2": lambda: nn.Conv2d(16, 24, 4, stride=2, padding=1, bias=False),
    "dilated": lambda: nn.Conv2d(16, 24, 3, padding=(2, 1), dilation=(2, 1)),
    "transposed": lambda: nn.ConvTranspose2d(16, 24, 4, stride=2, padding=1),
    "transposed, 3x3": lambda: nn.ConvTranspose2d(16, 24, 3, stride=2, padding=1, output_padding=1, bias=False),
}


@pytest.fixture
def packing(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts how often weights are laid out."""
    if not packed.can_pack():
        pytest.skip("this build of PyTorch has no oneDNN, or another one")
    calls, pack = [], packed.pack
    monkeypatch.setattr(packed, "pack", lambda *arguments: calls.append(1) or pack(*arguments))
    return calls


def images(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_gives_the_same_for_any_batch_and_size(packing: list[int], name: str, layout) -> None:
    torch.manual_seed(0)
    layer, mode = LAYERS[name]().to(memory_format=layout), PackedWeights()
    for shape in ((1, 16, 4, 5), (3, 16, 4, 5), (1, 16, 9, 7), (1, 16, 4, 5)):
        image = images(*shape).to(memory_format=layout)
        with torch.inference_mode(), mode:
            found = layer(image)
        torch.testing.assert_close(found, layer(image).detach(), rtol=1e-5, atol=1e-5)
    assert len(packing) == 1  # for all sizes


def test_weights_that_change_are_packed_anew(packing: list[int]) -> None:
    layer, mode, image = nn.Conv2d(16, 24, 3), PackedWeights(), images(1, 16, 4, 5)
    for _ in range(2):
        with torch.inference_mode(), mode:
            found = layer(image)
        torch.testing.assert_close(found, layer(image).detach(), rtol=1e-5, atol=1e-5)
        with torch.no_grad():
            layer.weight.mul_(2)
    assert len(packing) == 2


@pytest.mark.parametrize("case", ["gradients", "groups", "large image", "float64", "same", "computed", "autocast"])
def test_everything_else_is_done_as_always(packing: list[int], case: str) -> None:
    torch.manual_seed(0)
    layer = {
        "groups": lambda: nn.Conv2d(16, 32, 3, groups=2),
        "same": lambda: nn.Conv2d(16, 24, 3, padding="same"),
        "computed": lambda: parametrizations.spectral_norm(nn.Conv2d(16, 24, 3)).eval(),
    }.get(case, LAYERS["3x3"])()
    image = images(1, 16, 32, 32) if case == "large image" else images(1, 16, 4, 5)
    if case == "float64":
        layer, image = layer.double(), image.double()
    with torch.set_grad_enabled(case == "gradients"), torch.autocast("cpu", enabled=case == "autocast"):
        expected = layer(image)
        with PackedWeights():
            found = layer(image)
            by_name = F.conv2d(image, layer.weight, bias=layer.bias, groups=getattr(layer, "groups", 1))
    assert torch.equal(found, expected) and found.dtype == expected.dtype and not packing
    assert by_name.shape[1] == found.shape[1]


def test_threads_share_what_is_packed(packing: list[int]) -> None:
    torch.manual_seed(0)
    generator = UnetGenerator(features=16, depth=4, dropout=False).eval()
    translator = Translator(generator, card_of(generator, {"product": "generator"}))
    batches = [images(1, 3, 16, 16 * (1 + index % 2)).sigmoid().numpy() for index in range(16)]
    with torch.no_grad():
        expected = [(generator(torch.from_numpy(batch) * 2 - 1).numpy() + 1) / 2 for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(translator.network, batches))
    assert packing
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("error", [AttributeError, RuntimeError, TypeError])
def test_a_pytorch_without_the_operators_is_left_alone(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def missing(*_):
        raise error("no such operator")

    monkeypatch.setattr(packed, "convolve", missing)
    monkeypatch.setattr(packed, "can_pack", packed.can_pack.__wrapped__)
    layer, image = nn.Conv2d(16, 24, 3), images(1, 16, 4, 5)
    expected = layer(image)
    with torch.no_grad(), PackedWeights():
        assert torch.equal(layer(image), expected)
