/** Pads images, cuts large ones into tiles and blends the results, as i2i_runtime/tiles.py does. */

const DEFAULT_TILE = 384; // pixels of height and width, or more for a network whose tiles overlap a lot

/** The largest tile that a network is given at once: a side in pixels, 0 for the whole image. */
export class Tiling {
  constructor(card) {
    this.card = card;
    this.ramp = Math.floor(card.overlap / 8); // pixels over which two tiles are blended
    this.overlap = card.overlap + this.ramp;
    this.step = card.tile_step || card.multiple_of;
    this.smallest = roundUp(Math.max(2 * this.overlap, card.min_size), this.step);
    this.tile = card.overlap ? Math.max(DEFAULT_TILE, 3 * this.overlap, this.smallest) : 0;
  }

  /** Pad an axis of `size` by reflection and cut it into tiles: `indices` of the padded axis, and its `spans`. */
  axis(size) {
    const whole = reflected(size, this.card.min_size, this.card.multiple_of);
    if (!this.tile || whole.length <= this.tile) {
      return { indices: whole, spans: spans(whole.length, whole.length, this.overlap, this.ramp, 1) };
    }
    const indices = reflected(size, whole.length, this.step);
    return { indices, spans: spans(indices.length, this.tile, this.overlap, this.ramp, this.step) };
  }

  /** Halve a tile that was too large for the memory; false where no smaller one is possible. */
  shrink(height, width) {
    const tile = Math.min(this.tile || Infinity, Math.max(height, width));
    if (!this.card.overlap || tile <= this.smallest) return false;
    this.tile = Math.max(Math.floor(tile / 2), this.smallest);
    return true;
  }
}

/** Indices into an axis of `size` that reflect-pad it at the end to at least `smallest`, a multiple of `multipleOf`. */
export function reflected(size, smallest, multipleOf) {
  const period = Math.max(1, 2 * (size - 1));
  return Int32Array.from({ length: roundUp(Math.max(size, smallest), multipleOf) }, (_, index) => {
    const place = index % period;
    return place < size ? place : period - place;
  });
}

/**
 * Cut an axis into the fewest tiles, all equally large and of at most `tile` pixels, that share at least `overlap`.
 *
 * The network takes `start` to `stop` of each, and `begin` to `end` of its result count; over the first `ramp` pixels
 * from `begin` on, except in the first tile, it is blended with the tile before.
 */
export function spans(size, tile, overlap, ramp, multipleOf) {
  [size, tile, overlap] = [size / multipleOf, Math.floor(tile / multipleOf), Math.ceil(overlap / multipleOf)];
  if (size <= tile) return [{ start: 0, stop: size * multipleOf, begin: 0, end: size * multipleOf }];
  const number = Math.ceil((size - overlap) / (tile - overlap));
  tile = Math.ceil((size + (number - 1) * overlap) / number);
  const starts = Array.from({ length: number }, (_, index) => {
    return Math.floor((index * (size - tile)) / (number - 1)) * multipleOf;
  });
  [size, tile] = [size * multipleOf, tile * multipleOf];
  const seam = (index) => Math.floor((starts[index] + starts[index - 1] + tile - ramp) / 2);
  return starts.map((start, index) => ({
    start,
    stop: start + tile,
    begin: index ? seam(index) : 0,
    end: index < number - 1 ? seam(index + 1) : size,
  }));
}

/**
 * Blend the results of tiles into rectangles {top, left, piece} that cover the image once.
 *
 * `run(row, column)` resolves to the planes {data, channels, height, width} of one tile, `scale` times as large as its
 * spans. Two tiles are weighted by ramps that sum to 1. Only the seams of one row of tiles are kept.
 */
export async function* blended(run, rows, columns, ramp, scale) {
  ramp *= scale;
  const above = [];
  for (const row of rows) {
    const height = (row.end - row.begin) * scale;
    let before = null;
    for (const [index, column] of columns.entries()) {
      const width = (column.end - column.begin) * scale;
      const [top, left] = [(row.begin - row.start) * scale, (column.begin - column.start) * scale];
      const tile = crop(await run(row, column), top, left, height + ramp, width + ramp);
      blendColumns(before, tile);
      before = crop(tile, 0, width, tile.height, ramp);
      const piece = crop(tile, 0, 0, tile.height, width);
      blendRows(above[index], piece);
      above[index] = crop(piece, height, 0, ramp, width);
      yield { top: row.begin * scale, left: column.begin * scale, piece: crop(piece, 0, 0, height, width) };
    }
  }
}

function crop({ data, channels, height, width }, top, left, mostRows, mostColumns) {
  const rows = Math.min(mostRows, height - top);
  const columns = Math.min(mostColumns, width - left);
  const kept = new Float32Array(channels * rows * columns);
  for (let line = 0; line < channels * rows; line++) {
    const from = (Math.floor(line / rows) * height + top + (line % rows)) * width + left;
    kept.set(data.subarray(from, from + columns), line * columns);
  }
  return { data: kept, channels, height: rows, width: columns };
}

function blendColumns(before, tile) {
  const ramp = before?.width ?? 0;
  for (let line = 0; line < tile.channels * tile.height; line++) {
    const start = line * tile.width;
    for (let x = 0; x < ramp; x++) mix(tile.data, start + x, before.data[line * ramp + x], (x + 0.5) / ramp);
  }
}

function blendRows(above, tile) {
  const ramp = above?.height ?? 0;
  for (let line = 0; line < tile.channels * ramp; line++) {
    const y = line % ramp;
    const start = (Math.floor(line / ramp) * tile.height + y) * tile.width;
    for (let x = 0; x < tile.width; x++) mix(tile.data, start + x, above.data[line * tile.width + x], (y + 0.5) / ramp);
  }
}

function mix(data, place, before, weight) {
  data[place] = before + weight * (data[place] - before);
}

function roundUp(size, multipleOf) {
  return Math.ceil(size / multipleOf) * multipleOf;
}
