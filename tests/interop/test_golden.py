"""Networks held to what the authors' code computed from the same weights, all in float64."""

import json

import numpy as np
import pytest
import torch

from i2i.interop import load_published, rename
from i2i.networks.discriminators.patchgan import PatchGAN, PixelGAN
from i2i.networks.discriminators.unet import UnetDiscriminator
from i2i.networks.discriminators.vgg import VGGDiscriminator
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.rrdb import RRDBNet
from i2i.networks.generators.srvgg import SRVGGNet
from i2i.networks.generators.unet import UnetGenerator
from tests import golden
from tests.published import published_filter

ANTIALIASED = "cut_resnet_9blocks_antialias_ngf16"
GOLDEN = {
    ANTIALIASED: lambda: ResnetGenerator(features=16, antialias_down=True, antialias_up=True),
    "cut_resnet_9blocks_noantialias_ngf16": lambda: ResnetGenerator(features=16),
    "resnet_6blocks_batch_ngf16": lambda: ResnetGenerator(features=16, blocks=6, norm="batch"),
    "resnet_9blocks_instance_ngf16": lambda: ResnetGenerator(features=16),
    "unet_128_batch_ngf16": lambda: UnetGenerator(features=16, depth=7),
    "unet_256_instance_ngf8": lambda: UnetGenerator(features=8, norm="instance"),
    "cut_patchgan_3layers_antialias_instance_ndf16": lambda: PatchGAN(features=16, norm="instance", antialias=True),
    "patchgan_3layers_batch_ndf16_6ch": lambda: PatchGAN(in_channels=6, features=16),
    "patchgan_3layers_instance_ndf16": lambda: PatchGAN(features=16, norm="instance"),
    "pixelgan_batch_ndf16": lambda: PixelGAN(in_channels=6, features=16),
    "rrdb_x2_2blocks_nf16_gc8": lambda: RRDBNet(features=16, growth=8, blocks=2, scale=2),
    "rrdb_x4_3blocks_nf16_gc8": lambda: RRDBNet(features=16, growth=8, blocks=3),
    "srvgg_x4_nf16_conv4": lambda: SRVGGNet(features=16, convolutions=4),
    "unet_discriminator_sn_nf8": lambda: UnetDiscriminator(features=8),
    "vgg_discriminator_128_nf8": lambda: VGGDiscriminator(features=8),
}


JUDGES = ("patchgan", "pixelgan", "discriminator")


def recorded(shared, name):
    """The recorded arrays, and the published state dict that they were recorded with."""
    arrays = np.load(shared / "golden" / "networks" / f"{name}.npz")
    state = golden.weights(json.loads(str(arrays["state_dict"])))
    for key in [key for key in state if key.endswith(".filt")]:
        state[key] = published_filter(*state[key].shape)
    for key in [key for key in state if key.endswith("weight_orig")]:
        # A power iteration that has converged: the leading singular vectors.
        left, _, right = torch.linalg.svd(state[key].flatten(1), full_matrices=False)
        prefix = key.removesuffix("orig")
        state |= {f"{prefix}u": left[:, 0], f"{prefix}v": right[0]}
    return arrays, state


@pytest.mark.parametrize("name", GOLDEN)
def test_published_weights_give_the_published_output(shared, name):
    arrays, state = recorded(shared, name)
    network = GOLDEN[name]().double().train(str(arrays["mode"]) == "train")
    network.load_state_dict(rename(state, network))
    with torch.no_grad():
        output = network(torch.from_numpy(arrays["input"]).double())
    golden.assert_recorded(output, arrays)


@pytest.mark.parametrize("name", [ANTIALIASED, "cut_resnet_9blocks_noantialias_ngf16"])
def test_features_are_those_that_the_loss_of_cut_sees(shared, name):
    arrays, state = recorded(shared, name)
    network = GOLDEN[name]().double()
    network.load_state_dict(rename(state, network))
    image = torch.from_numpy(arrays["input"][:1]).double()
    layers = json.loads(str(arrays["nce_layers"]))
    for layer, found in zip(layers, network.features(image, layers), strict=True):
        golden.assert_recorded(found, arrays, f"feature_{layer}")


@pytest.mark.parametrize("name", [name for name in GOLDEN if not any(judge in name for judge in JUDGES)])
def test_a_published_file_needs_no_options(shared, name, tmp_path):
    arrays, state = recorded(shared, name)
    torch.save(state, tmp_path / "latest_net_G.pth")
    generator = load_published(tmp_path / "latest_net_G.pth")
    with torch.no_grad():
        output = generator.double()(torch.from_numpy(arrays["input"]).double())
    golden.assert_recorded(output, arrays)
