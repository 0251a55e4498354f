"""The rows of a feature map in a temporary file, and the statistics of its channels, both filled band by band."""

from tempfile import SpooledTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2i_runtime.files import no_room_for

IN_MEMORY = 2**26  # bytes up to which the rows stay in memory

Band = NDArray[np.floating[Any]]  # (1, channels, rows, width), float32 or float16


class ChannelStatistics:
    """Mean and variance of each channel, merged from bands in float64.

    Chan, Golub, LeVeque 1979: Updating Formulae and a Pairwise Algorithm for Computing Sample Variances.
    """

    def __init__(self, channels: int) -> None:
        self._count = 0
        self._mean = np.zeros(channels)
        self._squares = np.zeros(channels)  # sum of squared distances from the mean: M2

    def merge(self, band: Band) -> None:
        """Add the values of a band."""
        values = band[0].reshape(band.shape[1], -1).astype(np.float32)
        count, mean = values.shape[1], values.mean(axis=1)
        values -= mean[:, None]
        distance = mean - self._mean
        total = self._count + count
        self._mean += distance * (count / total)
        self._squares += np.square(values, out=values).sum(axis=1) + distance**2 * (self._count * count / total)
        self._count = total

    def normalise(self, band: Band, gamma: NDArray[np.float32], beta: NDArray[np.float32], epsilon: float) -> Band:
        """Instance norm of a band by these statistics: a new array, C-contiguous."""
        factor = gamma / np.sqrt(self._squares / self._count + epsilon)
        mean, scale, shift = (each.astype(np.float32)[:, None, None] for each in (self._mean, factor, beta))
        values = np.subtract(band, mean, dtype=np.float32, order="C")
        values *= scale
        values += shift
        return values.astype(band.dtype, copy=False)


class RowStore:
    """The rows of a feature map, written from the top down; large ones in a temporary file (TMPDIR says where)."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115

    def append(self, band: Band) -> None:
        """Add the next rows. Raises ValueError, naming the folder, where there is no room for a temporary file."""
        rows = np.ascontiguousarray(band[0].transpose(1, 0, 2))
        self._row, self._type = rows.shape[1:], rows.dtype
        try:
            self._file.write(rows.data)
        except OSError as error:
            raise ValueError(no_room_for("the feature maps of a large image", error)) from None

    def read(self, first: int, last: int) -> Band:
        """Rows `first` up to `last`, once all are written."""
        rows = np.empty((last - first, *self._row), self._type)
        self._file.seek(first * rows[0].nbytes)
        self._file.readinto(rows.data.cast("B"))
        return rows.transpose(1, 0, 2)[None]

    def truncate(self) -> None:
        """Give back the room that an earlier, larger feature map had beyond the rows that are written now."""
        self._file.truncate()

    def rewind(self) -> None:
        """Begin anew in the same room: pages that are there already are written sooner."""
        self._file.seek(0)

    def close(self) -> None:
        self._file.close()
