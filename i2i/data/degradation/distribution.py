"""The distribution of a sample's degradation parameters, and the parameters drawn from it."""

import math
from typing import Literal, NamedTuple, get_args

import numpy as np

from i2i.data.degradation.kernels import Kernel, KernelOptions, Range, draw_kernel, draw_sinc
from i2i.data.degradation.noise import Noise

Mode = Literal["area", "bilinear", "bicubic"]
MODES: tuple[Mode, ...] = get_args(Mode)


class PassOptions(NamedTuple):
    """The distribution of one pass; its fields are options of `SecondOrder`."""

    blur_probability: float
    sinc_probability: float
    blur_sigma: Range
    enlarge_probability: float
    shrink_probability: float
    resize_range: Range
    gaussian_probability: float
    gaussian_sigma: Range
    poisson_scale: Range
    grey_probability: float
    jpeg_quality: Range


class Pass(NamedTuple):
    """The parameters of one pass: blur, resize by `factor`, noise, JPEG."""

    kernel: Kernel
    factor: float
    mode: Mode
    noise: Noise
    jpeg_quality: float


class Parameters(NamedTuple):
    """All that is drawn for a sample; the noise of its pixels follows from `noise_seed`."""

    passes: tuple[Pass, Pass]
    final_kernel: Kernel
    final_mode: Mode
    jpeg_last: bool
    noise_seed: int
    corner: tuple[float, float]  # of the crop: the shares of the margins above and left of it


def draw_pass(rng: np.random.Generator, options: PassOptions, kernels: KernelOptions) -> Pass:
    if rng.random() >= options.blur_probability:
        kernel = Kernel()
    elif rng.random() < options.sinc_probability:
        kernel = draw_sinc(rng, kernels, large_cutoff=math.pi / 5)
    else:
        kernel = draw_kernel(rng, kernels, options.blur_sigma)
    return Pass(
        kernel,
        _draw_factor(rng, options),
        draw_mode(rng),
        _draw_noise(rng, options),
        rng.uniform(*options.jpeg_quality),
    )


def draw_mode(rng: np.random.Generator) -> Mode:
    return MODES[rng.integers(len(MODES))]


def _draw_factor(rng: np.random.Generator, options: PassOptions) -> float:
    smallest, largest = options.resize_range
    draw = rng.random()
    if draw < options.enlarge_probability:
        return rng.uniform(1.0, largest)
    if draw < options.enlarge_probability + options.shrink_probability:
        return rng.uniform(smallest, 1.0)
    return 1.0


def _draw_noise(rng: np.random.Generator, options: PassOptions) -> Noise:
    grey = bool(rng.random() < options.grey_probability)
    if rng.random() < options.gaussian_probability:
        return Noise(True, rng.uniform(*options.gaussian_sigma) / 255, grey)
    return Noise(False, rng.uniform(*options.poisson_scale), grey)


def check_crop(scale: int, crop: int) -> None:
    """Raise ValueError for a scale below 1, or a crop that is no multiple of it."""
    if scale < 1:
        _refuse("scale", scale, "1 and more")
    if crop < 0 or crop % scale:
        _refuse("crop", crop, f"multiples of scale {scale}, and 0 for none")


def check_kernels(options: KernelOptions) -> None:
    """Raise ValueError for options that are no distribution."""
    smallest, largest = options.size
    if not (smallest % 2 and largest % 2 and 3 <= smallest <= largest):
        _refuse("kernel_size", options.size, "two odd numbers from 3 on, the smaller one first")
    total = sum(options.kinds.values())
    if math.fabs(total - 1) > 1e-6 or min(options.kinds.values(), default=0) < 0:
        _refuse("kernel_kinds", dict(options.kinds), f"probabilities that sum to 1 (here {total:g})")
    for name in ("generalised_shape", "plateau_shape"):
        low, high = getattr(options, name)
        if not 0 < low <= 1 <= high:
            _refuse(name, (low, high), "a lowest value above 0 and up to 1, then a highest one from 1 on")


def check_pass(options: PassOptions) -> None:
    """Raise ValueError for options that are no distribution."""
    for name, value in options._asdict().items():
        if name.endswith("_probability"):
            check_probability(name, value)
    if options.enlarge_probability + options.shrink_probability > 1 + 1e-6:
        both = (options.enlarge_probability, options.shrink_probability)
        _refuse("enlarge_probability and shrink_probability", both, "a sum up to 1; the rest keeps its size")
    _check_range("blur_sigma", options.blur_sigma, 0.01)
    _check_range("gaussian_sigma", options.gaussian_sigma, 0)
    _check_range("poisson_scale", options.poisson_scale, 0)
    _check_range("jpeg_quality", options.jpeg_quality, 1, 100)
    smallest, largest = options.resize_range
    if not 0 < smallest <= 1 <= largest:
        _refuse("resize_range", options.resize_range, "a smallest factor above 0 and up to 1, then a largest from 1 on")


def check_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        _refuse(name, value, "0 to 1")


def _check_range(name: str, value: Range, lowest: float, highest: float = math.inf) -> None:
    if not lowest <= value[0] <= value[1] <= highest:
        limits = f"from {lowest:g} on" if math.isinf(highest) else f"from {lowest:g} to {highest:g}"
        _refuse(name, value, f"two numbers {limits}, the lower one first")


def _refuse(name: str, value: object, allowed: str) -> None:
    raise ValueError(f"second-order: {name} = {value} is refused; allowed: {allowed}")
