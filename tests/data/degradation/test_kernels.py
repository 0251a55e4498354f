import math

import numpy as np
import pytest
import torch

from i2i.data.degradation.kernels import Kernel, KernelOptions, draw_kernel, draw_sinc, render
from i2i.data.degradation.second_order import KINDS

OPTIONS = KernelOptions((7, 21), KINDS, (0.5, 4.0), (1.0, 2.0))
OFFSET = torch.arange(-10.0, 11.0, dtype=torch.float64)


def drawn(count: int = 300) -> list[Kernel]:
    rng = np.random.default_rng(0)
    return [draw_kernel(rng, OPTIONS, (0.2, 3.0)) for _ in range(count)] + [
        draw_sinc(rng, OPTIONS, math.pi / 5) for _ in range(count)
    ]


def covariance(kernel: torch.Tensor) -> torch.Tensor:
    """Second moments about the center, (x, y)."""
    kernel = kernel.double()
    return torch.stack(
        [
            torch.stack([(kernel * OFFSET**2).sum(), (kernel * OFFSET * OFFSET[:, None]).sum()]),
            torch.stack([(kernel * OFFSET * OFFSET[:, None]).sum(), (kernel * OFFSET[:, None] ** 2).sum()]),
        ]
    )


def test_every_kernel_sums_to_one_and_is_symmetric_about_its_center():
    kernels = render(drawn(), 21)
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(600), atol=1e-5, rtol=0)
    torch.testing.assert_close(kernels.flip(1, 2), kernels, atol=1e-7, rtol=0)


def test_a_kernel_is_zero_outside_its_size_and_reaches_to_its_edge():
    for size in (1, 7, 13, 21):
        (kernel,) = render([Kernel(size, sigma=3.0, sigma_across=3.0)], 21)
        rows = kernel.sum(1).nonzero().flatten().tolist()
        assert rows == list(range(10 - size // 2, 11 + size // 2))


def test_the_default_kernel_is_the_identity():
    (kernel,) = render([Kernel()], 21)
    assert kernel[10, 10] == 1 and kernel.count_nonzero() == 1


def test_kernels_are_rendered_independently():
    kernels = drawn(20)
    assert render(kernels, 21).equal(torch.cat([render([kernel], 21) for kernel in kernels]))


@pytest.mark.parametrize("angle", [0.0, 0.5, -2.0])
def test_a_gaussian_has_the_covariance_it_was_drawn_with(angle):
    (kernel,) = render([Kernel(21, sigma=2.0, sigma_across=1.0, angle=angle)], 21)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    expected = turn @ torch.diag(torch.tensor([4.0, 1.0], dtype=torch.float64)) @ turn.T
    torch.testing.assert_close(covariance(kernel), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("shape", [0.5, 1.0, 3.0])
def test_generalised_and_plateau_kernels_fall_off_as_published(shape):
    generalised, plateau = render(
        [Kernel(21, 2.0, 2.0, shape=shape), Kernel(21, 2.0, 2.0, shape=shape, plateau=True)], 21
    )
    for distance in (1, 2, 3):
        power = (distance / 2.0) ** (2 * shape)
        assert generalised[10, 10 + distance] / generalised[10, 10] == pytest.approx(math.exp(-power / 2), rel=1e-4)
        assert plateau[10, 10 + distance] / plateau[10, 10] == pytest.approx(1 / (1 + power), rel=1e-4)


@pytest.mark.parametrize("cutoff", [math.pi / 3, math.pi / 2, 2.5])
def test_a_sinc_passes_what_is_below_its_cutoff_and_stops_what_is_above(cutoff):
    (kernel,) = render([Kernel(21, cutoff=cutoff)], 21)

    def response(frequency: float) -> float:
        return float((kernel.double() * torch.cos(frequency * OFFSET)).sum())

    assert all(abs(response(share * cutoff) - 1) < 0.15 for share in (0.2, 0.4, 0.6))
    assert all(abs(response(frequency)) < 0.15 for frequency in np.arange(cutoff + 0.5, math.pi, 0.2))
    assert kernel.min() < 0  # it rings


def test_kernels_are_drawn_with_the_probabilities_and_ranges_of_the_options():
    rng = np.random.default_rng(1)
    kernels = [draw_kernel(rng, OPTIONS, (0.2, 3.0)) for _ in range(4000)]
    counts = dict.fromkeys(KINDS, 0)
    for kernel in kernels:
        family = "plateau-" if kernel.plateau else "generalised-" if kernel.shape != 1 else ""
        counts[family + ("isotropic" if kernel.sigma == kernel.sigma_across else "anisotropic")] += 1
    for kind, probability in KINDS.items():
        assert counts[kind] / 4000 == pytest.approx(probability, abs=0.03), kind
    assert {kernel.size for kernel in kernels} == set(range(7, 22, 2))
    sigmas = [kernel.sigma for kernel in kernels]
    assert 0.2 <= min(sigmas) < 0.25 and 2.95 < max(sigmas) <= 3 and np.mean(sigmas) == pytest.approx(1.6, abs=0.06)
    angles = [kernel.angle for kernel in kernels if kernel.sigma != kernel.sigma_across]
    assert min(angles) < -3 and max(angles) > 3 and np.max(np.abs(angles)) <= math.pi
    shapes = [kernel.shape for kernel in kernels if kernel.shape != 1 and not kernel.plateau]
    assert 0.5 <= min(shapes) < 0.55 and 3.9 < max(shapes) <= 4
    assert np.mean(np.array(shapes) < 1) == pytest.approx(0.5, abs=0.08)
    plateaus = [kernel.shape for kernel in kernels if kernel.plateau]
    assert np.mean(np.array(plateaus) == 1) == pytest.approx(0.5, abs=0.08) and 1.9 < max(plateaus) <= 2


def test_large_sincs_may_have_lower_cutoffs_than_small_ones():
    rng = np.random.default_rng(2)
    kernels = [draw_sinc(rng, OPTIONS, math.pi / 5) for _ in range(2000)]
    small = [kernel.cutoff for kernel in kernels if kernel.size < 13]
    large = [kernel.cutoff for kernel in kernels if kernel.size >= 13]
    assert math.pi / 3 <= min(small) < 1.1 and 3.1 < max(small) <= math.pi
    assert math.pi / 5 <= min(large) < 0.68 and 3.1 < max(large) <= math.pi
