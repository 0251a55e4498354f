/** Alpha for a network without an alpha channel: it is resampled, and the colours under it are filled in. */

const STRAIGHT = 3; // chamfer distances to a neighbour (Borgefors 1986)
const DIAGONAL = 4;

/** Resize alpha, every fourth byte of an RGBA image, into that of `out`: bicubic (a = -0.5), as Pillow does. */
export function resizeAlpha({ data: pixels, height, width }, out) {
  const wide = new Float32Array(height * out.width);
  taps(width, out.width).forEach(([first, weights], x) => {
    for (let y = 0; y < height; y++) {
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap++) sum += weights[tap] * pixels[4 * (y * width + first + tap) + 3];
      wide[y * out.width + x] = sum;
    }
  });
  taps(height, out.height).forEach(([first, weights], y) => {
    for (let x = 0; x < out.width; x++) {
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap++) sum += weights[tap] * wide[(first + tap) * out.width + x];
      out.data[4 * (y * out.width + x) + 3] = sum;
    }
  });
}

/** For every pixel of the resized axis the first one that it depends on, and the weights from there on. */
function taps(size, resized) {
  const stretch = Math.max(1, size / resized); // the kernel is wider where the axis gets smaller
  return Array.from({ length: resized }, (_, index) => {
    const centre = ((index + 0.5) * size) / resized;
    const first = Math.max(0, Math.trunc(centre - 2 * stretch + 0.5));
    const last = Math.min(size, Math.trunc(centre + 2 * stretch + 0.5));
    const weights = Array.from({ length: last - first }, (_, tap) => {
      return cubic(Math.abs(first + tap - centre + 0.5) / stretch);
    });
    const sum = weights.reduce((a, b) => a + b, 0);
    return [first, weights.map((weight) => weight / sum)];
  });
}

function cubic(x) {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/** Give wholly transparent pixels the colour of about the nearest that is not, so that theirs does not bleed out. */
export function fillHidden(pixels, height, width) {
  const distance = new Float32Array(height * width).map((_, place) => (pixels[4 * place + 3] ? 0 : Infinity));
  const take = (place, x, y, dx, dy) => {
    if (x + dx < 0 || x + dx >= width || y + dy < 0 || y + dy >= height) return;
    const from = place + dy * width + dx;
    const further = distance[from] + (dx && dy ? DIAGONAL : STRAIGHT);
    if (further >= distance[place]) return;
    distance[place] = further;
    pixels.copyWithin(4 * place, 4 * from, 4 * from + 3);
  };
  for (const step of [1, -1]) {
    for (let index = 0; index < distance.length; index++) {
      const place = step > 0 ? index : distance.length - 1 - index;
      if (!distance[place]) continue;
      const [x, y] = [place % width, Math.floor(place / width)];
      for (const dx of [-1, 0, 1]) take(place, x, y, dx, -step);
      take(place, x, y, -step, 0);
    }
  }
}
