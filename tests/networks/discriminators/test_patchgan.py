import pytest
import torch

from i2i.networks.discriminators.patchgan import PatchGAN, PixelGAN


def parameters(network) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_parameter_counts_are_the_published_ones():
    assert parameters(PatchGAN(norm="instance")) == 2_764_737
    assert parameters(PatchGAN(in_channels=6)) == 2_768_705
    assert parameters(PixelGAN(in_channels=6)) == 9_024


def test_a_256_pixel_image_gets_30x30_logits():
    assert PatchGAN(features=2)(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 30, 30)


@pytest.mark.parametrize(("layers", "pixels"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_a_logit_sees_a_patch_of_the_published_size(layers, pixels):
    # Published: 16 for one layer, 70 for three. Every layer doubles the patch and adds what its kernel reaches beyond.
    judge = PatchGAN(layers=layers, features=1, norm="none", init="kaiming")
    image = torch.rand(1, 3, 256, 256, requires_grad=True)
    logits = judge(image)
    middle = logits.shape[-1] // 2
    # A step across LeakyReLU's kink is never flat, so the gradient is non-zero wherever the logit looks.
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], image)
    rows = gradient.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == pixels


@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_the_smallest_image_gets_one_logit_and_a_smaller_one_is_refused(layers):
    judge = PatchGAN(layers=layers, features=1, norm="instance").train()
    smallest = 3 * 2**layers
    judge.check_size(smallest, smallest)
    assert judge(torch.rand(1, 3, smallest, smallest)).shape == (1, 1, 1, 1)
    with pytest.raises(ValueError, match=f"width {smallest - 1}; both must be at least {smallest}$"):
        judge.check_size(smallest, smallest - 1)


def test_a_pixel_is_judged_by_its_colour_alone():
    judge = PixelGAN(features=4, norm="none", init_gain=0.5)
    image = torch.rand(1, 3, 8, 8)
    shuffled = image.flatten(2)[..., torch.randperm(64)].view_as(image)
    torch.testing.assert_close(judge(image).flatten().sort()[0], judge(shuffled).flatten().sort()[0])


def test_no_layers_are_refused():
    with pytest.raises(ValueError, match="layers = 0 is too small; allowed: 1 or more"):
        PatchGAN(layers=0)


@pytest.mark.parametrize(("layers", "size"), [(3, (24, 24)), (3, (37, 50)), (1, (6, 7)), (5, (96, 101))])
def test_antialiasing_keeps_the_shape_of_the_logits_and_the_weights(layers, size):
    options = {"layers": layers, "features": 1, "norm": "instance"}
    plain, judge = PatchGAN(**options), PatchGAN(**options, antialias=True)
    assert judge(torch.rand(1, 3, *size)).shape == plain(torch.rand(1, 3, *size)).shape
    plain.load_state_dict(judge.state_dict())
