"""Engines that run an exported file: ONNX Runtime, or OpenVINO, the faster one on the CPUs it was measured on."""

from i2i_runtime.engines.base import ExportedModel
from i2i_runtime.engines.choose import Engine, describe, expand_engine, is_exported, open_for_folder, open_model

__all__ = ["Engine", "ExportedModel", "describe", "expand_engine", "is_exported", "open_for_folder", "open_model"]
