"""Generators of images from noise, as functions on seeds: samples, walks, inversion, anomaly scores."""
