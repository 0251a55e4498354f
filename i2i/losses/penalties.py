"""Penalties on gradients: R1 on a discriminator's, path length on a generator's."""

import torch
from torch import Tensor

from i2i.losses.adversarial import Judge, at_least_float32


def r1_penalty(judge: Judge, real: Tensor) -> Tensor:
    """Mean over the batch of the squared norm of the judge's gradient at real images; the factor gamma / 2 is the
    caller's (Mescheder et al. 2018, Which Training Methods for GANs do actually Converge?, equation 9,
    https://arxiv.org/abs/1801.04406).

    A judge's value for an image is the mean of its logits. It must not be batch normed: the gradient is one image's
    own. Never in half precision, also under autocast.
    """
    with torch.autocast(real.device.type, enabled=False):
        real = at_least_float32(real.detach()).requires_grad_()
        values = judge(real).reshape(len(real), -1).mean(1)
        (gradient,) = torch.autograd.grad(values.sum(), real, create_graph=True)
        return gradient.square().flatten(1).sum(1).mean()


def path_lengths(image: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    """|J^T noise| of every image (N,), J being the Jacobian of the images (N, C, H, W) by the points w (N, layers,
    style), or (N, style), that they were made of; the root of the mean square over layers. With noise of the variance
    1 / (H W) lengths are equal where equal steps in w change an image equally, everywhere and in every direction
    (Karras et al. 2020, Analyzing and Improving the Image Quality of StyleGAN, section 3.2,
    https://arxiv.org/abs/1912.04958).
    """
    (gradient,) = torch.autograd.grad((image * noise).sum(), w, create_graph=True)
    return gradient.square().sum(-1).reshape(len(w), -1).mean(1).sqrt()
