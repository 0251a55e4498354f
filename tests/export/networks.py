"""Small image generators as after training, by name, with their cards."""

import torch
from torch import nn

from i2i.checkpoints.card import card_of
from i2i.networks.generators.base import ImageGenerator
from i2i.networks.generators.gigagan import GigaGANUpsampler
from i2i.networks.generators.realplksr import RealPLKSR
from i2i.networks.generators.resnet import ResnetGenerator
from i2i.networks.generators.rrdb import RRDBNet
from i2i.networks.generators.span import SPAN
from i2i.networks.generators.srvgg import SRVGGNet
from i2i.networks.generators.unet import UnetGenerator
from i2i_runtime.card import Card

GENERATORS = {
    "resnet": lambda: ResnetGenerator(features=4, blocks=1),
    "resnet, resized": lambda: ResnetGenerator(in_channels=1, features=4, blocks=1, upsampling="resize"),
    "unet": lambda: UnetGenerator(features=4, depth=3),
    "rrdb": lambda: RRDBNet(features=4, blocks=1, growth=2, scale=2),
    "span": lambda: SPAN(features=4, scale=2),
    "realplksr": lambda: RealPLKSR(features=4, blocks=1, kernel=3, scale=1, dysample=True),
    "gigagan": lambda: GigaGANUpsampler(features=4, most_features=16, depth=2, style=8, scale=2),
    "srvgg": lambda: SRVGGNet(features=4, convolutions=1, scale=2),
}


def generator_of(name: str) -> ImageGenerator:
    torch.manual_seed(0)
    generator = GENERATORS[name]()
    for layer in generator.modules():
        # As after training: before it, these are zeros and ones.
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.5, 0.5)
            layer.running_var.uniform_(0.5, 2)
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None:
            nn.init.uniform_(layer.bias, -0.1, 0.1)
    return generator


def card(generator: ImageGenerator) -> Card:
    return card_of(generator, {"product": "generator", "recipe": "", "step": "7"})
