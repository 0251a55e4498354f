/** Encodes pixels as PNG: a canvas would round the colours of translucent pixels, and has a largest size. */

const COLOURS = { 1: 0, 3: 2, 4: 6 }; // by channels
const UP = 2; // the filter that stores differences to the row above
const SIGNATURE = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);

/** Encode {data, height, width, channels}, grey, RGB or RGBA bytes, as a Blob (https://www.w3.org/TR/png-3). */
export async function encodePng({ data, height, width, channels }) {
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  header.setUint8(9, COLOURS[channels]);
  const lines = new Blob([filtered(data, height, width * channels)]);
  const packed = await new Response(lines.stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer();
  const parts = [["IHDR", new Uint8Array(header.buffer)], ["IDAT", new Uint8Array(packed)], ["IEND", new Uint8Array()]];
  return new Blob([SIGNATURE, ...parts.map((part) => chunk(...part))], { type: "image/png" });
}

function filtered(data, height, bytes) {
  const lines = new Uint8Array(height * (bytes + 1));
  for (let y = 0; y < height; y++) {
    const start = y * (bytes + 1) + 1;
    lines[start - 1] = UP;
    for (let x = 0; x < bytes; x++) lines[start + x] = data[y * bytes + x] - (y ? data[(y - 1) * bytes + x] : 0);
  }
  return lines;
}

function chunk(name, bytes) {
  const whole = new Uint8Array(bytes.length + 12);
  const view = new DataView(whole.buffer);
  view.setUint32(0, bytes.length);
  whole.set(new TextEncoder().encode(name), 4);
  whole.set(bytes, 8);
  view.setUint32(bytes.length + 8, crc32(whole.subarray(4, bytes.length + 8)));
  return whole;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 255];
  return ~crc >>> 0;
}
