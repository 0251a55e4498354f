import pytest
import torch

from i2i.interop import recognise, rename
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.unet import UnetGenerator
from tests.published import published_cut, published_resnet, published_unet


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


@pytest.mark.parametrize("blocks", [1, 6, 12])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("dropout", [False, True])
def test_the_antialiased_resnet_of_cut_is_recognised_whatever_its_options(blocks, norm, dropout):
    state = published_cut(blocks=blocks, norm=norm, dropout=dropout)
    name, options = recognise(state)
    assert name == "resnet"
    assert options == {
        "in_channels": 2, "out_channels": 1, "features": 4, "blocks": blocks, "norm": norm, "dropout": dropout,
        "antialias_down": True, "antialias_up": True,
    }  # fmt: skip
    ResnetGenerator(**options).load_state_dict(rename(state, ResnetGenerator(**options)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda state: state.pop("model.11.filt"), "lacks model.11.filt, a filter of CUT's anti-aliased network"),
        (lambda state: state["model.13.filt"].mul_(2), "model.13.filt is not the filter that CUT was published with"),
        (
            lambda state: state.update({"model.7.filt": torch.full((8, 1, 4, 4), 1 / 16)}),
            "model.7.filt is not the filter",
        ),
        (lambda state: state.update({"model.2.filt": torch.ones(4, 1, 3, 3)}), "has model.2.filt, which the published"),
        (lambda state: state.pop("model.8.weight"), "lacks model.7.weight"),
        (lambda state: state.pop("model.14.weight"), "lacks model.13.weight"),
    ],
    ids=["lost", "scaled", "larger", "one too many", "no down-sampling", "no up-sampling"],
)
def test_an_antialiased_resnet_that_is_not_the_published_one_is_refused(change, sentence):
    state = published_cut(blocks=1)
    change(state)
    with pytest.raises(ValueError, match=sentence):
        recognise(state)


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
