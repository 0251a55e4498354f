"""When things happen in a run: steps, logs, measurements, samples, checkpoints, and the end. It knows no paper."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from i2i import __version__
from i2i.checkpoints import run as checkpoint
from i2i.data.batch import image_sizes, is_image, to_device
from i2i.recipe import Recipe
from i2i.training.collapse import Collapsed, CollapseDetector
from i2i.training.context import Interrupted, RunContext
from i2i.training.evaluation import Evaluation
from i2i.training.log import Log
from i2i.training.meter import AverageMeter
from i2i.training.rank_state import gather_rank_states, load_rank_state
from i2i.training.reporter import Progress
from i2i.training.sheet import draw_sheet
from i2i.training.train_state import TrainState
from i2i_runtime import images


class Trainer:
    """Takes a train state to the last step of its recipe, and writes logs, samples and checkpoints to `folder`.

    `preparations` are what is done to a batch on the device: augmentation, degradation.
    """

    def __init__(
        self,
        state: TrainState,
        recipe: Recipe,
        folder: Path,
        held_out: Iterable[Any],
        context: RunContext,
        *,
        preparations: Sequence[Callable[[Any], Any]] = (),
        evaluation: Evaluation | None = None,
        product_facts: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> None:
        self.state, self.recipe, self.options, self.folder, self.context = state, recipe, recipe.train, folder, context
        self.best, self._saved = float("inf"), -1
        self._best_step: int | None = None
        self._preparations, self._product_facts = preparations, product_facts
        self._held_out = [to_device(batch, context.device) for batch in held_out]
        self._collapse, self._evaluation = CollapseDetector(recipe.collapse), evaluation
        self._meter = AverageMeter()
        self._has_warned_of_idle_players = False

    def fit(self, batches: Iterator[Any], log: Log) -> None:
        """Train to the last step. Raises Interrupted, after saving, once the context says stop; NotFinite where a loss
        is no number; Collapsed where the recipe ends a run for that.
        """
        self._meter.reset()
        while self.state.step < self.options.steps:
            with_norms = self._happens(self.options.log_every, self.state.step + 1)
            self.state.take_step(self._prepare(next(batches)), with_norms=with_norms)
            self._meter.add(self.state.update.terms)
            self._after_step(log)
            if self.context.world.any_rank(self.context.stop()):
                self.save(log)
                raise Interrupted(str(self.context.run))

    def _prepare(self, batch: Any) -> Any:
        """Move a batch to the device, augment and degrade it, lay it out as the networks are. Raises ValueError for
        images of a size that the networks cannot take.
        """
        batch = to_device(batch, self.context.device)
        for prepare in self._preparations:
            batch = prepare(batch)
        self.state.method.check_size(*image_sizes(batch))
        layout = torch.channels_last if self.options.channels_last else torch.preserve_format
        return type(batch)(*(each.to(memory_format=layout) if is_image(each) else each for each in batch))

    def _happens(self, every: int, step: int) -> bool:
        """Whether an event of every `every` steps, and of the last step, happens after `step` steps."""
        return step % every == 0 or step == self.options.steps

    def _after_step(self, log: Log) -> None:
        options, collapse, step = self.options, self.recipe.collapse, self.state.step
        rate = self._meter.steps_per_second()
        progress = Progress(step, options.steps, options.batch_size, rate, self._meter.means)
        self.context.reporter.progress(progress)
        events: list[tuple[bool, Callable[[Log], None]]] = [
            (self._happens(options.log_every, step), partial(self._log_losses, progress=progress)),
            (bool(collapse.every) and step % collapse.every == 0, self._check_collapse),
            (self._happens(options.sample_every, step), self.sample),  # before what saves: a resume does not draw it
            (self._evaluation is not None and self._happens(self.recipe.evaluate.every, step), self._evaluate),
            (self._happens(options.checkpoint_every, step), self.save),
        ]
        happening = [event for happens, event in events if happens]
        if happening:
            self.state.update.check_finite()
        for event in happening:
            event(log)
            self._meter.reset_clock()

    def _log_losses(self, log: Log, progress: Progress) -> None:
        self._warn_of_idle_players(progress.step)
        more: dict[str, Any] = {
            **self.state.update.norms,
            **self.state.update.learning_rates(),
            **self.state.method.observed(),
        }
        values = self._meter.means() | {name: float(each) for name, each in more.items()}
        log.losses(progress.step, {"images_per_second": progress.images_per_second, **values})
        self._meter.reset()

    def _warn_of_idle_players(self, step: int) -> None:
        """Warn once of players without any update that did not rest in the last step."""
        idle = sorted(self.state.update.idle_players.difference(self.state.method.resting(step - 1)))
        if idle and not self._has_warned_of_idle_players:
            self._has_warned_of_idle_players = True
            self.context.reporter.notify(
                f"warning: no update of {', '.join(idle)} in the steps to {step}, which is meant only where `resting` "
                "of the method names them"
            )

    def _check_collapse(self, log: Log) -> None:
        """Collective: measure the diversity of outputs. Raises Collapsed, after saving, where the run is to stop."""
        warnings: list[str] = []
        if self.context.world.is_main:
            products = self.state.test_products()
            self.state.method.eval()
            with self.state.inference():
                outputs = self.state.method.outputs(self._held_out, products)
                values, warnings = self._collapse.check(self.state.step, outputs)
            log.diversity(self.state.step, values)
        for warning in warnings:
            self.context.reporter.notify(f"warning: {warning}")
        if self.recipe.collapse.stop and self.context.world.any_rank(bool(warnings)):
            self.save(log)
            raise Collapsed(next(iter(warnings), "the outputs have collapsed"))

    def _evaluate(self, log: Log) -> None:
        """Collective: compute metrics on held-out images; save the products if they are the best so far."""
        assert self._evaluation is not None
        products = self.state.test_products()
        self.context.world.broadcast([buffer for product in products.values() for buffer in product.buffers()])
        self.state.method.eval()
        with self.state.inference():
            metrics = self._evaluation.measure(self.state.method, products, self.context.reporter.notify)
        log.metrics(self.state.step, metrics.values)
        self.context.reporter.notify(f"step {self.state.step}: {metrics.sentence()}")
        if self.context.world.any_rank(metrics.objective < self.best):
            self.best = metrics.objective
            self.save(log, best=True)

    def sample(self, log: Log) -> None:
        """Write `samples/STEP.png`: a sheet of held-out images and their translations, or of samples."""
        if not self.context.world.is_main:
            return
        method, step = self.state.method, self.state.step
        products = self.state.test_products()
        with self.state.inference():
            rows = method.preview(self._held_out[: self.options.samples], products)
        sheet = draw_sheet(rows, method.value_range)
        images.write(self.folder / "samples" / f"{step:08d}.png", sheet)
        log.sheet(step, torch.from_numpy(sheet).permute(2, 0, 1))

    def save(self, log: Log, *, best: bool = False) -> None:
        """Collective: write a checkpoint and drop the oldest. It is the best by the method's held-out score, by being
        the latest where the method has none, or, where the recipe names a metric for that, if it is saved as `best`.
        Raises NotFinite where a loss was no number.
        """
        if self.state.step == self._saved:
            return
        self.state.update.check_finite()
        self._saved = self.state.step
        rank_states = gather_rank_states(self.state.method, self.context.device, self.context.world)
        if self.context.world.is_main:
            self._write_checkpoint(rank_states, log, best=best)

    def _write_checkpoint(self, rank_states: Mapping[str, Any], log: Log, *, best: bool) -> None:
        method, step, decides = self.state.method, self.state.step, self.recipe.evaluate.decides
        products = self.state.test_products()
        with self.state.inference():
            error = method.score(self._held_out, products)
        score = None if error is None else float(error)
        if not decides:
            best = score is None or score < self.best
            self.best = score if best and score is not None else self.best
        self._best_step = step if best else self._best_step
        if score is not None:  # before the checkpoint: a run that is killed in between resumes from an earlier step
            log.score(step, score)
        facts = {"recipe": self.recipe.toml(), "test_time": method.test_time, "version": __version__}
        state = self.state_dict() | dict(rank_states)
        saved = checkpoint.save(self.folder, step, state, self.state.products(), facts, self._product_facts)
        checkpoint.settle(saved, best=self._best_step, keep=self.options.keep)
        note = "" if score is None else f" (held-out score {score:.4f}{', the best so far' if best else ''})"
        self.context.reporter.notify(f"step {step}: saved {saved}{note}")

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, but for what differs between ranks."""
        return self.state.state_dict() | {
            "best": self.best,
            "best_step": self._best_step,
            "best_by": self.recipe.evaluate.decides,
            "collapse": self._collapse.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a saved state. Raises ValueError where it belongs to other networks than the recipe's."""
        context, seed = self.context, self.options.seed + state["step"]
        try:
            self.state.load_state_dict(state)
            load_rank_state(state, self.state.method, context.device, context.world, seed=seed)
        except (RuntimeError, KeyError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            name = self.recipe.method["name"]
            raise ValueError(f"the checkpoint does not fit {name!r} as its recipe describes it: {reason}") from None
        # A best score by another measure cannot be compared with.
        self.best = state["best"] if state.get("best_by", "") == self.recipe.evaluate.decides else float("inf")
        self._best_step = state.get("best_step")
        if "collapse" in state:
            self._collapse.load_state_dict(state["collapse"])
