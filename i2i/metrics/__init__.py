"""Metrics of image quality, on tensors and arrays."""
