"""Runs an exported model on images: NumPy, OpenCV and Pillow only, never torch, never i2i."""

__version__ = "0.1.0"
