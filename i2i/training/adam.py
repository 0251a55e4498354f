"""The optimiser of every player: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015,
https://arxiv.org/abs/1412.6980.
"""

from typing import Any

import torch


class Adam(torch.optim.Adam):
    """torch's, whose moments lie in memory as their parameters do, also where they come from a checkpoint."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Moments in the memory layout of their parameters; the fused kernel takes another one for the same."""
        super().load_state_dict(state_dict)
        for parameter, moments in self.state.items():
            for name, moment in moments.items():
                if moment.shape == parameter.shape:
                    moments[name] = torch.empty_like(parameter).copy_(moment)
