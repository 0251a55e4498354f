"""Fully connected layers of the first generative adversarial networks.

Goodfellow, Warde-Farley, Mirza, Courville, Bengio 2013: Maxout Networks, section 2, https://arxiv.org/abs/1302.4389.
"""

from torch import Tensor, nn


class Maxout(nn.Module):
    """A fully connected layer, each of whose units is the largest of `pieces` linear functions.

    Shapes: (N, inputs) -> (N, outputs).
    """

    def __init__(self, inputs: int, outputs: int, *, pieces: int) -> None:
        super().__init__()
        self.linear, self.pieces = nn.Linear(inputs, outputs * pieces), pieces

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features).unflatten(1, (-1, self.pieces)).amax(2)
