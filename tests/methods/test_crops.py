import torch

from i2i.methods.crops import Crops, draw_crops


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


def test_crops_lie_inside_of_images_that_are_no_squares() -> None:
    torch.manual_seed(0)
    crops = draw_crops(torch.zeros(3, 1, 9, 20), 500, 8)
    assert set(crops.top.tolist()) == {0, 1}
    assert set(crops.left.tolist()) == set(range(13))
    assert set(crops.image.tolist()) == {0, 1, 2}
