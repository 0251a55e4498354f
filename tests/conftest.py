"""What every test relies on: offline, one torch thread, and the shared material where it lies."""

import os
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import pytest
import torch

torch.set_num_threads(1)

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden vectors and real images beside the project; the test is skipped where there is none."""
    if not SHARED.is_dir():
        pytest.skip(f"no {SHARED.name}/ folder beside the project")
    return SHARED
