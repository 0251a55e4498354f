"""Semantic segmentation: segmenters, and IoU of predicted and true label maps."""
