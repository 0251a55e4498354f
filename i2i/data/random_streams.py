"""Independent streams of random numbers: every seed begins with what the draw is for."""

from enum import IntEnum

import numpy as np


class RandomStream(IntEnum):
    """Streams of random numbers, one for each purpose. Their numbers decide a seed's samples, so none may change."""

    EPOCH_ORDER = 0
    TRAIN_AUGMENTATION = 1
    UNPAIRED_PARTNER = 2
    TEST_AUGMENTATION = 3
    TRAIN_DEGRADATION = 4
    TEST_DEGRADATION = 5
    LABELLED_TRAIN_AUGMENTATION = 6
    LABELLED_TEST_AUGMENTATION = 7
    REAL_IMAGE = 8

    def generator(self, *key: int) -> np.random.Generator:
        """A generator seeded by the stream and the key: equal keys give equal numbers, two streams never do."""
        return np.random.default_rng((self, *key))
