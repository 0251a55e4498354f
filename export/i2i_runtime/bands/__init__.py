"""Large images through a network that needs the whole image: exactly, over bands of rows, in bounded memory."""

from i2i_runtime.bands.executor import ROWS, Subgraph, run_in_bands

__all__ = ["ROWS", "Subgraph", "run_in_bands"]
