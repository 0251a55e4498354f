import random

import pytest
import torch

import i2i
from i2i.interop import KINDS, load_published, recognise, rename
from i2i.networks.discriminators.vgg import VGGDiscriminator
from i2i.networks.generators.rrdb import RRDBNet
from i2i.networks.generators.srvgg import SRVGGNet
from tests.published import assert_same_weights, named, published_rrdb, published_srvgg, rrdb_names


@pytest.mark.parametrize("layout", ["2018", "2019", "2021"])
@pytest.mark.parametrize(
    ("blocks", "scale", "unshuffle"),
    [(1, 1, True), (1, 2, True), (1, 1, False), (1, 2, False), (11, 4, False), (1, 8, False)],
)
def test_an_rrdb_network_is_recognised_in_every_layout(tmp_path, layout, blocks, scale, unshuffle):
    network, state = published_rrdb(layout, blocks=blocks, scale=scale, unshuffle=unshuffle)
    keys = list(state)
    random.Random(0).shuffle(keys)
    torch.save({key: state[key] for key in keys}, tmp_path / "net.pth")
    loaded = load_published(tmp_path / "net.pth")
    assert_same_weights(loaded, network)
    assert (loaded.scale, loaded.multiple_of) == (scale, network.multiple_of)
    image = torch.rand(1, 3, 8, 12)
    assert torch.equal(loaded(image), network(image))


@pytest.mark.parametrize("layout", ["2018", "2019", "2021"])
def test_a_file_that_lacks_one_convolution_is_refused_and_names_it(layout):
    _, state = published_rrdb(layout, blocks=3)
    names = rrdb_names(layout, blocks=3, ups=2)
    # Without the first of a block it is of no known kind, without the last up-sampling of a smaller scale.
    for name in names:
        if f"{name}.weight" in KINDS or name in ("conv_up2", "upconv2"):
            continue
        with pytest.raises(ValueError, match=f"lacks {name.replace('.', '[.]')}[.]weight"):
            recognise({key: tensor for key, tensor in state.items() if not key.startswith(f"{name}.")})


@pytest.mark.parametrize(("scale", "unshuffle"), [(1, 2), (2, 4), (4, 2), (4, 4), (8, 2)])
def test_the_factor_of_unshuffling_is_apart_from_the_scale(scale, unshuffle):
    network, state = published_rrdb(scale=scale, unshuffle=unshuffle)
    options = recognise(state)[1]
    assert (options["scale"], options["unshuffle"]) == (scale, unshuffle)
    loaded = RRDBNet(**options).eval()
    loaded.load_state_dict(rename(state, loaded))
    image = torch.rand(1, 3, 8, 12)
    assert loaded(image).shape == (1, 3, 8 * scale, 12 * scale)
    assert torch.equal(loaded(image), network(image))


def test_one_up_sampling_is_x2_unless_said_to_be_x3(tmp_path):
    network, state = published_rrdb(scale=3)
    torch.save(state, tmp_path / "net.pth")
    with pytest.warns(UserWarning, match="loaded as x2; if it is for x3"):
        assert load_published(tmp_path / "net.pth").scale == 2
    image = torch.rand(1, 3, 4, 5)
    assert torch.equal(load_published(tmp_path / "net.pth", scale=3)(image), network(image))
    with pytest.raises(ValueError, match=r"net\.pth: its layers are those of x2, not of x4"):
        load_published(tmp_path / "net.pth", scale=4)


@pytest.mark.parametrize("channels", [(1, 1), (4, 4), (1, 3)])
def test_other_channels_are_no_unshuffling(channels):
    before, after = channels
    _, state = published_rrdb(in_channels=before, out_channels=after)
    assert recognise(state)[1] == {
        "in_channels": before, "out_channels": after, "features": 4, "blocks": 1, "growth": 2, "scale": 4,
        "unshuffle": False,
    }  # fmt: skip


@pytest.mark.parametrize("options", [{"convolutions": 11}, {"convolutions": 1, "scale": 2, "in_channels": 1}])
def test_a_compact_network_is_recognised_whatever_its_options(options):
    channels = options.get("in_channels", 3)
    network, state = published_srvgg(**options, out_channels=channels)
    name, found = recognise(dict(reversed(state.items())))
    expected = {"in_channels": channels, "out_channels": channels, "features": 4, "scale": 4, **options}
    assert (name, found) == ("srvgg", expected)
    loaded = SRVGGNet(**found)
    loaded.load_state_dict(rename(state, loaded))
    assert_same_weights(loaded, network)


def test_a_compact_network_without_prelu_loads_with_its_activation_given():
    network, state = published_srvgg(convolutions=2, activation="leakyrelu")
    with pytest.raises(ValueError, match="do not say whether it was trained with relu or leakyrelu"):
        recognise(state)
    assert network.load_state_dict(rename(state, network))


def test_the_order_of_a_discriminator_s_keys_does_not_matter():
    network = VGGDiscriminator(size=32, features=4)
    levels = [f"{kind}{level}_{step}" for level in range(3) for step in (0, 1) for kind in ("conv", "bn")]
    state = named([*(name for name in levels if name != "bn0_0"), "linear1", "linear2"], network)
    renamed = rename(dict(reversed(state.items())), network)
    assert all(renamed[key] is tensor for key, tensor in rename(state, network).items())
    assert renamed.keys() == network.state_dict().keys()


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        (
            {f"body.0.rdb{n}.conv1x1.weight": torch.zeros(2, 4, 1, 1) for n in (1, 2, 3)},
            "has body.0.rdb1.conv1x1.weight",
        ),
        ({"body.0.rdb1.conv3.weight": torch.zeros(2, 7, 3, 3)}, r"where RRDBNet has blocks\.0\.residual\.0\.conv"),
        ({"body.0.norm.weight": torch.ones(4)}, "22 layers with weights, but RRDBNet has 21"),
        ({f"conv_up{n}.weight": torch.zeros(4, 4, 3, 3) for n in (3, 4)}, "4 up-samplings by 2, .* are scale 16"),
        ({"conv_up4.weight": torch.zeros(4, 4, 3, 3)}, r"lacks conv_up3\.weight"),
        ({"body.999999.rdb1.conv1.weight": torch.zeros(2, 4, 3, 3)}, r"lacks body\.1\.rdb1\.conv1\.weight"),
    ],
)
def test_what_is_almost_an_rrdb_network_is_refused_with_the_reason(tmp_path, extra, sentence):
    torch.save(published_rrdb()[1] | extra, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=rf"net\.pth: .*{sentence}"):
        load_published(tmp_path / "net.pth")


def test_a_published_upscaler_takes_images_of_any_size(tmp_path):
    network, state = published_rrdb(scale=2)
    torch.save({"params_ema": state}, tmp_path / "x2.pth")
    upscale = i2i.load(tmp_path / "x2.pth", device="cpu")
    card = upscale.card
    assert (card.scale, card.multiple_of, card.min_size, card.value_range) == (2, 2, 2, (0.0, 1.0))
    image = torch.rand(3, 7, 9)
    # The last row and column are padded by reflection, and what they became is cut off.
    padded = torch.cat([image, image[:, 5:6]], dim=1)
    padded = torch.cat([padded, padded[:, :, 7:8]], dim=2)
    with torch.no_grad():
        expected = network(padded[None])[0, :, :14, :18].clamp(0, 1)
    torch.testing.assert_close(upscale(image), expected)
    pixels = (255 * image).round().byte().permute(1, 2, 0).numpy()
    assert upscale(pixels).shape == (14, 18, 3) and upscale(pixels[:1, :1]).shape == (2, 2, 3)
