from pathlib import Path

import numpy as np
import pytest
import torch

from i2i.data.augment import Pipeline
from i2i.data.folders import PairedFiles, find_pairs
from i2i.data.samples import PairedImages
from i2i_runtime import images
from tests.data.files import (
    RANDOM,
    as_tensor,
    domains,
    paired,
    pairs,
    photos,
    picture,
    singles,
    unpaired,
    written,
)


def test_tensors_are_the_image_in_the_value_range(tmp_path):
    files = pairs(tmp_path)
    for low, high in ((-1.0, 1.0), (0.0, 1.0)):
        source, target = paired(files, value_range=(low, high))[0, 2]
        for tensor, seed in ((source, 2), (target, 102)):
            assert tensor.dtype == torch.float32 and tensor.is_contiguous()
            torch.testing.assert_close(tensor, low + (high - low) * as_tensor(picture(seed)))


def test_16_bits_are_kept(tmp_path):
    files = pairs(tmp_path, dtype=np.uint16, channels=1)
    source, _ = paired(files, channels=(1, 1), value_range=(0.0, 1.0))[0, 0]
    expected = as_tensor(picture(0, channels=1, dtype=np.uint16))
    torch.testing.assert_close(source * 65535, expected * 65535, atol=0.01, rtol=0)


def test_every_field_has_the_channels_of_its_format(tmp_path):
    source, target = paired(pairs(tmp_path), channels=(1, 4))[0, 0]
    assert source.shape == (1, 16, 16) and target.shape == (4, 16, 16)


def test_the_left_half_is_the_source_and_direction_swaps(tmp_path):
    written(tmp_path / "1.png", np.concatenate([picture(1), picture(2)], axis=1))
    files = find_pairs(tmp_path, layout="side-by-side")
    source, target = paired(files, value_range=(0.0, 1.0))[0, 0]
    torch.testing.assert_close(source, as_tensor(picture(1)))
    torch.testing.assert_close(target, as_tensor(picture(2)))
    swapped = paired(files, value_range=(0.0, 1.0), direction="b_to_a")[0, 0]
    assert swapped.source.equal(target) and swapped.target.equal(source)


def test_direction_swaps_files_but_not_the_formats_of_source_and_target(tmp_path):
    swapped = paired(pairs(tmp_path), channels=(1, 3), direction="b_to_a", value_range=(0.0, 1.0))[0, 0]
    assert swapped.source.shape[0] == 1
    torch.testing.assert_close(swapped.target, as_tensor(picture(0)))


def test_label_maps_keep_their_values(tmp_path):
    classes = np.random.default_rng(0).choice([0, 1, 11], (16, 16, 1)).astype(np.uint8)
    pair = written(tmp_path / "a.png", classes), written(tmp_path / "b.png", picture(0))
    files = PairedFiles((pair,), (), side_by_side=False, held_out_from_train=False)
    enlarge = Pipeline({"resize": {"size": 50}, "RandomBrightnessContrast": {"p": 1.0}})
    dataset = paired(files, enlarge, channels=(1, 3), label_maps=["source"], value_range=(0.0, 1.0))
    assert {round(value * 255, 4) for value in dataset[0, 0].source.unique().tolist()} == {0, 1, 11}
    with pytest.raises(ValueError, match="unknown field 'sauce'; did you mean 'source'"):
        paired(files, label_maps=["sauce"])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_what_cannot_be_a_label_map_is_refused_with_its_file(tmp_path, direction):
    pair = written(tmp_path / "a.png", picture(0)), written(tmp_path / "b.png", picture(0))
    if direction == "b_to_a":
        pair = pair[::-1]
    files = PairedFiles((pair,), (), side_by_side=False, held_out_from_train=False)
    with pytest.raises(ValueError, match=r"a\.png: 3 channels of uint8 cannot be the label map"):
        paired(files, label_maps=["source"], channels=(1, 3), direction=direction)[0, 0]
    written(tmp_path / "a.png", picture(0, channels=1, dtype=np.uint16))
    with pytest.raises(ValueError, match=r"a\.png: 1 channels of uint16 cannot be the label map"):
        paired(files, label_maps=["source"], channels=(1, 3), direction=direction)[0, 0]


def test_an_unreadable_image_is_replaced_by_the_next_with_one_warning(tmp_path):
    files = domains(tmp_path, 4, 4)
    files.train[0][3].write_bytes(b"no image")
    dataset = unpaired(files)
    with pytest.warns(UserWarning, match=r"a/3\.png.*the next image takes its place") as caught:
        values = [int(dataset[epoch, 3].a.mean().round()) for epoch in range(3)]
    assert values == [0, 0, 0] and len(caught) == 1


def test_an_unreadable_half_replaces_the_whole_pair(tmp_path):
    files = pairs(tmp_path)
    files.train[1][1].write_bytes(b"")
    dataset = paired(files)
    with pytest.warns(UserWarning, match=r"b/1\.png"):
        source, target = dataset[0, 1]
    assert source.equal(dataset[0, 2].source) and target.equal(dataset[0, 2].target)


def test_a_side_by_side_image_of_odd_width_is_replaced(tmp_path):
    for name, width in (("1", 8), ("2", 9)):
        written(tmp_path / f"{name}.png", picture(0, width=width))
    dataset = paired(find_pairs(tmp_path, layout="side-by-side"))
    with pytest.warns(UserWarning, match="9 pixels wide, which is odd"):
        assert dataset[0, 1].source.equal(dataset[0, 0].source)


def test_a_pair_of_unequal_sizes_is_replaced_by_the_next_as_an_unreadable_one(tmp_path):
    files = pairs(tmp_path)
    written(files.train[1][1], picture(7, 20, 30))
    dataset = paired(files)
    with pytest.warns(UserWarning, match=r"1\.png: the images of the pair differ in size.*takes its place") as caught:
        samples = [dataset[epoch, 1] for epoch in range(2)]
    assert len(caught) == 1 and all(sample.source.equal(dataset[0, 2].source) for sample in samples)


def test_an_image_that_is_too_small_for_its_crop_is_replaced(tmp_path):
    files = singles(tmp_path)
    written(files.train[0], picture(0, 4, 4))
    with pytest.warns(UserWarning, match=r"4x4 image is smaller than size 8.*takes its place"):
        assert photos(files, Pipeline({"crop": {"size": 8}}))[0, 0].image.shape == (3, 8, 8)


@pytest.mark.filterwarnings("error")
def test_a_recipe_that_fits_no_image_is_an_error_after_a_few(tmp_path, monkeypatch):
    read = []
    dataset = paired(pairs(tmp_path, count=40), Pipeline({"crop": {"size": 64}}))
    monkeypatch.setattr(dataset, "_read", lambda item: read.append(item) or PairedImages._read(dataset, item))
    with pytest.raises(ValueError, match=r"16x16 image is smaller than size 64; .*0\.png"):
        dataset[0, 0]
    assert len(read) == 16


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_data_set_without_a_readable_image_is_refused(tmp_path):
    files = domains(tmp_path, 2, 2)
    for path in files.train[1]:
        path.write_bytes(b"no image")
    with pytest.raises(ValueError, match="none of 2 images can be read"):
        unpaired(files)[0, 0]


def test_an_unreadable_held_out_image_is_an_error(tmp_path):
    files = pairs(tmp_path)
    files.test[0][0].write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"a/0\.png"):
        paired(files).held_out(0)


def test_an_unreadable_photo_is_replaced_and_a_held_out_one_is_an_error(tmp_path):
    files = singles(tmp_path)
    files.train[0].write_bytes(b"no image")
    dataset = photos(files)
    with pytest.warns(UserWarning, match=r"0\.png.*the next image takes its place"):
        assert dataset[0, 0].image.equal(dataset[0, 1].image)
    with pytest.raises(ValueError, match=r"0\.png"):
        dataset.held_out(0)


def low_high(folder: Path, low: tuple[int, int], high: tuple[int, int]) -> PairedFiles:
    """One pair of these (height, width), the larger one being the smaller one with every pixel repeated."""
    small = picture(0, *low)
    large = small.repeat(5, 0).repeat(5, 1)[: high[0], : high[1]]
    pair = written(folder / "low/1x4.png", small), written(folder / "high/1.png", large)
    return PairedFiles((pair,), (pair,), side_by_side=False, held_out_from_train=False)


def test_a_target_is_cropped_to_scale_times_its_source(tmp_path):
    for high in ((40, 48), (43, 49)):
        dataset = paired(low_high(tmp_path, (10, 12), high), scale=4)
        for pair in (dataset[0, 0], dataset.held_out(0)):
            assert pair.source.shape == (3, 10, 12) and pair.target.shape == (3, 40, 48)


@pytest.mark.parametrize("high", [(40, 52), (44, 48), (39, 48), (20, 24)])
def test_a_target_of_another_size_is_refused_with_both_files(tmp_path, high):
    files = low_high(tmp_path, (10, 12), high)
    sentence = rf"low/1x4\.png is 12x10 and .*high/1\.png is {high[1]}x{high[0]}, not 4 times as large; .* 48x40, and"
    with pytest.raises(ValueError, match=sentence):
        paired(files, scale=4)[0, 0]
    swapped = PairedFiles((files.train[0][::-1],), (), side_by_side=False, held_out_from_train=False)
    with pytest.raises(ValueError, match=sentence):
        paired(swapped, scale=4, direction="b_to_a")[0, 0]


def test_augmentations_that_lose_the_scale_are_refused(tmp_path):
    files = low_high(tmp_path, (10, 12), (40, 48))
    with pytest.raises(ValueError, match=r"1x4\.png: 8x8 and 8x8 after the augmentations, not 4 times as"):
        paired(files, Pipeline({"resize": {"size": 8}}), scale=4)[0, 0]


def test_a_pair_of_unequal_sizes_is_refused_unless_resized(tmp_path):
    pair = written(tmp_path / "a.png", picture(0)), written(tmp_path / "b.png", picture(0, 20, 30))
    files = PairedFiles((pair,), (), side_by_side=False, held_out_from_train=False)
    with pytest.raises(ValueError, match=r"a\.png: the images of the pair differ in size, 16x16 and 30x20"):
        paired(files)[0, 0]
    assert paired(files, RANDOM)[0, 0].target.shape == (3, 16, 16)


def test_a_scan_with_infrared_as_a_fourth_band_is_refused(shared):
    with pytest.raises(ValueError, match="4 samples a pixel, of which 3 are grey or colour and 1 neither"):
        images.read(shared / "cases/layouts/rgbn/a/000.tif")
