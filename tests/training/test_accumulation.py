"""A step on micro-batches is the step on their batch, for methods whose losses depend on earlier updates, too."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i import recipe, registry
from i2i.data.batch import Images, LabelledUnpaired, Pair, PairAndReal, Segmentation
from i2i.methods.base import Method
from i2i.methods.generation import Generation
from i2i.recipe import Optimizer, components
from i2i.training import run
from i2i.training.accumulation import accumulated_step
from i2i.training.update import TrainingUpdate
from tests.training.test_resume import assert_equal
from tests.worlds import TINY, overrides, tiny_recipe, tiny_world

BATCH, STEPS = 4, 3
SGD = Optimizer(name="sgd", lr=1e-2, momentum=0.9)  # Adam makes steps of rounding errors where a gradient is zero
# Each image is by itself: no batch norm, no comparison of images, no random numbers for a whole batch.
SEPARABLE = {
    "pix2pix": [
        *("method.generator.norm=instance", "method.generator.dropout=false"),
        "method.discriminator.norm=instance",
    ],
    "cyclegan": ["method.history=0"],
    "esrgan": ["method.adversarial=vanilla", "method.discriminator.norm=instance"],
    "dcgan": ["method.generator.norm=none", "method.discriminator.norm=none", "method.r1_weight=1"],
    "wgan-gp": ["method.generator.norm=none"],
}


def build(name: str, *more: str) -> Method:
    chosen = recipe.load(recipe.find(name), ["unused"], overrides(name, *more))
    torch.manual_seed(0)
    return components.build(registry.methods, chosen.method).train()


def batch_of(method: Method) -> Any:
    """Four random samples; labels are their numbers."""
    generator = torch.Generator().manual_seed(1)
    shape = (BATCH, *((method.channels, method.size, method.size) if isinstance(method, Generation) else (3, 16, 16)))
    first, second = (torch.rand(shape, generator=generator) for _ in range(2))
    if isinstance(method, Generation):
        return Images(first, torch.arange(BATCH))
    if method.batch is Segmentation:
        return Segmentation(first, (second[:, 0] * 8).byte())
    if method.batch is LabelledUnpaired:
        labels = (torch.stack([first[:, 0], second[:, 0]]) * 8).byte()
        return LabelledUnpaired(first, second, *labels)
    scale = getattr(method, "scale", 1)
    fields = [first, second.repeat(1, 1, scale, scale)]
    return method.batch(*fields, *([second] if method.batch is PairAndReal else []))


def latents(label: Tensor) -> Tensor:
    return torch.randn(BATCH, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)[label]


def train(method: Method, batch: Any, micro_batches: int, options: Optimizer) -> list[dict[str, Tensor]]:
    """The terms of three steps; 0 micro-batches: by `training_step` alone."""
    update, logged = TrainingUpdate(method.players(), options, clip_norm=0.5), []
    for step in range(STEPS):
        update.begin_step(step, 1.0)
        if micro_batches:
            accumulated_step(method, batch, update, micro_batches)
        else:
            method.training_step(batch, update)
        logged.append(update.terms)
    return logged


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("name", SEPARABLE)
def test_micro_batches_give_the_step_of_the_whole_batch(name: str, parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    method = build(name, *SEPARABLE[name]).double()
    if isinstance(method, Generation):
        method.draw_latents = latents
    batch = type(batch_of(method))(*(f.double() if f.is_floating_point() else f for f in batch_of(method)))
    monkeypatch.setattr(torch, "rand", lambda *size, **options: torch.full(size, 0.3, **options))
    whole, split = deepcopy(method), deepcopy(method)
    expected, found = train(whole, batch, 0, SGD), train(split, batch, parts, SGD)
    assert not torch.equal(next(method.parameters()), next(whole.parameters()))
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(split.state_dict()[name], weight, rtol=0, atol=1e-11, msg=name)
    for ours, theirs in zip(found, expected, strict=True):
        assert {key: float(value) for key, value in ours.items()} == pytest.approx(
            {key: float(value) for key, value in theirs.items()}, rel=1e-9
        )


@pytest.mark.parametrize("name", TINY)
def test_one_micro_batch_is_the_plain_step_to_the_bit(name: str) -> None:
    """With batch norm, dropout, pools, lazy penalties and ADA: whatever a step depends on."""
    more = {
        "stylegan2": ["method.augment=ada"],
        "real-esrnet": ["method.pool=8"],
        "real-esrgan": ["method.pool=8"],
        "real-span": ["method.pool=8"],
    }
    plain, replayed = (build(name, *more.get(name, [])) for _ in range(2))
    batch, states = batch_of(plain), []
    for method, parts in ((plain, 0), (replayed, 1)):
        torch.manual_seed(3)
        terms = train(method, batch, parts, Optimizer(lr=1e-2))
        states.append((method.state_dict(), terms, torch.get_rng_state()))
    assert_equal(*states)


class Moody(nn.Module):
    """Makes other updates at every call."""

    def __init__(self, players: Iterator[list[str]]) -> None:
        super().__init__()
        self.a, self.b, self._players = nn.Linear(1, 1), nn.Linear(1, 1), players

    def players(self) -> dict[str, nn.Module]:
        return {"a": self.a, "b": self.b}

    def training_step(self, batch: Pair, update: Any) -> None:
        for player in next(self._players):
            update(player, loss=getattr(self, player)(batch.source).sum())


@pytest.mark.parametrize("second", [["b", "a"], ["a"], ["a", "b", "a"]])
def test_updates_that_differ_between_micro_batches_are_refused(second: list[str]) -> None:
    method: Any = Moody(iter([["a", "b"], second]))
    update = TrainingUpdate(method.players(), Optimizer())
    with pytest.raises(ValueError, match=r"train\.accumulate: .* updates were those of a, b; set it to 1"):
        accumulated_step(method, Pair(torch.ones(2, 1), torch.ones(2, 1)), update, 2)


def test_accumulated_gradients_wait_for_the_update_of_their_player() -> None:
    update = TrainingUpdate({"a": nn.Linear(1, 1), "b": (other := nn.Linear(1, 1))}, Optimizer())
    update.accumulate("a", loss=sum(parameter.sum() for parameter in update.parameters["a"]))
    with pytest.raises(ValueError, match="accumulated gradients of a wait for its update, not for b's"):
        update("b", loss=other.weight.sum())


def test_a_batch_that_does_not_split_is_refused(tmp_path: Path) -> None:
    chosen = tiny_recipe("pix2pix", tiny_world(tmp_path / "world"), "train.batch_size=6", "train.accumulate=4")
    with pytest.raises(ValueError, match=r"accumulate = 4: a process has 6 images a step; choose from: 1, 2, 3, 6"):
        run.train(chosen, tmp_path / "run")
