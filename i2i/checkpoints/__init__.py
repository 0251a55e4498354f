"""Checkpoints of runs, loading of generators from any kind of file, and published weights."""
