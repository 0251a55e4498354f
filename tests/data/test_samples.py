from pathlib import Path

import numpy as np
import pytest
import torch

from i2i.data.augment import Pipeline
from i2i.data.folders import PairedFiles, SingleFiles, UnpairedFiles, find_pairs, find_single, find_unpaired
from i2i.data.reading import FieldFormat
from i2i.data.samples import HighResolutionImages, LabelledImages, PairedImages
from i2i.data.unpaired_samples import UnpairedImages
from i2i_runtime import images
from tests.data.files import (
    RANDOM,
    as_tensor,
    domains,
    opened,
    paired,
    pairs,
    photos,
    picture,
    singles,
    unpaired,
    written,
)


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
    high = opened(HighResolutionImages, single, **options)
    assert corner(high[5, 2].image) == [*drawn(1, 7, 5, 2), 2] and corner(high.held_out(1).image) == [
        *drawn(3, 1),
        1,
    ]
    assert int(high[5, 2].seed) == np.random.default_rng((4, 7, 5, 2)).integers(2**63 - 1)
    assert int(high.held_out(1).seed) == np.random.default_rng((5, 1)).integers(2**63 - 1)
    labelled = opened(LabelledImages, single, size=24, **options)
    assert corner(labelled[5, 2].image) == [*drawn(6, 7, 5, 2), 2]
    assert corner(labelled.held_out(1).image) == [*drawn(7, 1), 1]
    domains = opened(UnpairedImages, UnpairedFiles((paths, paths), (paths[:2], paths), False), **options)
    assert corner(domains[5, 2].a) == [*drawn(1, 7, 5, 2, 0), 2]
    partner = int(np.random.default_rng((2, 7, 5, 2)).integers(3))
    assert corner(domains[5, 2].b) == [*drawn(1, 7, 5, 2, 1), partner]
    assert [corner(image) for image in domains.held_out(3)] == [[*drawn(3, 3), 1], [*drawn(3, 3), 0]]


def test_an_image_that_the_pipeline_refuses_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"crop: 16x16 image is smaller than size 20; resize first.* \(.*a/1\.png\)"):
        paired(pairs(tmp_path), Pipeline({"crop": {"size": 20}}))[0, 1]


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


def test_photos_are_in_the_value_range_and_have_a_seed(tmp_path):
    dataset = photos(singles(tmp_path))
    assert len(dataset) == 4 and dataset.held_out_count == 2
    for sample in (dataset[0, 1], dataset.held_out(1)):
        torch.testing.assert_close(sample.image, as_tensor(picture(1)))
        assert sample.image.dtype == torch.float32
        assert sample.seed.shape == () and sample.seed.dtype == torch.int64 and sample.seed >= 0
    assert photos(singles(tmp_path), field=FieldFormat(1), value_range=(-1.0, 1.0))[0, 0].image.shape == (1, 16, 16)


def test_a_photo_is_augmented_anew_in_every_epoch(tmp_path):
    dataset = photos(singles(tmp_path, height=40, width=40), Pipeline({"crop": {"size": 16}}))
    assert dataset[0, 1].image.shape == (3, 16, 16)
    assert dataset[0, 1].image.equal(dataset[0, 1].image) and not dataset[0, 1].image.equal(dataset[1, 1].image)
    assert dataset.held_out(0).image.shape == (3, 40, 40)


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
    dataset = photos(files, crops, test=Pipeline({"limit": {"size": 480}}))
    assert len(dataset) == 192 and dataset.held_out_count == 8
    assert dataset[0, 5].image.shape == (3, 128, 128) and dataset[0, 5].image.std() > 0.02
    assert sorted(dataset.held_out(0).image.shape) == [3, 321, 480]


def test_few_photos_are_repeated_by_other_draws(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in "ab":
        images.write(tmp_path / f"{name}.png", rng.integers(0, 256, (32, 32, 3), np.uint8))
    samples = photos(find_single(tmp_path), Pipeline({"crop": {"size": 8}}), min_samples=6)
    drawn = [samples[0, index] for index in range(len(samples))]
    assert len(drawn) == 6 and len({int(sample.seed) for sample in drawn}) == 6
    assert not torch.equal(drawn[0].image, drawn[2].image), "the same photo, another crop"
