"""Orthogonal regularisation: keeps the filters of a layer apart, so that truncated latents still give images.

Brock, Donahue, Simonyan 2019: Large Scale GAN Training for High Fidelity Natural Image Synthesis, section 3.1,
https://arxiv.org/abs/1809.11096.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from i2i.losses.precision import at_least_float32


def orthogonal_penalty(network: nn.Module) -> Tensor:
    """Sum over convolutions and linear layers of the squared inner products of every two different filters (equation 3,
    without beta). The length of a filter does not count, nor do embeddings and norms.

    Of a layer with spectral norm the trained weights count, before they are divided. In float32 or better, also under
    autocast.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    return torch.stack([_inner_products(_filters(layer)) for layer in layers]).sum()


def _filters(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> Tensor:
    """Trained weights with one row for each output channel."""
    # The parameter itself: reading a spectral norm's weight would advance its power iteration.
    name = "parametrizations.weight.original" if parametrize.is_parametrized(layer, "weight") else "weight"
    weight = layer.get_parameter(name)
    return (weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight).flatten(1)


def _inner_products(filters: Tensor) -> Tensor:
    """Squared Frobenius norm of W W^T without its diagonal; that of W^T W is the same, and the smaller one is taken."""
    with torch.autocast(filters.device.type, enabled=False):
        filters = at_least_float32(filters)
        rows, columns = filters.shape
        products = filters @ filters.T if rows <= columns else filters.T @ filters
        return products.square().sum() - filters.square().sum(1).square().sum()
