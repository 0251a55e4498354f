import pytest
import torch

from i2i.data.batch import HighResolution
from i2i.data.degradation.resize import bicubic_pair
from i2i.recipe.components import build
from i2i.registry import degradations


@pytest.mark.parametrize("training", [True, False])
def test_the_degradation_of_a_recipe_is_the_bicubic_pair(training):
    images = torch.rand(2, 3, 26, 33, generator=torch.Generator().manual_seed(0))
    degradation = build(degradations, {"name": "bicubic", "scale": 4})
    pair = degradation(HighResolution(images, torch.tensor([5, 6])), training=training)
    expected = bicubic_pair(images, 4)
    assert pair.source.equal(expected.source) and pair.target.equal(expected.target)


def test_a_scale_below_one_is_refused():
    with pytest.raises(ValueError, match="bicubic: scale = 0 is refused; allowed: 1 and more"):
        build(degradations, {"name": "bicubic", "scale": 0})
