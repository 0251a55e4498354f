"""Warnings about a run: errors, mode collapse, a saturated discriminator, no improvement, few images."""

from collections.abc import Mapping, Sequence
from typing import Any

from i2i.recipe import Collapse
from i2i.report.contents import Curve, ImageResult
from i2i.report.curves import HELD_OUT
from i2i.report.facts import best_score, last_step
from i2i.training.collapse import GRACE_STEPS

_SATURATED = 0.99  # share of pairs of a real and a generated image that a discriminator ranks rightly; 0.5 is chance
_FEW = 8  # held-out images


def find_warnings(
    recipe: Mapping[str, Any],
    curves: Sequence[Curve],
    run_info: Sequence[Mapping[str, Any]],
    results: Sequence[ImageResult],
) -> list[str]:
    """Warnings about a run, a sentence each, the gravest first."""
    return [
        *_unfinished(recipe, curves, run_info),
        *_not_finite(curves),
        *_mode_collapse(recipe, curves),
        *_saturated_discriminator(curves),
        *_no_improvement(recipe, curves),
        *_few_images(results),
    ]


def _unfinished(recipe: Mapping[str, Any], curves: Sequence[Curve], run_info: Sequence[Mapping[str, Any]]) -> list[str]:
    ended = run_info[-1].get("ended", "") if run_info else ""
    if ended and ended not in ("finished", "stopped"):
        return [f"The run ended with an error: {ended}"]
    done, planned = last_step(curves), recipe.get("train", {}).get("steps", 0)
    return [f"The run is at step {done:,} of {planned:,}: it is still going, or was stopped."] if done < planned else []


def _not_finite(curves: Sequence[Curve]) -> list[str]:
    broken = {f"{curve.group} {curve.name}": curve.broken for curve in curves if curve.broken}
    return [f"Not finite: {name}, first logged at step {steps[0]:,}." for name, steps in broken.items()]


def _mode_collapse(recipe: Mapping[str, Any], curves: Sequence[Curve]) -> list[str]:
    """By the rule of training: two low values in a row, after a high one or after the first steps."""
    least = recipe.get("collapse", {}).get("least", Collapse().least)
    warnings = []
    for curve in curves:
        if curve.group != HELD_OUT or not curve.name.endswith(": diversity"):
            continue
        low = [value is not None and value < least for value in curve.values]
        for index in range(1, len(low)):
            if low[index - 1] and low[index] and (curve.steps[index] >= GRACE_STEPS or not all(low[:index])):
                warnings.append(
                    f"Mode collapse: at step {curve.steps[index]:,} the images of {curve.name.partition(':')[0]} are "
                    f"{curve.values[index]:.2f} times as diverse as real ones, below {least:g} (collapse.least)."
                )
                break
    return warnings


def _saturated_discriminator(curves: Sequence[Curve]) -> list[str]:
    return [
        f"The discriminator of {curve.name.partition(':')[0]} tells real from generated images in "
        f"{curve.values[-1]:.0%} of pairs: the generator may learn little from it."
        for curve in curves
        if curve.group == HELD_OUT and curve.name.endswith(": separation") and curve.values[-1:] > [_SATURATED]
    ]


def _no_improvement(recipe: Mapping[str, Any], curves: Sequence[Curve]) -> list[str]:
    best, done = best_score(curves), last_step(curves)
    if recipe.get("evaluate", {}).get("best"):  # a metric chooses the best checkpoint instead
        return []
    if best is None or best[1] * 2 >= done:
        return []
    return [f"The held-out score has not improved since step {best[1]:,} of {done:,}."]


def _few_images(results: Sequence[ImageResult]) -> list[str]:
    measured = {result.name for result in results if result.measures}
    if not 0 < len(measured) < _FEW:
        return []
    return [f"Small sample: only {len(measured)} held-out images are measured, and their measures vary."]
