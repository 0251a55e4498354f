"""Runs an exported model on images: NumPy, OpenCV and Pillow only, never torch, never i2i."""
