"""What a training step changes: weights, optimisers, averaged generators, and the number of steps."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from typing import Any, cast

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from i2i.devices import preserve_random_state
from i2i.methods.base import Method
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.layers import set_test_time
from i2i.networks.product import Product
from i2i.recipe import Recipe
from i2i.training.accumulation import accumulated_step
from i2i.training.distributed import SINGLE_PROCESS, World
from i2i.training.ema import moving_average
from i2i.training.update import TrainingUpdate


class TrainState:
    """A method on its device with its optimisers and its averaged generators (EMA), after `step` steps.

    All ranks begin with rank 0's weights.
    """

    def __init__(
        self,
        method: Method,
        recipe: Recipe,
        schedule: Callable[[int, int], float],
        device: torch.device,
        world: World = SINGLE_PROCESS,
    ) -> None:
        self.options = recipe.train
        self.method, self.device, self.step = method.to(device), device, 0
        world.broadcast([*method.parameters(), *method.buffers()])
        if self.options.channels_last:
            self.method.to(memory_format=torch.channels_last)
        averaging = moving_average(self.options.ema, warmup=self.options.ema_warmup, steps=self.options.steps)
        self._averages = {
            name: AveragedModel(product, multi_avg_fn=averaging, use_buffers=True)
            for name, product in (method.products() if self.options.ema else {}).items()
        }
        self._schedule = schedule
        self.update = TrainingUpdate(method.players(), recipe.optimizer, clip_norm=self.options.clip_norm, world=world)
        if self.options.compile:
            for network in method.children():
                if isinstance(network, Product | Discriminator):
                    network.compile()

    def take_step(self, batch: Any, *, with_norms: bool = False) -> None:
        """One training step on a batch that is on the device; `update.terms` holds its losses afterwards."""
        steps = self.options.steps
        self.update.begin_step(
            self.step, self._schedule(self.step, steps), progress=self.step / steps, with_norms=with_norms
        )
        self.method.train()
        with self._autocast():
            if self.options.accumulate > 1:
                accumulated_step(self.method, batch, self.update, self.options.accumulate)
            else:
                self.method.training_step(batch, self.update)
        self.step += 1
        products = self.method.products()
        for name, average in self._averages.items():
            average.update_parameters(products[name])

    def products(self) -> Mapping[str, Product]:
        """The networks to save and to use: the averaged ones where there are some."""
        averages = {name: cast(Product, average.module) for name, average in self._averages.items()}
        return averages or self.method.products()

    def test_products(self) -> dict[str, nn.Module]:
        """Copies of `products` as they run after training; using them leaves the run as it is."""
        return {
            name: set_test_time(deepcopy(product), self.method.test_time) for name, product in self.products().items()
        }

    @contextmanager
    def inference(self) -> Iterator[None]:
        """A context without gradients that draws nothing from the run's random generators."""
        with torch.no_grad(), preserve_random_state(self.device), self._autocast():
            yield

    def _autocast(self) -> AbstractContextManager[Any]:
        # Its cache would keep the weights of a player from before its update, in the same step.
        is_on = self.options.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=is_on, cache_enabled=False)

    def state_dict(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "method": self.method.state_dict(),
            "optimizers": self.update.state_dict(),
            "averages": {name: average.state_dict() for name, average in self._averages.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises RuntimeError, KeyError or ValueError where the state belongs to other networks."""
        self.method.load_state_dict(state["method"])
        self.update.load_state_dict(state["optimizers"])
        for name, average in self._averages.items():
            average.load_state_dict(state["averages"][name])
        self.step = state["step"]
