import pytest
import torch
from torch import nn

from i2i.networks.discriminators.dcgan import DCGANDiscriminator


@pytest.mark.parametrize("size", [32, 64, 256])
def test_any_power_of_two_ends_in_one_logit(size):
    judge = DCGANDiscriminator(size=size, features=2)
    assert judge(torch.rand(2, 3, size, size)).shape == (2, 1, 1, 1)


def test_the_64_pixel_network_is_the_paper_s():
    judge = DCGANDiscriminator(size=64)
    convolutions = [layer for layer in judge.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 128, 256, 512, 1]
    assert all(layer.kernel_size == (4, 4) for layer in convolutions)
    # No norm at the input layer (section 3), none at the logit.
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in judge.modules()) == 3


def test_another_size_of_image_is_refused_with_a_sentence():
    judge = DCGANDiscriminator(size=64, features=2)
    with pytest.raises(ValueError, match="size 64 can't judge images of height 64 and width 96; resize or crop"):
        judge(torch.rand(1, 3, 64, 96))


@pytest.mark.parametrize("size", [0, 16, 48, 100])
def test_a_size_that_is_no_power_of_two_is_refused(size):
    with pytest.raises(ValueError, match=f"size = {size} is refused; allowed: a power of two, 32 or more"):
        DCGANDiscriminator(size=size)


def test_weights_of_one_without_classes_are_named_as_before():
    names = {name.partition(".")[0] for name in DCGANDiscriminator(features=2).state_dict()}
    assert names == {"stem", "blocks", "head"}


def test_a_label_is_one_more_channel_of_the_image():
    torch.manual_seed(0)
    judge, wider = (
        DCGANDiscriminator(size=32, features=2, classes=3),
        DCGANDiscriminator(size=32, features=2, in_channels=4),
    )
    wider.load_state_dict({key: value for key, value in judge.state_dict().items() if "embedding" not in key})
    image, label = torch.rand(2, 3, 32, 32), torch.tensor([2, 0])
    picture = judge.embedding.weight[label].reshape(2, 1, 32, 32)
    assert judge.classes == 3
    torch.testing.assert_close(judge(image, label), wider(torch.cat([image, picture], dim=1)))


def test_gradients_reach_the_pictures_of_the_classes_seen_and_no_other():
    judge = DCGANDiscriminator(size=32, features=2, classes=3)
    judge(torch.rand(2, 3, 32, 32), torch.tensor([0, 2])).sum().backward()
    assert (judge.embedding.weight.grad.abs().sum(1) > 0).tolist() == [True, False, True]


@pytest.mark.parametrize("minibatch", ["deviation", "discrimination"])
def test_with_a_minibatch_layer_a_logit_depends_on_the_other_images(minibatch):
    torch.manual_seed(0)
    judge = DCGANDiscriminator(size=32, features=2, norm="none", minibatch=minibatch, init="kaiming")
    images = torch.rand(4, 3, 32, 32, requires_grad=True)
    logits = judge(images)
    (gradient,) = torch.autograd.grad(logits[0].sum(), images)
    assert logits.shape == (4, 1, 1, 1)
    assert gradient[1].any() and gradient[2].any()


def test_an_unknown_minibatch_layer_is_refused():
    with pytest.raises(ValueError, match="unknown minibatch 'all'; choose from: deviation, discrimination, none"):
        DCGANDiscriminator(size=32, minibatch="all")
