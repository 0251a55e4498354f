"""The recipe that a student is trained by: the packaged one, and what the frames and the budget decide."""

from collections.abc import Sequence
from pathlib import Path

from i2i import recipe
from i2i.distillation.budget import Budget
from i2i.distillation.ladder import Rung
from i2i.losses.perceptual import VGG19_WEIGHTS
from i2i.recipe import Recipe

_CROP = 256  # pixels; as the packaged recipe of translators has it
_STEP = 8  # that every student of a translator takes multiples of
_LARGER = 1.2  # frames that are larger than the budget's by more are trained on at the budget's size
_PERCEPTUAL = 0.5  # weight of VGG's features beside the pixels' 20


def student_recipe(
    sources: Sequence[Path],
    rung: Rung,
    budget: Budget,
    frame: tuple[int, int],
    *,
    channels: tuple[int, int] = (3, 3),
    scale: int = 1,
    overrides: Sequence[str] = (),
) -> tuple[Recipe, list[str]]:
    """The recipe, and sentences about what is decided here: `frame` is the frames' median height and width,
    `channels` the source's and the target's, and the user's `overrides` come last. Raises ValueError.
    """
    own = [
        *rung.overrides(),
        f"method.scale={scale}",
        f"method.source_channels={channels[0]}",
        f"method.target_channels={channels[1]}",
    ]
    said = []
    if scale == 1:
        at_size, resized = _at_budget(budget, frame)
        own += at_size
        said += [resized] if resized else []
    if VGG19_WEIGHTS.cached and channels[1] == 3:
        own.append(f"method.perceptual_weight={_PERCEPTUAL}")
        said.append(f"perceptual loss: VGG19's weights are at hand ({VGG19_WEIGHTS.cached})")
    named = "distil/upscaling" if scale > 1 else "distil/general"
    chosen, _ = recipe.choose(named, [str(path) for path in sources], [*own, *overrides])
    return chosen, said


def _at_budget(budget: Budget, frame: tuple[int, int]) -> tuple[list[str], str]:
    """Settings by which a translator is trained at the budget's size where frames are larger, and a crop that fits."""
    short, settings, said = min(frame), [], ""
    target = min(budget.height, budget.width)
    if short > _LARGER * target:
        settings = [f"augment.{part}.scale_short.size={target}" for part in ("train", "test")]
        said = f"frames are trained on at the budget's size: shorter side {short} to {target} pixels"
        short = target
    crop = min(_CROP, max(_STEP, short // _STEP * _STEP))
    return [*settings, f"augment.train.crop.size={crop}"], said
