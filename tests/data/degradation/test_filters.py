import numpy as np
import pytest
import torch
from PIL import Image

from i2i.data.degradation.filters import FILTERS, resample


@pytest.mark.parametrize("size", [(5, 4), (13, 11), (8, 23), (30, 6)])
@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_is_pillow_s(name, size):
    image = np.random.default_rng(0).random((13, 11)).astype(np.float32)
    height, width = size
    pillow = Image.fromarray(image).resize((width, height), getattr(Image.Resampling, name.upper()))
    ours = resample(torch.from_numpy(image).double()[None, None], height, width, name)[0, 0]
    np.testing.assert_allclose(ours.numpy(), np.asarray(pillow), atol=1e-6)
