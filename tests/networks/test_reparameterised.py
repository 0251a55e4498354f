import pytest
import torch
from torch import nn

from i2i.export.image import _for_inference
from i2i.inference import translator_of
from i2i.networks.generators.span import SPAN
from i2i.networks.reparameterised import ExpandedConvolution, Reparameterised, fold


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(ExpandedConvolution(3, 4), nn.SiLU(), nn.Sequential(ExpandedConvolution(4, 2, gain=1)))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("size", [(7, 5), (1, 1)])
def test_a_folded_network_gives_the_same_at_every_pixel_and_in_the_border(size, dtype, tolerance):
    trained, image = network().to(dtype), torch.rand(2, 3, *size, dtype=dtype)
    torch.testing.assert_close(fold(trained)(image), trained(image), rtol=0, atol=tolerance)


def test_folding_leaves_plain_convolutions_in_a_copy():
    trained = network().eval()
    folded, before = fold(trained), {key: tensor.clone() for key, tensor in trained.state_dict().items()}
    plain = [each for each in folded.modules() if isinstance(each, nn.Conv2d)]
    assert [(each.in_channels, each.out_channels, each.kernel_size) for each in plain] == [
        (3, 4, (3, 3)),
        (4, 2, (3, 3)),
    ]
    assert not folded.training and not plain[0].training
    assert not any(isinstance(each, Reparameterised) for each in folded.modules())
    plain[0].weight.data.zero_()
    assert all(torch.equal(tensor, before[key]) for key, tensor in trained.state_dict().items())


def test_a_module_by_itself_is_folded_and_a_network_without_one_is_itself():
    assert isinstance(fold(ExpandedConvolution(1, 1)), nn.Conv2d)
    plain = nn.Conv2d(1, 1, 3)
    assert fold(plain) is plain


def test_a_translator_and_an_export_fold_and_leave_what_trains_alone():
    generator = SPAN(features=4, scale=2).eval()
    translator = translator_of(generator, {"product": "x", "test_time": "eval"}, device="cpu")
    for used in (translator._generator, _for_inference(generator, "eval")[0]):
        assert not any(isinstance(each, Reparameterised) for each in used.modules())
    assert any(isinstance(each, Reparameterised) for each in generator.modules())
    image = torch.rand(1, 3, 6, 5)
    with torch.no_grad():
        torch.testing.assert_close(translator(image), generator(image).clamp(0, 1), rtol=0, atol=1e-5)
