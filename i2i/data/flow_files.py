"""Optical flow as PNG of 16 bits, in the format of KITTI: http://www.cvlibs.net/datasets/kitti/eval_scene_flow.php

Red and green are x and y in steps of 1/64 pixel from 2^15, blue is 1 where the flow counts.
"""

from pathlib import Path

import numpy as np

from i2i_runtime import images
from i2i_runtime.files import printable
from i2i_runtime.motion import Motion

_ZERO, _STEPS = 2**15, 64


def write_flow(path: Path, motion: Motion) -> None:
    """Write motion, whose flow is rounded to 1/64 pixel and kept within 511 pixels either way."""
    levels = np.clip(np.rint(motion.flow * _STEPS) + _ZERO, 0, 2**16 - 1)
    images.write(path, np.dstack([levels, motion.visible]).astype(np.uint16))


def read_flow(path: Path) -> Motion:
    """Read motion. Raises ValueError where the file holds none."""
    levels = images.read(path)
    if levels.dtype != np.uint16 or levels.shape[2] != 3:
        raise ValueError(f"{printable(path)}: no optical flow, which is a PNG of three channels in 16 bits")
    flow = (levels[..., :2].astype(np.float32) - _ZERO) / _STEPS
    return Motion(flow.astype(np.float32), levels[..., 2] > 0)
