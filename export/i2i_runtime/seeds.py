"""The random numbers of torch's generator on a CPU, without torch: a seed makes the same image everywhere.

Matsumoto, Nishimura 1998: Mersenne Twister, https://doi.org/10.1145/272991.272995, which NumPy has too; Box, Muller
1958, https://doi.org/10.1214/aoms/1177706645, in the order in which torch takes its bits (checked in the tests).
"""

import numpy as np
from numpy.typing import NDArray

_CUT = 2.0  # standard deviations, where a truncated normal distribution ends
_BLOCK = 16  # torch makes this many numbers at once where there are as many


class Normal:
    """What `torch.randn(number, generator=torch.Generator().manual_seed(seed))` gives, call after call, to 1e-6."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.RandomState(seed % 2**32)  # torch too takes no more of a seed
        self._left: list[float] = []  # of a pair, of which one was asked for

    def __call__(self, number: int) -> NDArray[np.float32]:
        if number < _BLOCK:
            return np.array([self._one() for _ in range(number)], np.float32)
        uniform = self._uniform(number)
        blocks = [slice(begin, begin + _BLOCK) for begin in range(0, number - _BLOCK + 1, _BLOCK)]
        normal = np.empty(number, np.float32)
        for block in blocks:
            normal[block] = _normal_block(uniform[block])
        if number % _BLOCK:
            normal[-_BLOCK:] = _normal_block(self._uniform(_BLOCK))
        return normal

    def _one(self) -> float:
        if not self._left:
            angle, height = (self._words(2).astype(object) @ [2**32, 1] % 2**53 / 2**53 for _ in range(2))
            radius = np.sqrt(-2 * np.log1p(-height))
            self._left = [radius * np.sin(2 * np.pi * angle), radius * np.cos(2 * np.pi * angle)]
        return self._left.pop()

    def _uniform(self, number: int) -> NDArray[np.float64]:
        return self._words(number) % 2**24 / 2**24

    def _words(self, number: int) -> NDArray[np.uint32]:
        return np.frombuffer(self._bits.bytes(4 * number), "<u4")


def _normal_block(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    radius, angle = np.sqrt(-2 * np.log1p(-uniform[: _BLOCK // 2])), 2 * np.pi * uniform[_BLOCK // 2 :]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])


def draw(seed: int, latent: int, *, truncation: float = 1.0) -> NDArray[np.float32]:
    """The latent (latent,) of a seed, normally distributed; with a `truncation` below 1 that many times a normal
    distribution cut off at two standard deviations (Brock et al. 2019, section 3.1, https://arxiv.org/abs/1809.11096).
    """
    normal = Normal(seed)
    z = normal(latent)
    if truncation < 1:
        while (far := np.abs(z) > _CUT).any():
            z[far] = normal(int(far.sum()))
        z *= np.float32(truncation)
    return z
