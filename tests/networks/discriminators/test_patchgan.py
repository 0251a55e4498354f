import pytest
import torch
from torch.nn import functional as F

from i2i.networks.discriminators.multiscale import MultiscaleDiscriminator
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


def test_projected_logits_add_the_features_times_the_embedding_of_a_patch_s_classes():
    judge = PatchGAN(in_channels=5, condition_channels=2, layers=1, features=4, norm="none", projection=True).double()
    image, condition = torch.rand(1, 3, 24, 24).double(), torch.rand(1, 2, 1, 1).double().expand(1, 2, 24, 24)
    features = judge.blocks(judge.stem(image))
    embedding = judge.projection.embedding.weight[:, :, 0, 0] @ condition[0, :, 0, 0]
    inner = (features * embedding[:, None, None]).sum(1, keepdim=True) / len(embedding) ** 0.5
    expected = judge.head(features) + F.interpolate(inner, (10, 10), mode="bilinear")
    torch.testing.assert_close(judge(torch.cat([condition, image], 1)), expected)


@pytest.mark.parametrize("kind", [PatchGAN, MultiscaleDiscriminator])
def test_a_projected_condition_counts_in_its_own_place(kind):
    options = {"in_channels": 4, "condition_channels": 1, "layers": 1, "features": 4, "norm": "none", "init": "kaiming"}
    judge = kind(**options, projection=True)
    image, left = torch.rand(1, 3, 32, 256), torch.zeros(1, 1, 32, 256)
    left[..., :64] = 1
    inputs = [torch.cat([condition, image], 1) for condition in (left, 0 * left)]
    scales = [logits if isinstance(logits, tuple) else (logits,) for logits in map(judge, inputs)]
    for one, other in zip(*scales, strict=True):
        quarter, changed = one.shape[-1] // 4, (one != other).any(-2).flatten()
        assert changed[:quarter].any() and not changed[2 * quarter :].any()
    assert all(torch.equal(*pair) for pair in zip(*map(judge.features, inputs), strict=True))


def test_a_projection_without_a_condition_is_refused():
    with pytest.raises(ValueError, match="there is no condition to project; set it to false"):
        PatchGAN(projection=True)
