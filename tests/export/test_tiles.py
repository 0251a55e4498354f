"""Padding reaches a legal size and can be undone."""

import numpy as np
import pytest

from i2i_runtime import tiles


@pytest.mark.parametrize("height", [1, 2, 7, 16, 33])
@pytest.mark.parametrize("width", [1, 5, 32])
@pytest.mark.parametrize(("multiple_of", "min_size"), [(1, 1), (4, 1), (16, 64), (3, 10)])
def test_crop_undoes_pad(height, width, multiple_of, min_size):
    batch = np.random.default_rng(0).random((2, 3, height, width), np.float32)
    padded = tiles.pad(batch, multiple_of=multiple_of, min_size=min_size)
    for before, after in zip(batch.shape[2:], padded.shape[2:], strict=True):
        assert after % multiple_of == 0
        assert max(before, min_size) <= after < max(before, min_size) + multiple_of
    np.testing.assert_array_equal(tiles.crop(padded, height=height, width=width), batch)


def test_padding_is_a_mirror_without_the_edge_again_and_again():
    row = np.array([1, 2, 3], np.float32).reshape(1, 1, 1, 3)
    assert tiles.pad(row, multiple_of=1, min_size=8)[0, 0, 0].tolist() == [1, 2, 3, 2, 1, 2, 3, 2]
