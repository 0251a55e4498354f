"""SPAN, PLKSR and RealPLKSR against spandrel, which reads what others publish."""

import pytest
import torch
from torch import Tensor, nn

from i2i import interop
from i2i.interop import load_published
from i2i.networks.generators import ImageGenerator
from i2i.networks.reparameterised import fold

spandrel = pytest.importorskip("spandrel")
from spandrel.architectures.PLKSR import PLKSR as TheirPLKSR  # noqa: E402
from spandrel.architectures.PLKSR import RealPLKSR as TheirRealPLKSR  # noqa: E402
from spandrel.architectures.SPAN import SPAN as TheirSPAN  # noqa: E402

SMALL = {"dim": 8, "n_blocks": 2, "kernel_size": 5}
NETWORKS = {
    "span": (TheirSPAN, {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 8}),
    "span x2 without norm": (
        TheirSPAN,
        {"num_in_ch": 1, "num_out_ch": 1, "feature_channels": 4, "upscale": 2, "norm": False},
    ),
    "plksr": (TheirPLKSR, {**SMALL, "ccm_type": "DCCM", "upscaling_factor": 2}),
    "plksr-tiny": (TheirPLKSR, {**SMALL, "ccm_type": "CCM", "use_ea": False, "upscaling_factor": 3}),
    "plksr inverse": (TheirPLKSR, {**SMALL, "ccm_type": "ICCM", "split_ratio": 0.5, "upscaling_factor": 1}),
    "realplksr": (TheirRealPLKSR, {**SMALL, "upscaling_factor": 4}),
    "realplksr layer norm": (TheirRealPLKSR, {**SMALL, "upscaling_factor": 2, "layer_norm": True, "use_ea": False}),
    "realplksr dysample": (TheirRealPLKSR, {**SMALL, "upscaling_factor": 4, "dysample": True}),
    "realplksr dysample x1": (TheirRealPLKSR, {**SMALL, "upscaling_factor": 1, "dysample": True}),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def theirs(name: str) -> nn.Module:
    """As after training: no weight or bias is zero or one."""
    torch.manual_seed(0)
    kind, options = NETWORKS[name]
    network = kind(**options)
    for key, weight in network.named_parameters():
        nn.init.normal_(weight, float("norm.weight" in key), 0.1)
    return network.eval()


def image_for(network: ImageGenerator) -> Tensor:
    return torch.rand(2, network.in_channels, 9, 7, dtype=torch.float64)


@every_network
@torch.no_grad()
def test_a_published_file_gives_what_spandrel_gives(name, tmp_path):
    published = theirs(name)
    torch.save({"params_ema": published.state_dict()}, tmp_path / "net.pth")
    network, image = load_published(tmp_path / "net.pth").double(), None
    image = image_for(network)
    loaded = spandrel.ModelLoader().load_from_file(tmp_path / "net.pth")
    assert (loaded.scale, loaded.input_channels) == (network.scale, network.in_channels)
    expected = loaded.model.double()(image.clone())
    assert expected.std() > 1e-3
    torch.testing.assert_close(network(image), expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(fold(network)(image), expected, rtol=0, atol=1e-9)


@every_network
@torch.no_grad()
def test_a_network_of_ours_is_published_as_spandrel_reads_it(name, tmp_path):
    torch.save(theirs(name).state_dict(), tmp_path / "theirs.pth")
    network = load_published(tmp_path / "theirs.pth")
    for weight in network.parameters():
        weight.mul_(0.9)
    interop.save_published(network, tmp_path / "ours.pth")
    image = image_for(network)
    expected = spandrel.ModelLoader().load_from_file(tmp_path / "ours.pth").model.double()(image.clone())
    torch.testing.assert_close(network.double()(image), expected, rtol=0, atol=1e-9)
    again = load_published(tmp_path / "ours.pth").state_dict()
    assert all(torch.equal(tensor.float(), again[key]) for key, tensor in network.state_dict().items())
