"""Numbers of recipes with their ranges. The upper bounds are far above any use: they keep a slip of the keyboard from
taking all memory, or for ever.
"""

from typing import Annotated

from pydantic import Field

Channels = Annotated[int, Field(ge=1, le=1024)]  # of an image
ChannelsOrNone = Annotated[int, Field(ge=0, le=1024)]
Features = Annotated[int, Field(ge=1, le=8192)]  # channels of a layer, units of a linear one, numbers of a latent
Blocks = Annotated[int, Field(ge=0, le=256)]  # layers or groups of them in a row
Layers = Annotated[int, Field(ge=1, le=64)]
Layer = Annotated[int, Field(ge=0, le=1000)]  # number of one in a network
Halvings = Annotated[int, Field(ge=1, le=12)]  # layers that each halve the size
Classes = Annotated[int, Field(ge=0, le=100_000)]
ClassIndex = Annotated[int, Field(ge=0, le=254)]  # of a pixel in a label map
Scale = Annotated[int, Field(ge=1, le=64)]  # of super-resolution
Pixels = Annotated[int, Field(ge=1, le=32_768)]  # of one side of an image
PixelsOrNone = Annotated[int, Field(ge=0, le=32_768)]  # 0: none
FeaturesTimesSize = Annotated[int, Field(ge=1, le=2**20)]  # their product in a layer
KernelSize = Annotated[int, Field(ge=1, le=255)]
Patches = Annotated[int, Field(ge=2, le=1_000_000)]  # of an image that are compared
Images = Annotated[int, Field(ge=0, le=100_000)]  # kept in memory
ImagesSeen = Annotated[int, Field(ge=1, le=10**9)]  # in training, the same ones again and again
Steps = Annotated[int, Field(ge=0, le=10**9)]
Every = Annotated[int, Field(ge=1, le=10**9)]  # steps from one to the next
Times = Annotated[int, Field(ge=1, le=1000)]  # within one step
Probability = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1e6)]  # of a loss
Parameter = Annotated[float, Field(ge=0, le=1e6)]  # of a distribution
Share = Annotated[float, Field(gt=0, le=1)]
Level = Annotated[float, Field(ge=-1e6, le=1e6)]  # of a pixel, in the value range of a network
Factor = Annotated[float, Field(gt=0, le=1000)]
Temperature = Annotated[float, Field(ge=1e-3, le=100)]  # by which similarities are divided
