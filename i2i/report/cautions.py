"""What a reader of a run has to be warned of."""

from collections.abc import Mapping, Sequence
from typing import Any

from i2i.recipe import Collapse
from i2i.report.curves import HELD_OUT
from i2i.report.facts import best_score, last_step
from i2i.report.parts import Case, Curve
from i2i.training.collapse import GRACE_STEPS

_SATURATED = 0.99  # of pairs of a real and a made image a discriminator ranks rightly; one half: it knows nothing
_FEW = 8  # held-out images


def warnings_of(
    recipe: Mapping[str, Any], curves: Sequence[Curve], record: Sequence[Mapping[str, Any]], cases: Sequence[Case]
) -> list[str]:
    """One sentence each, the gravest first."""
    return [
        *_ending(recipe, curves, record),
        *_not_finite(curves),
        *_collapsed(recipe, curves),
        *_saturated(curves),
        *_past_the_best(recipe, curves),
        *_few(cases),
    ]


def _ending(recipe: Mapping[str, Any], curves: Sequence[Curve], record: Sequence[Mapping[str, Any]]) -> list[str]:
    ended = record[-1].get("ended", "") if record else ""
    if ended and ended not in ("finished", "stopped"):
        return [f"The run ended with an error: {ended}"]
    done, planned = last_step(curves), recipe.get("train", {}).get("steps", 0)
    return [f"The run is at step {done:,} of {planned:,}: it is still going, or was stopped."] if done < planned else []


def _not_finite(curves: Sequence[Curve]) -> list[str]:
    broken = {f"{curve.group} {curve.name}": curve.broken for curve in curves if curve.broken}
    return [f"Not finite: {name}, first logged at step {steps[0]:,}." for name, steps in broken.items()]


def _collapsed(recipe: Mapping[str, Any], curves: Sequence[Curve]) -> list[str]:
    """As the run itself warns: at two looks one after the other, after they had been diverse or late enough."""
    least = recipe.get("collapse", {}).get("least", Collapse().least)
    found = []
    for curve in curves:
        if curve.group != HELD_OUT or not curve.name.endswith(": diversity"):
            continue
        low = [value is not None and value < least for value in curve.values]
        for at in range(1, len(low)):
            if low[at - 1] and low[at] and (curve.steps[at] >= GRACE_STEPS or not all(low[:at])):
                what = curve.name.partition(":")[0]
                found.append(
                    f"Collapse: at step {curve.steps[at]:,} what {what} makes is {curve.values[at]:.2f} times as "
                    f"diverse as real images, below {least:g} (collapse.least)."
                )
                break
    return found


def _saturated(curves: Sequence[Curve]) -> list[str]:
    return [
        f"The discriminator of {curve.name.partition(':')[0]} told real from made almost always "
        f"({curve.values[-1]:.0%} at the last look): the generator may learn little from it."
        for curve in curves
        if curve.group == HELD_OUT and curve.name.endswith(": separation") and curve.values[-1:] > [_SATURATED]
    ]


def _past_the_best(recipe: Mapping[str, Any], curves: Sequence[Curve]) -> list[str]:
    best, done = best_score(curves), last_step(curves)
    if recipe.get("evaluate", {}).get("best"):  # a metric decides, which says more
        return []
    if best is None or best[1] * 2 >= done:
        return []
    return [f"The held-out score has not improved since step {best[1]:,} of {done:,}."]


def _few(cases: Sequence[Case]) -> list[str]:
    measured = {case.name for case in cases if case.measures}
    if not 0 < len(measured) < _FEW:
        return []
    return [f"Small sample: measures below are of {len(measured)} held-out images; they differ from image to image."]
