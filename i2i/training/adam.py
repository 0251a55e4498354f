"""The optimiser of every player: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015,
https://arxiv.org/abs/1412.6980.
"""

from typing import Any

import torch
from torch import Tensor


class Adam(torch.optim.Adam):
    """torch's, which is shown tensors that are channels-last in the order in which they lie in memory.

    Adam does the same to every number, so their order means nothing to it; but torch's fused kernel for CPUs first
    copies what is not contiguous, and then back: a fifth of its time for RRDB-23, 44% for ESRGAN's discriminator.
    """

    def _init_group(self, group: dict[str, Any], *lists: Any) -> bool:
        """Collects parameters, gradients, both moments and more of a group, one list of tensors for each."""
        has_complex = super()._init_group(group, *lists)
        parameters, gradients, *moments = lists[:4]
        for index, parameter in enumerate(parameters):
            if _is_channels_last(parameter) and all(_is_channels_last(each[index]) for each in moments):
                gradients[index] = gradients[index].contiguous(memory_format=torch.channels_last)
                for each in lists[:4]:
                    each[index] = each[index].permute(0, 2, 3, 1)
        return bool(has_complex)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Moments in the memory layout of their parameters; the fused kernel takes another one for the same."""
        super().load_state_dict(state_dict)
        for parameter, moments in self.state.items():
            for name, moment in moments.items():
                if moment.shape == parameter.shape:
                    moments[name] = torch.empty_like(parameter).copy_(moment)


def _is_channels_last(tensor: Tensor) -> bool:
    return tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
