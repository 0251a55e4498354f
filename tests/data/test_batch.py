"""Batches on their way to the device."""

import torch

from i2i.data.batch import HighResolution, Images, to_device


def test_seeds_stay_on_the_host_which_would_wait_for_the_device_to_read_them() -> None:
    image, numbers = torch.zeros(2, 3, 4, 4), torch.arange(2)
    photos = to_device(HighResolution(image, numbers), torch.device("meta"))
    assert photos.image.is_meta and photos.seed.device.type == "cpu" and photos.seed.equal(numbers)
    labelled = to_device(Images(image, numbers), torch.device("meta"))
    assert labelled.image.is_meta and labelled.label.is_meta
