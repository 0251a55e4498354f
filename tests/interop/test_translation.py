import pytest
import torch

from i2i.interop import recognise, rename
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.unet import UnetGenerator
from tests.published import published_resnet, published_unet


@pytest.mark.parametrize("depth", [5, 7, 9])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_a_unet_is_recognised_whatever_its_options(depth, norm):
    state = published_unet(depth=depth, norm=norm)
    name, options = recognise(state)
    assert name == "unet"
    assert options == {"in_channels": 2, "out_channels": 1, "features": 4, "depth": depth, "norm": norm}
    UnetGenerator(**options).load_state_dict(rename(state, UnetGenerator(**options)))


@pytest.mark.parametrize("blocks", [1, 6, 12])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("dropout", [False, True])
def test_a_resnet_is_recognised_whatever_its_options(blocks, norm, dropout):
    state = published_resnet(blocks=blocks, norm=norm, dropout=dropout)
    name, options = recognise(state)
    assert name == "resnet"
    assert options == {
        "in_channels": 2, "out_channels": 1, "features": 4, "blocks": blocks, "norm": norm, "dropout": dropout,
    }  # fmt: skip
    ResnetGenerator(**options).load_state_dict(rename(state, ResnetGenerator(**options)))


def test_running_statistics_of_old_instance_norms_are_left_out():
    state = published_resnet(blocks=1)
    network = ResnetGenerator(in_channels=2, out_channels=1, features=4, blocks=1)
    clean = rename(state, network)
    state |= {"model.2.running_mean": torch.ones(4), "model.2.running_var": torch.ones(4)}
    state["model.2.num_batches_tracked"] = torch.tensor(7)
    assert recognise(state)[1]["norm"] == "instance"
    assert rename(state, network).keys() == clean.keys()


def test_counters_that_old_batch_norms_lack_start_at_zero():
    state = published_resnet(blocks=1, norm="batch")
    old = {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
    network = ResnetGenerator(in_channels=2, out_channels=1, features=4, blocks=1, norm="batch")
    assert rename(old, network).keys() == rename(state, network).keys()
