"""Turn one kind of image into another: train, translate and export image-to-image GANs.

    import i2i
    run = i2i.train("cyclegan", ["horses", "zebras"], {"train.steps": 1000})
    zebra = i2i.load(run, product="a_to_b")(horse)          # NumPy in, NumPy out; tensor in, tensor out

Importing this package imports no torch: that happens when a name below is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from i2i.inference import Translator, load
    from i2i.training.run import resume, train

__version__ = "0.1.0"
__all__ = ["Translator", "load", "resume", "train"]

_HOME = {
    "load": "i2i.inference",
    "Translator": "i2i.inference",
    "train": "i2i.training.run",
    "resume": "i2i.training.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'i2i' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
