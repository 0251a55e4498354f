"""Where an override puts a step into an augmentation pipeline, and one option for the size of all of them.

A step may have a role, its attribute `role`: "size", "crop" or "flip". A pipeline has one step of a role.
"""

from typing import Any

from i2i.registry import augmentations

_ROLES = ("size", "crop", "flip")  # in the order of a pipeline
_SIZES = ("size", "width")  # options in pixels


def add_step(pipeline: dict[str, Any], name: str, options: Any) -> None:
    """Add a step in place: where the one of its role was, which it replaces; or, in an order of size, crop and flip,
    after or before the step of another role. A step without a role comes last.
    """
    steps, role = list(pipeline.items()), role_of(name)
    roles = [role_of(each) for each, _ in steps]
    rank = {each: _ROLES.index(each) for each in roles if each in _ROLES}
    place = len(steps)
    if role in roles:
        place = roles.index(role)
        steps = [step for step, of in zip(steps, roles, strict=True) if of != role]
    elif role in _ROLES:
        own = _ROLES.index(role)
        before = [index for index, each in enumerate(roles) if each in rank and rank[each] < own]
        after = [index for index, each in enumerate(roles) if each in rank and rank[each] > own]
        place = before[-1] + 1 if before else after[0] if after else place
    steps.insert(place, (name, options))
    pipeline.clear()
    pipeline.update(steps)


def set_size(table: dict[str, Any], size: int) -> None:
    """Set the size of training images in place, and that of testing, by scaling the sizes of all steps, of the
    degradation's crop and of a discriminator of fixed size. Raises ValueError where a recipe has no size of a square.
    """
    if size < 1:
        raise ValueError(f"train.size = {size} is refused; allowed: 1 pixel and more")
    augment, degradation = table.get("augment", {}), table.get("degradation", {})
    train, test = (_sizes(augment.get(part, {})) for part in ("train", "test"))
    crops = [options for name, options in train if role_of(name) == "crop"]
    base = degradation.get("crop") or next(iter((crops or [options for _, options in train])[-1:]), {}).get("size")
    if not isinstance(base, int):
        raise ValueError("train.size: the recipe has no step for the size of a square; set those of augment.train")
    discriminator = table.get("method", {}).get("discriminator", {})
    for options in (*(options for _, options in (*train, *test)), discriminator):
        for key in _SIZES:
            if key in options:
                options[key] = _scaled(options[key], size / base)
    if "crop" in degradation:
        degradation["crop"] = size


def _sizes(pipeline: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The steps that set a size, with their options; not bounds of it."""
    return [
        (name, options)
        for name, options in pipeline.items()
        if options is not False and role_of(name) in ("size", "crop") and name != "limit"
    ]


def _scaled(size: Any, factor: float) -> Any:
    return [round(each * factor) for each in size] if isinstance(size, list) else round(size * factor)


def role_of(name: str) -> str:
    """The role of a step in a pipeline; empty for most."""
    return getattr(augmentations[name], "role", "") if name in augmentations else ""
