import pytest
import torch

from i2i.networks.segmenters.unet import UnetSegmenter
from i2i.registry import segmenters


def small(**options) -> UnetSegmenter:
    torch.manual_seed(0)
    return segmenters["unet"](**{"features": 4, "most_features": 8, "depth": 2, "classes": 5, **options})


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 24), (9, 31)])
def test_every_pixel_of_any_size_gets_logits(size):
    segmenter = small(in_channels=1)
    segmenter.check_size(*size)
    assert segmenter(torch.rand(2, 1, *size)).shape == (2, 5, *size)


def test_no_image_depends_on_the_others_of_its_batch():
    segmenter, images = small().double().train(), torch.rand(3, 3, 8, 12, dtype=torch.float64)
    one_by_one = torch.cat([segmenter(image[None]) for image in images])
    torch.testing.assert_close(segmenter(images), one_by_one)
    torch.testing.assert_close(segmenter.eval()(images), one_by_one)


def test_logits_see_their_own_pixel_and_far_around_it():
    image = torch.rand(1, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(small().double()(image)[0, 0, 16, 16], image)
    strength = gradient.abs().sum(dim=(0, 1))
    assert strength[16, 16] > 10 * strength[:4].max(), "the skips lead straight to it"
    assert strength[16, 8:12].any(), "the bottom sees what lies around"


def test_default_network_is_small():
    assert 3e5 < sum(weight.numel() for weight in UnetSegmenter(classes=12).parameters()) < 5e5


def test_widths_double_up_to_the_most():
    widths = [level[0][0].out_channels for level in small(features=3, most_features=7, depth=3).down]
    assert widths == [6, 7, 7]


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="classes = 1 is too small; allowed: 2 or more"):
        small(classes=1)
