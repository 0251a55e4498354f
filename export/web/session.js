/** Opens an exported .onnx file in ONNX Runtime Web, on the GPU where possible, else on the CPU. */

const RUNTIMES = { gpu: ["ort.webgpu.min.mjs", "webgpu"], cpu: ["ort.wasm.min.mjs", "wasm"] };
const MAX_THREADS = 8;

/**
 * Open a file's bytes on `choice`, "auto", "gpu" or "cpu": {network, device, close}.
 *
 * `network` is the one that `translate` takes, and `device` names what it runs on. Throws where the file cannot be run.
 */
export async function openSession(bytes, card, choice) {
  const obstacle = choice === "cpu" ? "the CPU was chosen" : await gpuObstacle(card, choice);
  if (choice === "gpu" && obstacle) throw new Error(`The GPU cannot be used: ${obstacle}.`);
  const kind = obstacle ? "cpu" : "gpu";
  const [file, provider] = RUNTIMES[kind];
  const folder = new URL("./ort/", import.meta.url).href;
  const ort = await import(folder + file).catch(() => {
    throw new Error("ONNX Runtime Web is missing: run ./setup beside this page, once.");
  });
  // Memory is shared among threads only where the server sends the headers that README.md names.
  const threads = self.crossOriginIsolated ? Math.min(MAX_THREADS, navigator.hardwareConcurrency) : 1;
  Object.assign(ort.env.wasm, { wasmPaths: folder, numThreads: threads });
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(bytes, { executionProviders: [provider] });
  const cpu = `CPU, ${threads === 1 ? "1 thread" : `${threads} threads`}`;
  return {
    network: (images) => run(ort, session, card, images),
    device: kind === "gpu" ? "GPU" : cpu,
    close: () => session.release(),
  };
}

/** Why this file does not run on the GPU; empty if it does. A GPU emulated in software is slower than the CPU. */
async function gpuObstacle(card, choice) {
  if (card.precision === "int8") return "it has no int8; choose the CPU";
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) return "this browser gives no access to one";
  if (choice === "auto" && adapter.info?.isFallbackAdapter) return "it is emulated in software";
  // Without half precision such a file gives noise, and no error.
  if (card.precision === "float16" && !adapter.features.has("shader-f16")) return "it has no half precision";
  return "";
}

async function run(ort, session, card, { data, channels, height, width }) {
  const [batch, fixedHeight, fixedWidth] = card.size ?? [1, height, width];
  if (batch !== 1 || fixedHeight !== height || fixedWidth !== width) {
    throw new Error(`The model takes ${batch} image(s) of ${fixedWidth}x${fixedHeight} pixels only; export it without --static.`);
  }
  const isBytes = card.io === "uint8";
  const input = isBytes
    ? new ort.Tensor("uint8", toBytes(data, channels), [1, height, width, channels])
    : new ort.Tensor("float32", data, [1, channels, height, width]);
  const output = (await session.run({ [session.inputNames[0]]: input }))[session.outputNames[0]];
  const result = { channels: card.out_channels, height: height * card.scale, width: width * card.scale };
  const size = result.channels * result.height * result.width;
  if (output.data.length !== size) {
    throw new Error(`The model gave ${output.dims.join("x")} for ${input.dims.join("x")}, unlike its card says.`);
  }
  result.data = isBytes ? toPlanes(output.data, result.channels) : output.data.slice();
  output.dispose();
  if (!Number.isFinite(result.data.reduce((sum, value) => sum + value, 0))) {
    throw new Error("The model gave values that are not finite; try the CPU, or check its weights.");
  }
  return result;
}

/** Planes of floats in [0, 1] as interleaved bytes. */
function toBytes(planes, channels) {
  const area = planes.length / channels;
  // Rounds to the nearest, and clips.
  const bytes = new Uint8ClampedArray(planes.length);
  bytes.forEach((_, at) => (bytes[at] = 255 * planes[(at % channels) * area + Math.floor(at / channels)]));
  return new Uint8Array(bytes.buffer);
}

/** The inverse of `toBytes`. */
function toPlanes(bytes, channels) {
  const area = bytes.length / channels;
  return Float32Array.from(bytes, (_, at) => bytes[(at % area) * channels + Math.floor(at / area)] / 255);
}
