"""Penalties on gradients: WGAN-GP's, R1 and R2 on a discriminator, path length on a generator.

A judge is a function from images (N, C, H, W) to logits: a discriminator, with its condition or labels where it has
them. Its value for an image is the mean of that image's logits, of several scales the mean over scales. It must have no
batch norm, because a penalty is on the gradient of one image alone: `i2i.methods.base.check_discriminators` refuses it.
Penalties are in float32 or better, also under autocast.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from i2i.losses.adversarial import Adversarial, Logits, mean_by_image
from i2i.losses.precision import at_least_float32

Judge = Callable[[Tensor], Logits]

# Times values, it gives weights that a penalty does not depend on a gradient of 0 instead of none. Adam then counts the
# step for them, too, as in StyleGAN2's published code, where penalties are steps of their own.
_ZERO = 0.0


def penalty_terms(objective: Adversarial, judge: Judge, real: Tensor, fake: Tensor, *, step: int) -> dict[str, Tensor]:
    """Further loss terms of the discriminator at this training step: the objective's weighted gradient penalty, R1 and
    R2, for one that has them.
    """
    terms = lazy_r1(judge, real, weight=objective.r1_weight, every=objective.r1_every, step=step)
    if r2 := lazy_r1(judge, fake, weight=objective.r2_weight, every=objective.r1_every, step=step):
        terms["r2"] = r2["r1"]
    if objective.penalty_weight:
        terms["penalty"] = objective.penalty_weight * gradient_penalty(judge, real, fake)
    return terms


def lazy_r1(judge: Judge, real: Tensor, *, weight: float, every: int, step: int) -> dict[str, Tensor]:
    """R1 as a loss term at every `every`-th step, and as many times as large (Karras et al. 2020, section 3.1,
    https://arxiv.org/abs/1912.04958); nothing at other steps.
    """
    if not weight or step % every:
        return {}
    return {"r1": 0.5 * weight * every * r1_penalty(judge, real)}


def gradient_penalty(judge: Judge, real: Tensor, fake: Tensor) -> Tensor:
    """Mean over the batch of (|gradient of the judge at x| - 1) ** 2, where x lies uniformly between a real and a fake
    image (Gulrajani et al. 2017, Improved Training of Wasserstein GANs, algorithm 1, https://arxiv.org/abs/1704.00028).
    """
    with torch.autocast(real.device.type, enabled=False):
        real, fake = at_least_float32(real), at_least_float32(fake)
        epsilon = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
        gradient = _gradient(judge, epsilon * real + (1 - epsilon) * fake)
        return (gradient.norm(dim=1) - 1).square().mean()


def r1_penalty(judge: Judge, real: Tensor) -> Tensor:
    """Mean over the batch of the squared norm of the judge's gradient at real images; the factor gamma / 2 is the
    caller's (Mescheder et al. 2018, Which Training Methods for GANs do actually Converge?, equation 9,
    https://arxiv.org/abs/1801.04406).
    """
    with torch.autocast(real.device.type, enabled=False):
        return _gradient(judge, at_least_float32(real)).square().sum(1).mean()


def squared_slope(logits: Logits, images: Tensor) -> Tensor:
    """Mean over the batch of the squared norm of the gradient of logits at the images (N, C, H, W) that they were
    computed from, which need a gradient: R1 at real images, R2 at fakes, from a pass whose logits serve another term,
    too. The factor gamma / 2 is the caller's.
    """
    return _slope(mean_by_image(logits), images).square().sum(1).mean()


def path_lengths(image: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    """Path length |J^T noise| of every image (N,), where J is the Jacobian of the images (N, C, H, W) by their styles w
    (N, layers, style) or (N, style); the root mean square over layers (Karras et al. 2020, Analyzing and Improving the
    Image Quality of StyleGAN, section 3.2, https://arxiv.org/abs/1912.04958). `noise` has the variance 1 / (H W).
    """
    (gradient,) = torch.autograd.grad((image * noise).sum(), w, create_graph=True)
    return gradient.square().sum(-1).reshape(len(w), -1).mean(1).sqrt() + _ZERO * image.flatten(1).sum(1)


def _gradient(judge: Judge, images: Tensor) -> Tensor:
    """Gradient of the judge's value at each image (N, C * H * W), with a graph of its own."""
    images = images.detach().requires_grad_()
    return _slope(mean_by_image(judge(images)), images)


def _slope(values: Tensor, images: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(values.sum(), images, create_graph=True)
    return gradient.flatten(1) + _ZERO * values[:, None]
