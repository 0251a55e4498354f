"""The contract of networks that a run is trained for and keeps: generators and segmenters."""

from typing import Any, ClassVar

from torch import nn


class Product(nn.Module):
    """A network that takes or makes images in `value_range`, kept in weights files with what builds it again."""

    kind: ClassVar[str]  # key of `spec` in the metadata of weights files
    value_range: tuple[float, float] = (-1.0, 1.0)
    # Its name and options in a recipe; set by whoever builds it from a recipe.
    spec: dict[str, Any]
