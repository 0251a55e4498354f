"""What holds for the training step and the measurements of every method."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor

from i2i import recipe, registry
from i2i.data.batch import Images, LabelledUnpaired, PairAndReal, Segmentation, is_image
from i2i.methods.base import Method
from i2i.recipe import components
from tests.vgg import write_vgg19
from tests.worlds import TINY

# Without dropout, which draws in the order of memory.
OPTIONS = {
    "cyclegan": ["method.generator.dropout=false"],
    "pix2pix": ["method.generator.dropout=false", "method.generator.norm=instance"],
    "gan": ["method.discriminator.dropout=0"],
    **{name: ["method.channels=3"] for name in ("biggan", "dcgan", "r3gan", "stylegan2", "wgan", "wgan-gp")},
}
METHODS = list(registry.methods)


class Gradients:
    """An update that takes no optimiser step and keeps the gradients of every call."""

    def __init__(self, method: Method) -> None:
        self.step, self.progress = 0, 0.3
        self.players = method.players()
        self.calls: list[tuple[str, dict[str, Tensor], list[Tensor | None]]] = []

    def __call__(self, player: str, **terms: Tensor) -> None:
        weights = list(self.players[player].parameters())
        gradients = torch.autograd.grad(torch.stack(list(terms.values())).sum(), weights, allow_unused=True)
        self.calls.append((player, {name: term.detach() for name, term in terms.items()}, list(gradients)))

    accumulate = __call__

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        return tensor


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Method]:
    vgg = write_vgg19(tmp_path_factory.mktemp("vgg") / "vgg19.safetensors", convolutions=3)
    perceptual = ["method.perceptual_weight=1", f"method.perceptual.weights={vgg}"]

    def build(name: str) -> Method:
        options = [*TINY[name], *OPTIONS.get(name, []), *(perceptual if name in ("esrgan", "real-esrgan") else [])]
        chosen = recipe.load(recipe.find(name), ["unused"], options)
        if "perceptual" in chosen.method:
            chosen.method["perceptual"]["layers"] = {"conv2_1": 1.0}
        torch.manual_seed(0)
        return components.build(registry.methods, chosen.method).double()

    return build


def make_batch(method: Method, count: int) -> Any:
    random = torch.Generator().manual_seed(0)

    def images(channels: int, size: int) -> Tensor:
        low, high = method.value_range
        return low + (high - low) * torch.rand(count, channels, size, size, generator=random, dtype=torch.float64)

    if method.batch is Images:
        return Images(images(method.channels, method.size), torch.arange(count) % max(method.classes, 1))
    if method.batch is Segmentation:
        labels = torch.randint(method.classes + 1, (count, 16, 20), generator=random, dtype=torch.uint8)
        labels[labels == method.classes] = 255
        return Segmentation(images(method.channels, 20)[:, :, :16], labels)
    a, b = method.channels
    fields = [images(a, 16), images(b, 16 * method.scale)]
    if method.batch is LabelledUnpaired:
        labels = torch.randint(method.classes, (2, count, 16, 16), generator=random, dtype=torch.uint8)
        return LabelledUnpaired(*fields, *labels)
    if method.batch is PairAndReal:
        fields.append(images(b, 24))
    return method.batch(*fields)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", METHODS)
def test_a_step_in_channels_last_has_the_gradients_of_the_contiguous_one(
    name: str, count: int, build: Callable[[str], Method], monkeypatch: pytest.MonkeyPatch
) -> None:
    method = build(name)
    batch, calls = make_batch(method, count), {}
    torch.set_default_dtype(torch.float64)  # of latents
    try:
        for layout in (torch.contiguous_format, torch.channels_last):
            copy = deepcopy(method).to(memory_format=layout)
            update = Gradients(copy)
            torch.manual_seed(0)
            copy.training_step(
                type(batch)(*(field.to(memory_format=layout) if is_image(field) else field for field in batch)), update
            )
            calls[layout] = update.calls
    finally:
        torch.set_default_dtype(torch.float32)
    for (player, terms, gradients), expected in zip(*calls.values(), strict=True):
        assert player == expected[0]
        torch.testing.assert_close(terms, expected[1], rtol=1e-9, atol=1e-12)
        assert any(gradient is not None and gradient.any() for gradient in gradients)
        for found, gradient in zip(gradients, expected[2], strict=True):
            torch.testing.assert_close(found, gradient, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_measuring_products_leaves_the_method_as_it_was(name: str, build: Callable[[str], Method]) -> None:
    method = build(name).float().train()
    before = deepcopy(method.state_dict())
    batch = make_batch(method, 1)
    held_out = 2 * [type(batch)(*(field.float() if is_image(field) else field for field in batch))]
    products = {product: deepcopy(network).eval() for product, network in method.products().items()}
    with torch.no_grad():
        score, rows = method.score(held_out, products), method.preview(held_out, products)
        outputs = deepcopy(method).eval().outputs(held_out, products)
    assert len(rows) == 2
    # Where a translation has neither a target nor a way back, nothing is compared.
    assert (score is None) == (name in ("cut", "sim2real")) and (score is None or score > 0)
    assert list(outputs) == ([] if method.batch is Segmentation else list(products))
    for each in outputs.values():
        assert [fake.shape for fake in each.fake] == [real.shape for real in each.real]
    torch.testing.assert_close(method.state_dict(), before, rtol=0, atol=0)
