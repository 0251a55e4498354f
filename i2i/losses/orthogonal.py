"""Orthogonal regularisation: filters that do not repeat each other, so that truncated latents still make images.

Brock, Donahue, Simonyan 2019: Large Scale GAN Training for High Fidelity Natural Image Synthesis, section 3.1,
https://arxiv.org/abs/1809.11096.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from i2i.losses.adversarial import at_least_float32


def orthogonality(network: nn.Module) -> Tensor:
    """Sum over convolutions and linear layers of the squared inner products of every two different filters, as one
    number (equation 3, where it is multiplied with beta = 1e-4). How long a filter is does not matter; embeddings and
    norms are left alone.

    With spectral norm it is of the weights that are trained, before they are divided. Never in half precision.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    return torch.stack([_repetition(_filters(layer)) for layer in layers]).sum()


def _filters(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> Tensor:
    """One row for each channel that comes out."""
    # The parameter itself: to ask a spectral norm for its weight would move its power iteration on.
    name = "parametrizations.weight.original" if parametrize.is_parametrized(layer, "weight") else "weight"
    trained = layer.get_parameter(name)
    return (trained.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else trained).flatten(1)


def _repetition(filters: Tensor) -> Tensor:
    """The squared Frobenius norm of W W^T less its diagonal; that of W^T W is the same, and W may be tall."""
    with torch.autocast(filters.device.type, enabled=False):
        filters = at_least_float32(filters)
        rows, columns = filters.shape
        products = filters @ filters.T if rows <= columns else filters.T @ filters
        return products.square().sum() - filters.square().sum(1).square().sum()
