from pathlib import Path

import numpy as np
import pytest
import torch

from i2i.data.augment import Pipeline
from i2i.data.folders import PairedFiles, SingleFiles, UnpairedFiles, find_pairs, find_single, find_unpaired
from i2i.data.reading import FieldFormat
from i2i.data.samples import HighResolutionImages, LabelledImages, PairedImages, Preprocessing, UnpairedImages
from i2i_runtime import images

PLAIN = Pipeline({})
RANDOM = Pipeline({"resize": {"size": 20}, "crop": {"size": 16}, "flip": {}, "ColorJitter": {}})


def picture(seed: int, height: int = 16, width: int = 16, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


def written(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, image)
    return path


def pairs(folder: Path, count: int = 4, **shape) -> PairedFiles:
    train = tuple(
        (written(folder / f"a/{i}.png", picture(i, **shape)), written(folder / f"b/{i}.png", picture(100 + i, **shape)))
        for i in range(count)
    )
    return PairedFiles(train, train[:1], side_by_side=False, held_out_from_train=False)


def domains(folder: Path, count_a: int, count_b: int) -> UnpairedFiles:
    a, b = (
        tuple(written(folder / f"{name}/{i}.png", np.full((16, 16, 3), i, np.uint8)) for i in range(count))
        for name, count in (("a", count_a), ("b", count_b))
    )
    return UnpairedFiles((a, b), (a[:2], b[:1]), held_out_from_train=False)


def opened(kind, files, *, train=PLAIN, test=PLAIN, seed=0, value_range=(-1.0, 1.0), **options):
    return kind(files, Preprocessing(train, test, seed, value_range), **options)


def paired(files: PairedFiles, train: Pipeline = PLAIN, **options) -> PairedImages:
    return opened(PairedImages, files, train=train, **options)


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.float32) / np.iinfo(image.dtype).max).permute(2, 0, 1)


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
    files = find_pairs(tmp_path)
    source, target = paired(files, value_range=(0.0, 1.0))[0, 0]
    torch.testing.assert_close(source, as_tensor(picture(1)))
    torch.testing.assert_close(target, as_tensor(picture(2)))
    swapped = paired(files, value_range=(0.0, 1.0), direction="b_to_a")[0, 0]
    assert swapped.source.equal(target) and swapped.target.equal(source)


def test_direction_swaps_files_but_not_the_formats_of_source_and_target(tmp_path):
    swapped = paired(pairs(tmp_path), channels=(1, 3), direction="b_to_a", value_range=(0.0, 1.0))[0, 0]
    assert swapped.source.shape[0] == 1
    torch.testing.assert_close(swapped.target, as_tensor(picture(0)))


def test_both_images_of_a_pair_share_every_draw(tmp_path):
    files = pairs(tmp_path, height=40, width=40)
    same = PairedFiles(tuple((a, a) for a, _ in files.train), (), side_by_side=False, held_out_from_train=False)
    dataset = paired(same, RANDOM)
    for index in range(4):
        assert dataset[3, index].source.equal(dataset[3, index].target)


def test_a_sample_depends_on_seed_epoch_and_index_alone(tmp_path):
    files = pairs(tmp_path, height=40, width=40)
    dataset, twin = paired(files, RANDOM), paired(files, RANDOM)
    first = dataset[1, 2].source
    dataset[1, 3], dataset[7, 0]
    torch.rand(1), np.random.random()
    assert first.equal(dataset[1, 2].source) and first.equal(twin[1, 2].source)
    assert not first.equal(dataset[2, 2].source)
    assert not first.equal(paired(files, RANDOM, seed=1)[1, 2].source)


def test_samples_leave_the_global_random_states_alone(tmp_path):
    dataset = paired(pairs(tmp_path, height=40, width=40), RANDOM)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    dataset[0, 0]
    assert torch.get_rng_state().equal(before[0]) and (np.random.get_state()[1] == before[1]).all()


def test_held_out_samples_go_through_the_test_pipeline(tmp_path):
    dataset = paired(pairs(tmp_path), RANDOM, test=Pipeline({"resize": {"size": 8}}))
    assert dataset.held_out_count == 1
    assert dataset.held_out(0).source.shape == (3, 8, 8)
    assert dataset.held_out(0).source.equal(dataset.held_out(0).source)


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


def unpaired(files: UnpairedFiles, **options) -> UnpairedImages:
    return opened(UnpairedImages, files, value_range=(0.0, 255.0), **options)


def test_an_epoch_covers_the_larger_domain_and_draws_the_partner(tmp_path):
    dataset = unpaired(domains(tmp_path, 3, 7))
    assert len(dataset) == 7
    values = [[int(x.mean().round()) for x in dataset[epoch, index]] for epoch in range(30) for index in range(7)]
    assert [a for a, _ in values] == [index % 3 for index in range(7)] * 30
    counts = np.bincount([b for _, b in values], minlength=7)
    assert counts.min() > 15 and counts.max() < 45  # 30 each on average
    assert len(unpaired(domains(tmp_path / "other", 5, 2))) == 5


def test_unpaired_images_have_draws_of_their_own(tmp_path):
    path = written(tmp_path / "1.png", picture(0, 40, 40))
    files = UnpairedFiles(((path,), (path,)), ((), ()), held_out_from_train=False)
    dataset = unpaired(files, train=RANDOM)
    assert not all(a.equal(b) for a, b in (dataset[0, index] for index in range(3)))
    assert dataset[0, 0].a.equal(dataset[0, 0].a)
    assert dataset.held_out_count == 0


def test_the_smaller_held_out_domain_starts_over(tmp_path):
    dataset = unpaired(domains(tmp_path, 3, 3))
    assert dataset.held_out_count == 2
    assert [[int(x.mean().round()) for x in dataset.held_out(index)] for index in range(2)] == [[0, 0], [1, 0]]


def test_without_test_images_in_one_domain_nothing_is_held_out(tmp_path):
    files = domains(tmp_path, 3, 3)
    assert unpaired(UnpairedFiles(files.train, (files.test[0], ()), False)).held_out_count == 0


def positions(count: int, height: int = 24, width: int = 24) -> np.ndarray:
    """An image whose pixels are (row, column, count)."""
    return np.stack([*np.mgrid[:height, :width], np.full((height, width), count)], axis=2).astype(np.uint8)


def corner(image: torch.Tensor) -> list[int]:
    """The first pixel of a crop of `positions`."""
    return [round(value) for value in image[:, 0, 0].tolist()]


def drawn(*seed: int) -> list[int]:
    """The corner of a crop from 24 to 16 pixels by the draw of this seed."""
    rng = np.random.default_rng(seed)
    return [int(rng.integers(9)), int(rng.integers(9))]


def test_seeds_of_all_draws_are_as_in_version_0_1(tmp_path):
    """Another seed would give a resumed run other samples."""
    paths = tuple(written(tmp_path / f"{index}.png", positions(index)) for index in range(3))
    single, crop = SingleFiles(paths, paths, held_out_from_train=False), Pipeline({"crop": {"size": 16}})
    options = {"train": crop, "test": crop, "seed": 7, "value_range": (0.0, 255.0)}
    pairs = opened(
        PairedImages, PairedFiles(((paths[0], paths[1]),) * 3, ((paths[0], paths[1]),), False, False), **options
    )
    assert corner(pairs[5, 2].target) == [*drawn(1, 7, 5, 2), 1] and corner(pairs.held_out(0).source) == [
        *drawn(3, 0),
        0,
    ]
    photos = opened(HighResolutionImages, single, **options)
    assert corner(photos[5, 2].image) == [*drawn(1, 7, 5, 2), 2] and corner(photos.held_out(1).image) == [
        *drawn(3, 1),
        1,
    ]
    assert int(photos[5, 2].seed) == np.random.default_rng((4, 7, 5, 2)).integers(2**63 - 1)
    assert int(photos.held_out(1).seed) == np.random.default_rng((5, 1)).integers(2**63 - 1)
    labelled = opened(LabelledImages, single, size=24, **options)
    assert corner(labelled[5, 2].image) == [*drawn(6, 7, 5, 2), 2]
    assert corner(labelled.held_out(1).image) == [*drawn(7, 1), 1]
    domains = opened(UnpairedImages, UnpairedFiles((paths, paths), (paths[:2], paths), False), **options)
    assert corner(domains[5, 2].a) == [*drawn(1, 7, 5, 2, 0), 2]
    partner = int(np.random.default_rng((2, 7, 5, 2)).integers(3))
    assert corner(domains[5, 2].b) == [*drawn(1, 7, 5, 2, 1), partner]
    assert [corner(image) for image in domains.held_out(3)] == [[*drawn(3, 3), 1], [*drawn(3, 3), 0]]


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
    dataset = paired(find_pairs(tmp_path))
    with pytest.warns(UserWarning, match="9 pixels wide, which is odd"):
        assert dataset[0, 1].source.equal(dataset[0, 0].source)


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


def test_an_image_that_the_pipeline_refuses_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"crop: 16x16 image is smaller than size 20; resize first.* \(.*a/1\.png\)"):
        paired(pairs(tmp_path), Pipeline({"crop": {"size": 20}}))[0, 1]


def test_a_pair_of_unequal_sizes_is_refused_unless_resized(tmp_path):
    pair = written(tmp_path / "a.png", picture(0)), written(tmp_path / "b.png", picture(0, 20, 30))
    files = PairedFiles((pair,), (), side_by_side=False, held_out_from_train=False)
    with pytest.raises(ValueError, match=r"a\.png: the images of the pair differ in size, 16x16 and 30x20"):
        paired(files)[0, 0]
    assert paired(files, RANDOM)[0, 0].target.shape == (3, 16, 16)


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


def test_low_and_high_resolution_share_every_draw_in_both_directions(tmp_path):
    small = picture(0, 20, 20)
    pair = written(tmp_path / "low.png", small), written(tmp_path / "high.png", small.repeat(3, 0).repeat(3, 1))
    random = Pipeline({"crop": {"size": 24}, "flip": {}, "quarter_turns": {}})
    for order, direction in ((pair, "a_to_b"), (pair[::-1], "b_to_a")):
        files = PairedFiles((order,), (), side_by_side=False, held_out_from_train=False)
        dataset = paired(files, random, scale=3, direction=direction)
        for epoch in range(8):
            source, target = dataset[epoch, 0]
            assert source.shape == (3, 8, 8) and target.shape == (3, 24, 24)
            assert target[:, ::3, ::3].equal(source)


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


def singles(folder: Path, count: int = 4, **shape) -> SingleFiles:
    train = tuple(written(folder / f"{i}.png", picture(i, **shape)) for i in range(count))
    return SingleFiles(train, train[:2], held_out_from_train=False)


def high(files: SingleFiles, train: Pipeline = PLAIN, **options) -> HighResolutionImages:
    return opened(HighResolutionImages, files, train=train, **{"value_range": (0.0, 1.0), **options})


def test_photos_are_in_the_value_range_and_have_a_seed(tmp_path):
    dataset = high(singles(tmp_path))
    assert len(dataset) == 4 and dataset.held_out_count == 2
    for sample in (dataset[0, 1], dataset.held_out(1)):
        torch.testing.assert_close(sample.image, as_tensor(picture(1)))
        assert sample.image.dtype == torch.float32
        assert sample.seed.shape == () and sample.seed.dtype == torch.int64 and sample.seed >= 0
    assert high(singles(tmp_path), field=FieldFormat(1), value_range=(-1.0, 1.0))[0, 0].image.shape == (1, 16, 16)


def test_a_degradation_seed_depends_on_seed_epoch_and_index_alone(tmp_path):
    files = singles(tmp_path)
    first, twin, other = high(files), high(files, RANDOM), high(files, seed=1)
    keys = [(epoch, index) for epoch in range(3) for index in range(4)]
    seeds = [int(dataset[key].seed) for dataset in (first, other) for key in keys]
    held_out = [int(first.held_out(index).seed) for index in range(2)]
    assert len({*seeds, *held_out}) == 26
    assert seeds[: len(keys)] == [int(twin[key].seed) for key in keys]
    assert held_out == [int(other.held_out(index).seed) for index in range(2)]


def test_a_photo_is_augmented_anew_in_every_epoch(tmp_path):
    dataset = high(singles(tmp_path, height=40, width=40), Pipeline({"crop": {"size": 16}}))
    assert dataset[0, 1].image.shape == (3, 16, 16)
    assert dataset[0, 1].image.equal(dataset[0, 1].image) and not dataset[0, 1].image.equal(dataset[1, 1].image)
    assert dataset.held_out(0).image.shape == (3, 40, 40)


def test_an_unreadable_photo_is_replaced_and_a_held_out_one_is_an_error(tmp_path):
    files = singles(tmp_path)
    files.train[0].write_bytes(b"no image")
    dataset = high(files)
    with pytest.warns(UserWarning, match=r"0\.png.*the next image takes its place"):
        assert dataset[0, 0].image.equal(dataset[0, 1].image)
    with pytest.raises(ValueError, match=r"0\.png"):
        dataset.held_out(0)


def test_real_data_sets_give_samples(shared):
    default = Pipeline({"resize": {"size": 286}, "crop": {"size": 256}, "flip": {}})
    dataset = paired(find_pairs(shared / "data/facades"), default, test=default)
    assert len(dataset) == 200 and dataset.held_out_count == 40
    horses = opened(UnpairedImages, find_unpaired(shared / "data/horse2zebra"), train=default, test=default)
    for tensor in (*dataset[0, 5], *horses[0, 5], *horses.held_out(3)):
        assert tensor.shape == (3, 256, 256) and tensor.min() >= -1 and tensor.max() <= 1 and tensor.std() > 0.1


def test_real_photos_give_crops(shared):
    crops = Pipeline({"crop": {"size": 128}, "flip": {}, "quarter_turns": {}})
    files = find_single(shared / "data/bsds200")
    dataset = high(files, crops, test=Pipeline({"limit": {"size": 480}}))
    assert len(dataset) == 192 and dataset.held_out_count == 8
    assert dataset[0, 5].image.shape == (3, 128, 128) and dataset[0, 5].image.std() > 0.02
    assert sorted(dataset.held_out(0).image.shape) == [3, 321, 480]


def test_few_photos_are_repeated_by_other_draws(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in "ab":
        images.write(tmp_path / f"{name}.png", rng.integers(0, 256, (32, 32, 3), np.uint8))
    samples = high(find_single(tmp_path), Pipeline({"crop": {"size": 8}}), min_samples=6)
    drawn = [samples[0, index] for index in range(len(samples))]
    assert len(drawn) == 6 and len({int(sample.seed) for sample in drawn}) == 6
    assert not torch.equal(drawn[0].image, drawn[2].image), "the same photo, another crop"
