"""Real-ESRGAN's degradation: blur, resize, noise and JPEG, twice, then a sinc filter before or after the last JPEG.

X. Wang, L. Xie, C. Dong, Y. Shan, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data",
2021, section 3, https://arxiv.org/abs/2107.10833; probabilities and ranges as in its released configuration.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from i2i.data.batch import HighResolution, Pair
from i2i.data.degradation import distribution
from i2i.data.degradation.blur import blur
from i2i.data.degradation.distribution import Parameters, PassOptions
from i2i.data.degradation.jpeg import jpeg
from i2i.data.degradation.kernels import Kernel, KernelOptions, Kind, Range, draw_sinc, render
from i2i.data.degradation.noise import add_noise
from i2i.data.degradation.resize import crop_to_multiple, round_to_8bit
from i2i.data.degradation.sharpen import sharpen as sharpen_images
from i2i.recipe.ranges import KernelSize, Pixels, Probability, Scale
from i2i.registry import degradations

KINDS: dict[Kind, Probability] = {
    "isotropic": 0.45,
    "anisotropic": 0.25,
    "generalised-isotropic": 0.12,
    "generalised-anisotropic": 0.03,
    "plateau-isotropic": 0.12,
    "plateau-anisotropic": 0.03,
}
Probabilities = tuple[Probability, Probability]  # of the first and of the second pass
Ranges = tuple[Range, Range]


@degradations.register("second-order")
class SecondOrder:
    """Real-ESRGAN's degradation (Wang 2021, section 3): blur, resize, noise and JPEG, twice, then a final sinc filter.

    A sample depends on its image and seed alone (the published code draws the resizing and the kind of noise once for a
    batch). The target is the image, cropped to a multiple of `scale`; the source comes from its sharpened version if
    `sharpen` is set. Options of two values or two ranges are of the first and the second pass.

    `crop`: training pairs are random windows of as many target pixels; 0 for no crop.
    `kernel_size`: smallest and largest, in pixels, odd; `kernel_kinds`: probabilities of kernels other than sincs.
    `blur_probability`: that a pass blurs; `sinc_probability`: that its kernel is then a sinc.
    `generalised_shape`, `plateau_shape`: beta; half of the draws are below 1. `blur_sigma`: in pixels.
    `enlarge_probability`, `shrink_probability`: the rest keeps its size. `resize_range`: smallest and largest factor.
    `gaussian_probability`: the rest is Poisson noise. `gaussian_sigma`: in grey levels of 255; `poisson_scale`: 1 for
    the noise of a photon count. `grey_probability`: of noise that is equal in all channels.
    `jpeg_last_probability`: that the last JPEG comes after the final resize and sinc filter, not before them.
    """

    def __init__(
        self,
        *,
        scale: Scale = 4,
        crop: Pixels = 256,
        sharpen: bool = True,
        kernel_size: tuple[KernelSize, KernelSize] = (7, 21),
        kernel_kinds: dict[Kind, Probability] = KINDS,
        generalised_shape: Range = (0.5, 4.0),
        plateau_shape: Range = (1.0, 2.0),
        blur_probability: Probabilities = (1.0, 0.8),
        sinc_probability: Probabilities = (0.1, 0.1),
        blur_sigma: Ranges = ((0.2, 3.0), (0.2, 1.5)),
        enlarge_probability: Probabilities = (0.2, 0.3),
        shrink_probability: Probabilities = (0.7, 0.4),
        resize_range: Ranges = ((0.15, 1.5), (0.3, 1.2)),
        gaussian_probability: Probabilities = (0.5, 0.5),
        gaussian_sigma: Ranges = ((1.0, 30.0), (1.0, 25.0)),
        poisson_scale: Ranges = ((0.05, 3.0), (0.05, 2.5)),
        grey_probability: Probabilities = (0.4, 0.4),
        jpeg_quality: Ranges = ((30.0, 95.0), (30.0, 95.0)),
        final_sinc_probability: Probability = 0.8,
        jpeg_last_probability: Probability = 0.5,
    ) -> None:
        distribution.check_crop(scale, crop)
        distribution.check_probability("final_sinc_probability", final_sinc_probability)
        distribution.check_probability("jpeg_last_probability", jpeg_last_probability)
        self._scale, self._crop, self._sharpen = scale, crop, sharpen
        self._final_sinc, self._jpeg_last = final_sinc_probability, jpeg_last_probability
        self._kernels = KernelOptions(kernel_size, kernel_kinds, generalised_shape, plateau_shape)
        distribution.check_kernels(self._kernels)
        blurs = (blur_probability, sinc_probability, blur_sigma)
        resizes = (enlarge_probability, shrink_probability, resize_range)
        noises = (gaussian_probability, gaussian_sigma, poisson_scale, grey_probability)
        self._passes = [PassOptions(*one) for one in zip(*blurs, *resizes, *noises, jpeg_quality, strict=True)]
        for options in self._passes:
            distribution.check_pass(options)

    @torch.no_grad()
    def __call__(self, batch: HighResolution, *, training: bool = True) -> Pair:
        """Images (N, 1 or 3, H, W) in [0, 1] -> pairs on the same device; sources are rounded to 8 bit.

        Equal seeds give equal results on one kind of device. Raises ValueError for images smaller than `crop` or
        `scale`, or of other than 1 or 3 channels.
        """
        target = crop_to_multiple(batch.image, self._scale)
        if target.shape[1] not in (1, 3):
            raise ValueError(f"second-order: {target.shape[1]} channels are refused; choose from: 1 (grey) and 3 (RGB)")
        parameters = [self.draw(np.random.default_rng(seed)) for seed in batch.seed.tolist()]
        kernels, qualities = self._tensors(parameters, target.device)
        # One by one: the images of a batch differ in size between the resizes.
        sources = [
            self._degrade(image[None], *each)
            for image, *each in zip(target, parameters, kernels, qualities, strict=True)
        ]
        pair = Pair(torch.cat(sources), target)
        return self._crop_pairs(pair, parameters) if training and self._crop else pair

    def draw(self, rng: np.random.Generator) -> Parameters:
        """The parameters of one sample."""
        first, second = (distribution.draw_pass(rng, options, self._kernels) for options in self._passes)
        final = draw_sinc(rng, self._kernels, np.pi / 3) if rng.random() < self._final_sinc else Kernel()
        jpeg_last = bool(rng.random() < self._jpeg_last)
        noise_seed = int(rng.integers(2**63))
        return Parameters(
            (first, second), final, distribution.draw_mode(rng), jpeg_last, noise_seed, (rng.random(), rng.random())
        )

    def _tensors(self, parameters: list[Parameters], device: torch.device) -> tuple[Tensor, Tensor]:
        """Kernels (N, 3, K, K) and JPEG qualities (N, 2), copied to the device at once."""
        side = self._kernels.side
        kernels = [
            kernel for each in parameters for kernel in (*(one.kernel for one in each.passes), each.final_kernel)
        ]
        qualities = torch.tensor([[one.jpeg_quality for one in each.passes] for each in parameters])
        return render(kernels, side).view(-1, 3, side, side).to(device), qualities.to(device)

    def _degrade(self, image: Tensor, parameters: Parameters, kernels: Tensor, qualities: Tensor) -> Tensor:
        """The source of one image, (1, C, H, W) -> (1, C, H / scale, W / scale)."""
        low = [length // self._scale for length in image.shape[-2:]]
        generator = torch.Generator(image.device).manual_seed(parameters.noise_seed)

        def one_pass(image: Tensor, index: int, size: list[int]) -> Tensor:
            step = parameters.passes[index]
            blurred = _filter(image, step.kernel, kernels[index])
            target = [max(1, int(length * step.factor)) for length in size]
            by_factor = index == 0 and target == [int(length * step.factor) for length in size]
            resized = _resize(blurred, target, step.mode, factor=step.factor if by_factor else None)
            return add_noise(resized[0], step.noise, generator)[None].clamp_(0, 1)

        def resize_and_filter(image: Tensor) -> Tensor:
            return _filter(_resize(image, low, parameters.final_mode), parameters.final_kernel, kernels[2])

        image = sharpen_images(image) if self._sharpen else image
        image = jpeg(one_pass(image, 0, list(image.shape[-2:])), qualities[:1])
        image = one_pass(image, 1, low)
        if parameters.jpeg_last:
            return round_to_8bit(jpeg(resize_and_filter(image).clamp_(0, 1), qualities[1:]))
        return round_to_8bit(resize_and_filter(jpeg(image, qualities[1:])))

    def _crop_pairs(self, pair: Pair, parameters: list[Parameters]) -> Pair:
        height, width = pair.target.shape[-2:]
        if min(height, width) < self._crop:
            raise ValueError(
                f"second-order: {width}x{height} image is smaller than crop {self._crop}; set a smaller crop"
            )
        low = self._crop // self._scale
        margins = [length - low for length in pair.source.shape[-2:]]
        sources, targets = [], []
        for source, target, each in zip(*pair, parameters, strict=True):
            top, left = (int(share * (margin + 1)) for share, margin in zip(each.corner, margins, strict=True))
            sources.append(_window(source, top, left, low))
            targets.append(_window(target, top * self._scale, left * self._scale, self._crop))
        return Pair(torch.stack(sources), torch.stack(targets))


def _filter(image: Tensor, kernel: Kernel, rendered: Tensor) -> Tensor:
    return image if kernel.size == 1 else blur(image, rendered[None])


def _resize(image: Tensor, size: list[int], mode: distribution.Mode, *, factor: float | None = None) -> Tensor:
    """Without antialiasing, as in the published code: bilinear and bicubic alias where they shrink.

    Pixels are sampled at distances of 1 / `factor`, as in the published first pass; without it the ratio of the sizes,
    which are whole numbers.
    """
    align = None if mode == "area" else False
    if factor is not None and factor != 1:
        return F.interpolate(image, scale_factor=factor, mode=mode, align_corners=align)
    if list(image.shape[-2:]) == size:
        return image
    return F.interpolate(image, size=size, mode=mode, align_corners=None if mode == "area" else False)


def _window(image: Tensor, top: int, left: int, size: int) -> Tensor:
    return image[:, top : top + size, left : left + size]
