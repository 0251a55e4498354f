"""Resuming a run with another number of steps: whether there is one left, and what its learning rate becomes."""

from pathlib import Path

from i2i import registry
from i2i.recipe import Recipe
from i2i.recipe.components import build

_NOTABLE = 0.1  # the share by which a learning rate changes that is worth a sentence


def check_unfinished(run: Path, step: int, steps: int) -> None:
    """Raises ValueError where a run that is at `step` has no steps left."""
    if step >= steps:
        raise ValueError(
            f"{run}: finished at step {step}; to train longer add --set train.steps={step * 2}, or more train.epochs"
        )


def rate_change(before: Recipe, after: Recipe, step: int) -> str:
    """A sentence about learning rates that jump where a run resumes at `step` by another recipe, such as one that
    spreads its schedule over more steps; empty where they go on.
    """
    last, following = _rates(before, step - 1), _rates(after, step)
    jumps = [key for key in last if key in following and abs(following[key] - last[key]) > _NOTABLE * last[key]]
    if not step or (before.schedule, before.train.steps) == (after.schedule, after.train.steps) or not jumps:
        return ""
    changes = ", ".join(f"{key} from {last[key]:.4g} to {following[key]:.4g}" for key in jumps)
    settings = " ".join(f"--set {key}={last[key]:.4g}" for key in last)
    return (
        f"the learning rate jumps ({changes}), as the schedule {after.schedule['name']} is over {after.train.steps} "
        f"steps now; to go on at the last rate: --set schedule=constant {settings}"
    )


def _rates(recipe: Recipe, step: int) -> dict[str, float]:
    """The learning rates of a step, by the options that set them."""
    factor = build(registry.schedules, recipe.schedule)(step, recipe.train.steps)
    tables = {f"optimizer.players.{name}.lr": table for name, table in recipe.optimizer.players.items()}
    tables["optimizer.lr"] = recipe.optimizer.of("")
    return {key: table["lr"] * factor for key, table in tables.items() if "lr" in table}
