"""Tiles: padding reaches an allowed size, spans cover an axis, and blended results are the whole one."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from i2i_runtime import tiles
from i2i_runtime.card import Card
from i2i_runtime.tiles import Span, Tiling

UPSCALER = Card(product="generator", in_channels=3, out_channels=3, scale=2, multiple_of=4, min_size=8, overlap=32)


@pytest.mark.parametrize("size", [1, 2, 7, 16, 33])
@pytest.mark.parametrize(("multiple_of", "min_size"), [(1, 1), (4, 1), (16, 64), (3, 10)])
def test_padding_is_the_smallest_allowed_size_and_begins_with_the_image(size, multiple_of, min_size):
    padded = tiles.reflect_indices(size, multiple_of=multiple_of, min_size=min_size)
    assert len(padded) % multiple_of == 0
    assert max(size, min_size) <= len(padded) < max(size, min_size) + multiple_of
    np.testing.assert_array_equal(padded[:size], np.arange(size))


def test_padding_is_a_mirror_without_the_edge_again_and_again():
    assert tiles.reflect_indices(3, multiple_of=1, min_size=8).tolist() == [0, 1, 2, 1, 0, 1, 2, 1]


@pytest.mark.parametrize("size", [1, 63, 64, 65, 100, 129, 1000])
@pytest.mark.parametrize(
    ("tile", "overlap", "ramp", "multiple_of"),
    [(64, 32, 4, 1), (64, 7, 3, 1), (40, 20, 10, 1), (16, 0, 0, 1), (64, 30, 3, 4)],
)
def test_tiles_are_equal_allowed_and_overlap_as_they_must(size, tile, overlap, ramp, multiple_of):
    size = -(-size // multiple_of) * multiple_of
    found = tiles.spans(size, tile=tile, overlap=overlap, ramp=ramp, multiple_of=multiple_of)
    assert len({span.stop - span.start for span in found}) == 1 and found[0].stop - found[0].start <= max(tile, 1)
    assert all(span.start % multiple_of == 0 and span.stop % multiple_of == 0 for span in found)
    assert (found[0].start, found[-1].stop, found[0].begin, found[-1].end) == (0, size, 0, size)
    for before, span in pairwise(found):
        assert before.stop - span.start >= overlap
        assert before.end == span.begin, "each pixel is one tile's"
        # The seam keeps its distance from both cut edges.
        context = (overlap - ramp) // 2
        assert span.begin - span.start >= context and before.stop - (span.begin + ramp) >= context


def test_no_more_tiles_than_needed_and_none_larger_than_needed():
    assert tiles.spans(64, tile=64, overlap=16, ramp=0) == [Span(0, 64, 0, 64)]
    assert [span[:2] for span in tiles.spans(65, tile=64, overlap=15, ramp=0)] == [(0, 40), (25, 65)]
    assert len(tiles.spans(112, tile=64, overlap=16, ramp=0)) == 2
    assert len(tiles.spans(113, tile=64, overlap=16, ramp=0)) == 3


def blend(image: np.ndarray, scale: int, ramp: int, run=None) -> np.ndarray:
    height, width = (size // scale for size in image.shape[:2])
    result, times = np.zeros_like(image), np.zeros(image.shape, int)
    rows, columns = (tiles.spans(size, tile=32, overlap=16, ramp=ramp) for size in (height, width))

    def cut(row: Span, column: Span) -> np.ndarray:
        return image[row.start * scale : row.stop * scale, column.start * scale : column.stop * scale]

    for top, left, piece in tiles.blend(run or cut, rows, columns, ramp=ramp, scale=scale):
        result[top : top + piece.shape[0], left : left + piece.shape[1]] = piece
        times[top : top + piece.shape[0], left : left + piece.shape[1]] += 1
    assert (times == 1).all(), "every pixel comes once"
    return result


@pytest.mark.parametrize("size", [(20, 30), (32, 100), (100, 32), (90, 131)])
@pytest.mark.parametrize(("scale", "ramp"), [(1, 0), (1, 8), (4, 3)])
def test_tiles_of_an_image_blend_into_the_image(size, scale, ramp):
    image = np.random.default_rng(0).random((size[0] * scale, size[1] * scale, 3), np.float32)
    np.testing.assert_allclose(blend(image, scale, ramp), image, atol=1e-6)


def test_a_tile_goes_over_into_the_next_in_even_steps():
    image, seen = np.zeros((20, 48, 1), np.float32), []

    def run(row: Span, column: Span) -> np.ndarray:
        seen.append(column)
        return np.full((20, column.stop - column.start, 1), len(seen) - 1, np.float32)

    row = blend(image, 1, 8, run)[7, :, 0]
    assert len(seen) == 2
    np.testing.assert_allclose(row[seen[1].begin : seen[1].begin + 8], (np.arange(8) + 0.5) / 8)
    assert (row[: seen[1].begin] == 0).all() and (row[seen[1].begin + 8 :] == 1).all()


def test_the_tile_is_chosen_by_the_network_or_the_user():
    assert len(Tiling(UPSCALER).axis(tiles.DEFAULT_TILE)[1]) == 1
    assert len(Tiling(UPSCALER).axis(tiles.DEFAULT_TILE + 4)[1]) > 1
    far = Card(product="g", in_channels=3, out_channels=3, overlap=400)
    assert len(Tiling(far).axis(1350)[1]) == 1 < len(Tiling(far).axis(1351)[1]), (
        "tiles are not overlap for the most part"
    )
    assert len(Tiling(UPSCALER, 0).axis(100_000)[1]) == 1
    assert max(span.stop - span.start for span in Tiling(UPSCALER, 75).axis(1000)[1]) == 72
    whole = Card(product="g", in_channels=3, out_channels=3)
    assert len(Tiling(whole).axis(100_000)[1]) == len(Tiling(whole, 0).axis(100_000)[1]) == 1


def test_only_an_image_that_is_cut_is_padded_to_the_step_of_tiles():
    windows = replace(UPSCALER, multiple_of=1, tile_step=16)
    assert len(Tiling(windows).axis(101)[0]) == 101
    padded, spans = Tiling(windows, 96).axis(101)
    assert len(padded) == 112 and (spans[0].begin, spans[-1].end) == (0, 112)
    assert all(edge % 16 == 0 for span in spans for edge in (span.start, span.stop))
    with pytest.raises(ValueError, match="tile_step is 6; allowed: multiples of 4"):
        replace(UPSCALER, tile_step=6)


def test_tiles_that_a_network_cannot_take_are_refused():
    with pytest.raises(ValueError, match=r"tile: 71 is refused; allowed: 0 \(the whole image\), or from 72 pixels on"):
        Tiling(UPSCALER, 71)
    with pytest.raises(ValueError, match="tile: -1 is refused"):
        Tiling(UPSCALER, -1)
    with pytest.raises(ValueError, match="tile: g needs the whole image; leave the option out"):
        Tiling(Card(product="g", in_channels=3, out_channels=3), 512)


def test_tiles_shrink_by_half_down_to_the_smallest():
    tiling = Tiling(UPSCALER, 200)
    assert [tiling.shrink(1000, 1000) or tiling.tile for _ in range(2)] == [100, 72]
    with pytest.raises(ValueError, match="900x800 image: not enough memory, and no smaller tile is possible"):
        tiling.shrink(800, 900)
    tiling = Tiling(UPSCALER, 0)
    tiling.shrink(100, 500)
    assert tiling.tile == 250, "of the image, where it went through whole"
