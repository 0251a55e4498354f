"""A published file with any one tensor of another shape or kind is refused in a sentence, whichever layout it has."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

from i2i import interop
from i2i.registry import generators
from tests import published
from tests.interop import test_biggan, test_biggan_deep, test_stylegan2, test_stylegan2_lucidrains

State = dict[str, Tensor]
LAYOUTS: dict[str, Callable[[], State]] = {
    "ResNet": lambda: published.published_resnet(blocks=1, norm="batch"),
    "U-Net": lambda: published.published_unet(depth=5, norm="batch"),
    "RRDB": lambda: published.published_rrdb()[1],
    "SRVGG": lambda: published.published_srvgg(convolutions=2)[1],
    "SPAN": lambda: interop.publish(generators["span"](features=8)),
    "PLKSR": lambda: interop.publish(generators["plksr"](features=8, blocks=1)),
    "BigGAN": lambda: test_biggan.Published(shared=True, hierarchical=True, attention=True).state_dict(),
    "BigGAN-deep": lambda: test_biggan_deep.published(attention=True),
    "StyleGAN2": lambda: interop.publish(test_stylegan2.generator_of()),
    "StyleGAN2 of lucidrains": test_stylegan2_lucidrains.published,
}
STRANGE: list[Callable[[Tensor], Tensor]] = [
    lambda tensor: torch.tensor(0.5),
    lambda tensor: tensor.new_zeros((0, *tensor.shape[1:])),
    lambda tensor: torch.zeros(tensor.shape, dtype=torch.int64),
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tensor_of_another_shape_or_kind_is_refused_in_a_sentence(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    state = {key: tensor.detach() for key, tensor in LAYOUTS[layout]().items()}
    file = tmp_path / "x.pth"
    torch.save(state, file)
    interop.load_published(file)
    refused, keys = 0, [*state]
    for key, change in product(keys[:20] + keys[-5:], STRANGE):
        damaged = state | {key: change(state[key])}
        monkeypatch.setattr(interop, "read", lambda _, found=damaged: found)
        try:
            interop.load_published(file)
        except ValueError as error:
            assert str(error).startswith(f"{file}: ")
            refused += 1
    assert refused > 25
