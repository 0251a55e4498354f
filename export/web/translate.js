/** Translates one image of any size, with or without alpha, as i2i_runtime/translate.py does. */

import { fillHidden, resizeAlpha } from "./alpha.js";
import { prepared } from "./prepare.js";
import { Tiling, blended, reflected } from "./tiles.js";

const OUT_OF_MEMORY = /bad_?alloc|out of memory|failed to allocate|allocation failed|memory access|safeint/i;

/**
 * {data (RGBA bytes), height, width, hasAlpha} -> {data, height, width, channels}, `card.scale` times as large.
 *
 * `network` maps planes {data, channels, height, width} of floats in [0, 1] to such planes, as a promise. `onProgress`
 * gets the fraction that is done. `steps`, from `sizeSteps`, resize the image before, as in training. Alpha bypasses a
 * network of grey or RGB images. A grey image stays grey if the network enlarges colour images. Throws for an image that
 * the network cannot take.
 */
export async function translate(network, card, image, onProgress, steps = []) {
  const { data, hasAlpha } = image;
  const bypass = hasAlpha && card.in_channels !== 4 && card.out_channels !== 4;
  const enlargesColours = card.scale > 1 && card.in_channels === 3 && card.out_channels === 3;
  const grey = enlargesColours && !hasAlpha && isGrey(data);
  const channels = bypass ? 4 : grey ? 1 : card.out_channels;
  if (bypass) fillHidden(data, image.height, image.width);
  if (card.in_channels === 1) makeGrey(data);
  const pixels = prepared(image, steps);
  const { height, width } = pixels;
  const result = {
    data: new Uint8ClampedArray(height * width * card.scale ** 2 * channels),
    height: height * card.scale,
    width: width * card.scale,
    channels,
  };
  const tiling = new Tiling(card);
  for (;;) {
    try {
      await runInTiles(network, card, pixels, result, tiling, onProgress);
      break;
    } catch (error) {
      if (!OUT_OF_MEMORY.test(error.message)) throw error;
    }
    if (!tiling.shrink(height, width)) {
      throw new Error(`Not enough memory for ${width}x${height} pixels; try a smaller image.`);
    }
  }
  if (bypass) resizeAlpha(image, result);
  return result;
}

function isGrey(pixels) {
  for (let at = 0; at < pixels.length; at += 4) {
    if (pixels[at] !== pixels[at + 1] || pixels[at] !== pixels[at + 2]) return false;
  }
  return true;
}

async function runInTiles(network, card, image, result, tiling, onProgress) {
  const [rows, columns] = [tiling.axis(image.height), tiling.axis(image.width)];
  const cut = [rows.spans, columns.spans];
  let done = 0;
  onProgress(0);
  const run = async (row, column) => {
    const axes = [rows.indices.subarray(row.start, row.stop), columns.indices.subarray(column.start, column.stop)];
    const result = await network(planes(image, ...axes, card.in_channels));
    onProgress(++done / (cut[0].length * cut[1].length));
    return result;
  };
  for await (const { top, left, piece } of blended(run, ...cut, tiling.ramp, card.scale)) {
    paste(piece, result, top, left);
  }
}

/** The pixels at these rows and columns as planes of 1 (the first), 3 or 4 channels. */
function planes({ data, width }, rows, columns, channels) {
  const area = rows.length * columns.length;
  const floats = new Float32Array(channels * area);
  let place = 0;
  for (const row of rows) {
    for (const column of columns) {
      const at = 4 * (row * width + column);
      for (let channel = 0; channel < channels; channel++) {
        floats[channel * area + place] = data[at + channel] / 255;
      }
      place++;
    }
  }
  return { data: floats, channels, height: rows.length, width: columns.length };
}

/** Replace colours by their luma, in OpenCV's fixed point. */
function makeGrey(pixels) {
  for (let at = 0; at < pixels.length; at += 4) {
    pixels.fill((pixels[at] * 9798 + pixels[at + 1] * 19235 + pixels[at + 2] * 3735 + 16384) >> 15, at, at + 3);
  }
}

/** Copy a rectangle of the result to its place, without the padding; alpha is left as it is. */
function paste(piece, out, top, left) {
  const height = Math.min(piece.height, out.height - top);
  const width = Math.min(piece.width, out.width - left);
  const area = piece.height * piece.width;
  const colours = out.channels === 4 && piece.channels < 4 ? 3 : out.channels;
  const value =
    out.channels < piece.channels
      ? (from) => 0.299 * piece.data[from] + 0.587 * piece.data[area + from] + 0.114 * piece.data[2 * area + from]
      : (from, channel) => piece.data[(piece.channels > 1 ? channel * area : 0) + from];
  for (let channel = 0; channel < colours; channel++) {
    for (let y = 0; y < height; y++) {
      const to = (top + y) * out.width + left;
      // The array rounds to the nearest byte, half to even, and clips.
      for (let x = 0; x < width; x++) {
        out.data[(to + x) * out.channels + channel] = 255 * value(y * piece.width + x, channel);
      }
    }
  }
}
