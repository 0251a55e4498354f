"""Semantic segmentation: label maps, class maps, segmenters, and IoU of predicted and true label maps."""
