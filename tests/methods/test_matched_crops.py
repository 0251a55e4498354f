import torch

from i2i.label_maps import one_hot
from i2i.methods.matched_crops import Crops, draw_crops, match_crops


def test_a_crop_is_the_slice_of_its_image() -> None:
    images = torch.arange(2 * 3 * 8 * 10, dtype=torch.float64).reshape(2, 3, 8, 10)
    crops = Crops(torch.tensor([1, 0]), torch.tensor([2, 3]), torch.tensor([5, 0]), size=4)
    first, second = crops.of(images)
    assert torch.equal(first, images[1, :, 2:6, 5:9])
    assert torch.equal(second, images[0, :, 3:7, 0:4])


def test_the_gradient_of_crops_reaches_their_pixels_alone() -> None:
    images = torch.zeros(1, 1, 6, 6, requires_grad=True)
    Crops(torch.tensor([0, 0]), torch.tensor([0, 1]), torch.tensor([0, 1]), size=2).of(images).sum().backward()
    expected = torch.zeros(6, 6)
    expected[0:2, 0:2] += 1
    expected[1:3, 1:3] += 1
    assert torch.equal(images.grad[0, 0], expected)


def test_histograms_are_the_shares_of_classes_without_ignored_pixels() -> None:
    labels = torch.full((1, 6, 6), 255, dtype=torch.uint8)
    labels[0, 1:4, 1:4] = torch.tensor([[0, 0, 0], [1, 1, 255], [2, 1, 0]])
    crops = Crops(torch.tensor([0, 0]), torch.tensor([1, 3]), torch.tensor([1, 3]), size=3)
    inside, ignored = crops.histograms(one_hot(labels, 3).double())
    assert torch.allclose(inside, torch.tensor([4, 3, 1], dtype=torch.float64) / 8)
    # One pixel of class 0 at the corner, eight that do not count.
    assert torch.allclose(ignored, torch.tensor([1.0, 0, 0], dtype=torch.float64))


def test_crops_lie_inside_of_images_that_are_no_squares() -> None:
    torch.manual_seed(0)
    crops = draw_crops(torch.zeros(3, 1, 9, 20), 500, 8)
    assert set(crops.top.tolist()) == {0, 1}
    assert set(crops.left.tolist()) == set(range(13))
    assert set(crops.image.tolist()) == {0, 1, 2}


def test_matched_crops_show_the_same_classes_where_layouts_differ() -> None:
    """Sky takes a quarter of the source and half of the target: crops that are not matched differ in it."""
    torch.manual_seed(0)
    rows = torch.arange(32)
    source = one_hot((rows[:, None] >= 8).expand(32, 64)[None].to(torch.uint8), 2)
    target = one_hot((rows[:, None] >= 16).expand(32, 64)[None].to(torch.uint8), 2)

    def difference(of_source: Crops, of_target: Crops) -> float:
        return (of_source.histograms(source) - of_target.histograms(target)).abs().sum(1).mean().item()

    matched = difference(*match_crops(source, target, 64, 12))
    drawn = difference(draw_crops(source, 64, 12), draw_crops(target, 64, 12))
    assert matched < 0.2 * drawn


def test_crops_of_one_class_are_matched_by_their_height() -> None:
    torch.manual_seed(0)
    alike = torch.ones(1, 1, 64, 64)
    of_source, of_target = match_crops(alike, alike, 64, 16)
    assert (of_source.top - of_target.top).abs().float().mean() < 4  # of 48; 16 without matching
