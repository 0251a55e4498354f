"""Rows come back as they were written, and statistics are those of the whole map."""

import numpy as np
import pytest

from i2i_runtime.bands import row_store
from i2i_runtime.bands.row_store import ChannelStatistics, RowStore

rng = np.random.default_rng(0)


@pytest.mark.parametrize("in_memory", [0, 2**20])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rows_come_back_across_the_bands_they_were_written_in(
    in_memory: int, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_store, "IN_MEMORY", in_memory or 1)
    whole, store = rng.random((1, 3, 50, 7)).astype(dtype), RowStore()
    for start, stop in ((0, 1), (1, 31), (31, 33), (33, 50)):
        store.append(whole[:, :, start:stop])
    for first, last in ((0, 50), (0, 1), (30, 34), (49, 50), (2, 40)):
        band = store.read(first, last)
        assert band.dtype == dtype
        np.testing.assert_array_equal(band, whole[:, :, first:last])
    store.rewind()
    store.append(whole[:, :2, :9])
    store.truncate()
    np.testing.assert_array_equal(store.read(3, 9), whole[:, :2, 3:9])
    store._file.seek(0)
    assert len(store._file.read()) == whole[:, :2, :9].nbytes, "the rest of the room is given back"
    store.close()


def test_statistics_of_bands_keep_small_differences_of_large_values() -> None:
    values = (1000 + rng.standard_normal((1, 3, 50, 40))).astype(np.float32)
    before, statistics = values.copy(), ChannelStatistics(3)
    for band in np.split(values, [1, 31, 33], axis=2):
        statistics.merge(band)
    gamma, beta = np.array([1, -2, 3], np.float32), np.array([0, 5, -1], np.float32)
    wide = values.astype(np.float64)
    mean, variance = wide.mean((2, 3), keepdims=True), wide.var((2, 3), keepdims=True)
    expected = (wide - mean) / np.sqrt(variance + 1e-5) * gamma[:, None, None] + beta[:, None, None]
    result = statistics.normalise(values, gamma, beta, 1e-5)
    assert result.dtype == np.float32 and result.flags.c_contiguous
    np.testing.assert_allclose(result, expected, atol=3e-3)
    np.testing.assert_array_equal(values, before)
    half = statistics.normalise(values.astype(np.float16), gamma, beta, 1e-5)
    assert half.dtype == np.float16
