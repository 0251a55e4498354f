/** Decodes an image file to {data, height, width}, RGBA bytes: upright, in sRGB. */

const STRIP = 2 ** 20; // pixels read at a time: canvases have a largest size

/** Read an image file: the first frame of an animation, the upper 8 of 16 bits. Throws for a file that is no image. */
export async function readPixels(file) {
  const bitmap = await createImageBitmap(file, { premultiplyAlpha: "none" }).catch(() => {
    throw new Error(`${file.name}: not an image that this browser can read.`);
  });
  const { height, width } = bitmap;
  const data = throughCanvas(bitmap);
  const hasAlpha = data.some((byte, at) => at % 4 === 3 && byte < 255);
  const image = { data: (hasAlpha && throughTexture(bitmap)) || data, height, width, hasAlpha };
  bitmap.close();
  return image;
}

/** Pixels by way of a canvas, which multiplies colours by alpha and so rounds those of translucent pixels. */
function throughCanvas(bitmap) {
  const { height, width } = bitmap;
  const data = new Uint8ClampedArray(height * width * 4);
  const lines = Math.max(1, Math.min(height, Math.floor(STRIP / width)));
  const canvas = new OffscreenCanvas(width, lines).getContext("2d", { willReadFrequently: true });
  for (let top = 0; top < height; top += lines) {
    canvas.clearRect(0, 0, width, lines);
    canvas.drawImage(bitmap, 0, -top);
    data.set(canvas.getImageData(0, 0, width, Math.min(lines, height - top)).data, top * width * 4);
  }
  return data;
}

/** Pixels by way of a WebGL texture, which keeps them as stored; null where it is not available or too small. */
function throughTexture(bitmap) {
  const { height, width } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (!gl || Math.max(height, width) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return null;
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  const bytes = new Uint8Array(height * width * 4);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
  const isRead = gl.getError() === gl.NO_ERROR;
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return isRead ? new Uint8ClampedArray(bytes.buffer) : null;
}
