/** Resampling of RGBA bytes as OpenCV does it, within one grey level (its modules/imgproc/src/resize.cpp). */

const SHARPNESS = -0.75; // a of the cubic kernel (Keys 1981)

/** Resize {data, height, width} to [height, width]; "bicubic" is cubic to enlarge and area to shrink. */
export function resize(image, size, interpolation) {
  if (interpolation === "nearest") return resample(image, size, nearest);
  if (interpolation === "linear") return resample(image, size, linear);
  const shrunk = resample(image, [Math.min(size[0], image.height), Math.min(size[1], image.width)], area);
  return resample(shrunk, size, interpolation === "bicubic" ? cubic : enlargedArea);
}

/** Every pixel of an axis of `to` pixels is a weighted sum of the pixels [index, weight] in `taps(from, to, place)`. */
function resample(image, [height, width], taps) {
  if (image.height === height && image.width === width) return image;
  const axis = (from, to) => Array.from({ length: to }, (_, place) => inside(taps(from, to, place), from));
  const wide = new Float32Array(image.height * width * 4);
  axis(image.width, width).forEach((column, x) => {
    for (let y = 0; y < image.height; y++) {
      for (const [from, weight] of column) add(wide, y * width + x, image.data, y * image.width + from, weight);
    }
  });
  const data = new Uint8ClampedArray(height * width * 4);
  const line = new Float32Array(width * 4);
  axis(image.height, height).forEach((row, y) => {
    line.fill(0);
    for (const [from, weight] of row) {
      for (let at = 0; at < line.length; at++) line[at] += weight * wide[from * width * 4 + at];
    }
    data.set(line, y * width * 4); // rounds to the nearest byte, half to even, and clips
  });
  return { ...image, data, height, width };
}

function add(out, to, pixels, from, weight) {
  for (let channel = 0; channel < 4; channel++) out[4 * to + channel] += weight * pixels[4 * from + channel];
}

/** Beyond its ends an axis goes on with its last pixel. */
function inside(taps, size) {
  return taps.map(([index, weight]) => [Math.min(Math.max(index, 0), size - 1), weight]);
}

/** The pixel that holds the centre; between two pixels the latter, where OpenCV's rounding may choose the former. */
function nearest(from, to, place) {
  return [[Math.floor(((2 * place + 1) * from) / (2 * to)), 1]];
}

function linear(from, to, place) {
  const centre = ((place + 0.5) * from) / to - 0.5;
  const first = Math.floor(centre);
  return [[first, first + 1 - centre], [first + 1, centre - first]];
}

function cubic(from, to, place) {
  const centre = ((place + 0.5) * from) / to - 0.5;
  const first = Math.floor(centre);
  return [-1, 0, 1, 2].map((tap) => [first + tap, cubicWeight(Math.abs(first + tap - centre))]);
}

function cubicWeight(x) {
  const a = SHARPNESS;
  return x < 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

/** The share of each pixel in the area of a larger one. */
function area(from, to, place) {
  const [start, stop] = [(place * from) / to, ((place + 1) * from) / to];
  const first = Math.floor(start);
  return Array.from({ length: Math.ceil(stop) - first }, (_, tap) => {
    const index = first + tap;
    return [index, ((Math.min(index + 1, stop) - Math.max(index, start)) * to) / from];
  });
}

/** INTER_AREA where an axis gets larger: pixels with a linear transition that is one pixel of the result wide. */
function enlargedArea(from, to, place) {
  const first = Math.floor((place * from) / to);
  const ahead = Math.max(0, place + 1 - ((first + 1) * to) / from);
  return [[first, 1 - (ahead % 1)], [first + 1, ahead % 1]];
}
