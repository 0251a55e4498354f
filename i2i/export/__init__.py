"""Generators as .onnx files that carry a card, and appear only if they give what the generator gives in torch."""

from i2i.export.frozen import Difference, read_frames
from i2i.export.image import export
from i2i.export.int8 import read_calibration

__all__ = ["Difference", "export", "read_calibration", "read_frames"]
