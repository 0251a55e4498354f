"""When things happen in a run: steps, logs, samples, checkpoints, and the end; it knows no paper."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from i2i import __version__
from i2i.checkpoints import run as checkpoint
from i2i.data.batch import is_image, to_device
from i2i.devices import kept_random_numbers
from i2i.methods.base import Method
from i2i.networks.discriminators.base import Discriminator
from i2i.networks.generators.base import Generator
from i2i.networks.layers import set_test_time
from i2i.recipe import Recipe
from i2i.training.collapse import Collapsed, CollapseWatch
from i2i.training.distributed import ALONE, Processes
from i2i.training.ema import moving_average
from i2i.training.evaluation import Evaluation
from i2i.training.log import Log
from i2i.training.meter import Meter
from i2i.training.rank_state import load_own_state, own_state
from i2i.training.reporter import Progress, Watch
from i2i.training.sheet import draw_sheet
from i2i.training.update import TrainingUpdate
from i2i_runtime import images


class Interrupted(Exception):
    """The run was asked to stop; it has saved where it was."""


class Trainer:
    """Takes a method from step `self.step` to the last one. `state` and `load_state` carry all that the next step
    depends on.
    """

    def __init__(
        self,
        method: Method,
        recipe: Recipe,
        schedule: Callable[[int, int], float],
        held_out: Iterable[Any],
        run: Path,
        device: torch.device,
        augmentation: Callable[[Any], Any] | None = None,
        degradation: Callable[[Any], Any] | None = None,
        evaluation: Evaluation | None = None,
        processes: Processes = ALONE,
    ) -> None:
        self.method, self._processes = method.to(device), processes
        processes.follow_first([*method.parameters(), *method.buffers()])
        self.recipe, self.options, self.run, self.device = recipe, recipe.train, run, device
        self.step, self.best, self._saved = 0, float("inf"), -1
        self._schedule = schedule
        self._preparations = [each for each in (augmentation, degradation) if each]
        self._held_out = [to_device(batch, device) for batch in held_out]
        self._collapse, self._evaluation = CollapseWatch(recipe.collapse), evaluation
        if self.options.channels_last:
            self.method.to(memory_format=torch.channels_last)
        averaging = moving_average(self.options.ema)
        self._averages = {
            name: AveragedModel(product, multi_avg_fn=averaging, use_buffers=True)
            for name, product in (method.products() if self.options.ema else {}).items()
        }
        self._update = TrainingUpdate(
            method.players(), recipe.optimizer, clip_norm=self.options.clip_norm, processes=processes
        )
        if self.options.compile:
            for network in method.children():
                if isinstance(network, Generator | Discriminator):
                    network.compile()

    def fit(self, batches: Iterator[Any], watch: Watch, stop: Callable[[], bool] = lambda: False) -> None:
        """Train to the last step. Raises Interrupted, after saving, once `stop()` holds, and NotFinite where a loss is
        no number.
        """
        log = Log(self.run if self._processes.is_first else None, self.step)
        meter = Meter()
        try:
            while self.step < self.options.steps:
                self._update.norms = {} if self._logs(self.step + 1) else None
                self._train_step(next(batches))
                meter.add(self._update.terms)
                progress = Progress(self.step, self.options.steps, self.options.batch_size, meter.rate(), meter.means)
                watch.progress(progress)
                self._record(log, watch, meter, progress)
                if self._processes.any(stop()):
                    self.save(log, watch)
                    raise Interrupted
        finally:
            log.close()

    def _train_step(self, batch: Any) -> None:
        self._update.step, self._update.terms = self.step, {}
        for player, optimizer in self._update.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = self.recipe.optimizer.lr_of(player) * self._schedule(self.step, self.options.steps)
        batch = self._prepared(batch)
        self.method.check_size(*(field.shape[-2:] for field in batch if is_image(field)))
        self.method.train()
        with self._autocast():
            self.method.training_step(batch, self._update)
        self.step += 1
        products = self.method.products()
        for name, average in self._averages.items():
            average.update_parameters(products[name])

    def _prepared(self, batch: Any) -> Any:
        """As the method takes it: on the device, augmented, degraded, in the networks' memory layout."""
        batch = to_device(batch, self.device)
        for prepare in self._preparations:
            batch = prepare(batch)
        layout = torch.channels_last if self.options.channels_last else torch.preserve_format
        return type(batch)(*(each.to(memory_format=layout) if is_image(each) else each for each in batch))

    def _record(self, log: Log, watch: Watch, meter: Meter, progress: Progress) -> None:
        options, last = self.options, self.step == self.options.steps
        if self._logs(self.step):
            norms, more = self._update.norms or {}, self.method.observed()
            values = meter.means() | {name: float(each) for name, each in {**norms, **more}.items()}
            log.losses(self.step, {"images_per_second": progress.images_per_second, **values})
            meter.restart()
        if self._collapse.options.every and self.step % self._collapse.options.every == 0:
            self._look(log, watch)
            meter.restart_clock()
        if self._evaluation and (self.step % self.recipe.evaluate.every == 0 or last):
            self._evaluate(self._evaluation, log, watch)
            meter.restart_clock()
        if self.step % options.sample_every == 0 or last:
            self.sample(log)
            meter.restart_clock()
        if self.step % options.checkpoint_every == 0 or last:
            self.save(log, watch)
            meter.restart_clock()

    def _logs(self, step: int) -> bool:
        return step % self.options.log_every == 0 or step == self.options.steps

    def _look(self, log: Log, watch: Watch) -> None:
        """Measure the diversity of what the products make. Raises Collapsed, after saving, where the run is to stop."""
        warnings: list[str] = []
        if self._processes.is_first:
            products = self._test_products()
            self.method.eval()
            with self._untouched():
                values, warnings = self._collapse.look(self.step, self.method.outputs(self._held_out, products))
            log.diversity(self.step, values)
        for warning in warnings:
            watch.say(f"warning: {warning}")
        if self._collapse.options.stop and self._processes.any(bool(warnings)):
            self.save(log, watch)
            raise Collapsed(next(iter(warnings), "what is made has collapsed"))

    def _evaluate(self, evaluation: Evaluation, log: Log, watch: Watch) -> None:
        """Measure what the products make of held-out images; save them where they are the best so far."""
        products = self._test_products()
        self._processes.follow_first([buffer for product in products.values() for buffer in product.buffers()])
        self.method.eval()
        with self._untouched():
            measured = evaluation.measure(self.method, products, watch.say)
        log.metrics(self.step, measured.values)
        watch.say(f"step {self.step}: {measured.sentence()}")
        if self._processes.any(measured.badness < self.best):
            self.best = measured.badness
            self.save(log, watch, best=True)

    def sample(self, log: Log) -> None:
        """Write `samples/STEP.png`: what the products make of the held-out images."""
        if not self._processes.is_first:
            return
        products = self._test_products()
        with self._untouched():
            rows = self.method.preview(self._held_out[: self.options.samples], products)
        sheet = draw_sheet(rows, self.method.value_range)
        images.write(self.run / "samples" / f"{self.step:08d}.png", sheet)
        log.sheet(self.step, torch.from_numpy(sheet).permute(2, 0, 1))

    def save(self, log: Log, watch: Watch, *, best: bool = False) -> None:
        """Score the products, write a checkpoint, and drop the oldest. It is the best one by its score, by being the
        latest where the method has no score, or, where a metric decides, if it is saved as `best`.
        """
        if self.step == self._saved:
            return
        self._saved = self.step
        if not self._processes.is_first:
            self.state()  # the first one waits for a part of it
            return
        products = self._test_products()
        with self._untouched():
            error = self.method.score(self._held_out, products)
        score = None if error is None else float(error)
        better = best if self.recipe.evaluate.decides else score is None or score < self.best
        if better and score is not None and not self.recipe.evaluate.decides:
            self.best = score
        facts = {"recipe": self.recipe.toml(), "test_time": self.method.test_time, "version": __version__}
        saved = checkpoint.save(self.run, self.step, self.state(), self._kept_products(), facts)
        if score is not None:
            log.score(self.step, score)
        if better:
            checkpoint.point(self.run / "best", saved)
        checkpoint.prune(saved, self.options.keep)
        found = "" if score is None else f" (held-out score {score:.4f}{', the best so far' if better else ''})"
        watch.say(f"step {self.step}: saved {saved}{found}")

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on; whole in the first process, to which the others give theirs."""
        return {
            "step": self.step,
            "best": self.best,
            "best_by": self.recipe.evaluate.decides,
            "method": self.method.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self._update.optimizers.items()},
            "averages": {name: average.state_dict() for name, average in self._averages.items()},
            "collapse": self._collapse.state(),
            **own_state(self.method, self.device, self._processes),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`. Raises ValueError where it belongs to other networks than the recipe's."""
        try:
            self.method.load_state_dict(state["method"])
            for name, optimizer in self._update.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
            for name, average in self._averages.items():
                average.load_state_dict(state["averages"][name])
            seed = self.options.seed + state["step"]
            load_own_state(state, self.method, self.device, self._processes, seed=seed)
        except (RuntimeError, KeyError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            name = self.recipe.method["name"]
            raise ValueError(f"the checkpoint does not fit {name!r} as its recipe describes it: {reason}") from None
        self.step = state["step"]
        # What was the best by another measure says nothing.
        self.best = state["best"] if state.get("best_by", "") == self.recipe.evaluate.decides else float("inf")
        if "collapse" in state:
            self._collapse.load_state(state["collapse"])

    def _kept_products(self) -> Mapping[str, Generator]:
        # The average is what is used, so it is what is kept; the weights of the last step stay in the state.
        averages = {name: cast(Generator, average.module) for name, average in self._averages.items()}
        return averages or self.method.products()

    def _test_products(self) -> dict[str, nn.Module]:
        """Copies of the products as they run after training, so that looking at them changes nothing."""
        return {
            name: set_test_time(deepcopy(product), self.method.test_time)
            for name, product in self._kept_products().items()
        }

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.precision == "bfloat16")

    @contextmanager
    def _untouched(self) -> Iterator[None]:
        """For looking at products: no gradients, and nothing drawn from the run's random numbers."""
        with torch.no_grad(), kept_random_numbers(self.device), self._autocast():
            yield
