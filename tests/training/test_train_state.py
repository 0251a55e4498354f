"""What a step does besides the method's own arithmetic: schedule, clipping, precision, layout, compiling, averaging."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i.data.batch import Images
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.generators.base import Generator
from i2i.recipe import Recipe
from i2i.recipe.sections import Warmup
from i2i.training.ema import decay_at
from i2i.training.schedules import Constant
from i2i.training.train_state import TrainState

CPU = torch.device("cpu")
BATCH = Images(torch.ones(1, 2, 3, 3), torch.zeros(1, dtype=torch.int64))


class Sum(Generator):
    """Convolution whose mean output has a gradient of 1 for its one weight, which begins with 0."""

    def __init__(self, channels: int = 1, kernel: int = 1) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels, 1, kernel, bias=False)
        nn.init.zeros_(self.layer.weight)

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image)


class Falling(nn.Module):
    """A method that lowers the weights of its generator along a constant gradient."""

    test_time = "eval"

    def __init__(self, channels: int = 1, kernel: int = 1) -> None:
        super().__init__()
        self.generator, self.seen = Sum(channels, kernel), torch.empty(0)

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator}

    def products(self) -> dict[str, nn.Module]:
        return {"generator": self.generator}

    def training_step(self, batch: Images, update: Any) -> None:
        output = self.generator(batch.image[:, : self.generator.layer.in_channels])
        self.seen = output.detach()
        update("generator", loss=output.mean())


def state(method: nn.Module, schedule: Any = None, **train: Any) -> TrainState:
    """A train state with an SGD of rate 1, for 4 steps."""
    table = {"method": {}, "schedule": {}, "optimizer": {"name": "sgd", "lr": 1.0}, "train": {"steps": 4, **train}}
    return TrainState(method, Recipe.model_validate(table), schedule or Constant(), CPU)  # type: ignore[arg-type]


def weights(trained: TrainState, steps: int) -> list[float]:
    """The generator's weight after each step."""
    found = []
    for _ in range(steps):
        trained.take_step(BATCH)
        found.append(float(trained.method.generator.layer.weight.detach()))
    return found


def test_the_schedule_scales_the_rate_of_every_step() -> None:
    assert weights(state(Falling(), lambda step, steps: 1 - step / steps), 4) == [-1, -1.75, -2.25, -2.5]


def test_gradients_are_clipped_after_their_norm_is_logged() -> None:
    trained = state(Falling(), clip_norm=0.25)
    assert weights(trained, 2) == pytest.approx([-0.25, -0.5], rel=1e-5)
    trained.take_step(BATCH, with_norms=True)
    assert float(trained.update.norms["generator.gradient_norm"]) == pytest.approx(1)


@pytest.mark.parametrize(("precision", "dtype"), [("bfloat16", torch.bfloat16), ("float32", torch.float32)])
def test_forward_passes_have_the_precision_of_the_recipe_and_weights_do_not(precision: str, dtype: torch.dtype) -> None:
    trained = state(Falling(), precision=precision)
    trained.take_step(BATCH)
    assert trained.method.seen.dtype == dtype and trained.method.generator.layer.weight.dtype == torch.float32


def test_in_bfloat16_a_loss_sees_the_weights_after_an_earlier_update() -> None:
    """Autocast keeps converted weights, unless it is told not to."""

    class Twice(Falling):
        def training_step(self, batch: Images, update: Any) -> None:
            super().training_step(batch, update)
            self.seen = self.generator(batch.image[:, :1]).detach()

    trained = state(Twice(), precision="bfloat16")
    trained.take_step(BATCH)
    assert bool((trained.method.seen == -1).all())


def test_weights_are_channels_last_if_the_recipe_says_so() -> None:
    for is_on in (True, False):
        weight = state(Falling(channels=2, kernel=3), channels_last=is_on).method.generator.layer.weight
        assert weight.is_contiguous(memory_format=torch.channels_last) == is_on


def test_networks_are_compiled_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled.append(module))

    class Judged(Falling):
        def __init__(self) -> None:
            super().__init__()
            self.judge, self.pool = Discriminator(), nn.Identity()  # type: ignore[abstract]

    method = Judged()
    state(method)
    assert compiled == []
    state(method, compile=True)
    assert compiled == [method.generator, method.judge]


def test_half_lives_of_averages_grow_as_published() -> None:
    def half_life(step: int, warmup: Warmup) -> float:  # in steps
        decay = decay_at(step, 0.5 ** (1 / 100), warmup=warmup, steps=10_000)
        return math.log(0.5) / math.log(decay) if decay else 0.0

    assert [half_life(step, "cosine") for step in (0, 5000, 10_000)] == pytest.approx([0, 50, 100])
    assert [half_life(step, "proportional") for step in (0, 40, 2000, 9999)] == pytest.approx([0, 2, 100, 100])


@pytest.mark.parametrize(("decay", "warmup"), [(0.2, True), (0.999, True), (0.999, False)])
def test_ema_has_its_decay_or_warms_up_to_it(decay: float, warmup: bool) -> None:
    trained = state(Falling(), ema=decay, ema_warmup=warmup)
    average = None
    for step, weight in enumerate(weights(trained, 4)):
        rate = min(decay, (1 + step) / (10 + step)) if warmup else decay
        average = weight if average is None else rate * average + (1 - rate) * weight
    assert float(trained.products()["generator"].layer.weight.detach()) == pytest.approx(average)
    assert trained.method.generator.layer.weight.item() == -4, "which trains on by itself"
