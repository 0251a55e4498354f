/** An exported .onnx file as a function on planes, run by ONNX Runtime Web on the GPU where it can, else on the CPU. */

const RUNTIMES = { gpu: ["ort.webgpu.min.mjs", "webgpu"], cpu: ["ort.wasm.min.mjs", "wasm"] };
const MOST_THREADS = 8;

/**
 * {network, device, close} of the file's bytes, where `device` says in words what it runs on.
 *
 * `wanted` is "auto", "gpu" or "cpu". `network` is as `translate` takes it. Throws a sentence where it cannot be run.
 */
export async function openSession(bytes, card, wanted) {
  const hindrance = wanted === "cpu" ? "not asked for" : await gpuHindrance(card, wanted);
  if (wanted === "gpu" && hindrance) throw new Error(`The GPU cannot be used: ${hindrance}.`);
  const kind = hindrance ? "cpu" : "gpu";
  const [file, provider] = RUNTIMES[kind];
  const folder = new URL("./ort/", import.meta.url).href;
  const ort = await import(folder + file).catch(() => {
    throw new Error("ONNX Runtime Web is not there: run ./setup beside this page, once.");
  });
  // Memory is shared among threads only where the server sends the headers that README.md names.
  const threads = self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
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

/** Why the GPU is not the place for this file, if so. A GPU that a CPU plays is slower than the CPU itself. */
async function gpuHindrance(card, wanted) {
  if (card.precision === "int8") return "it has no int8; choose the CPU";
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) return "this browser gives no access to one";
  if (wanted === "auto" && adapter.info?.isFallbackAdapter) return "it is a slow imitation";
  // Without it such a file gives noise, and no error.
  if (card.precision === "float16" && !adapter.features.has("shader-f16")) return "it has no half precision";
  return "";
}

async function run(ort, session, card, { data, channels, height, width }) {
  const [number, high, wide] = card.size ?? [1, height, width];
  if (number !== 1 || high !== height || wide !== width) {
    throw new Error(`The model takes ${number} image(s) of ${wide}x${high} pixels only; export it without --static.`);
  }
  const isBytes = card.io === "uint8";
  const input = isBytes
    ? new ort.Tensor("uint8", toBytes(data, channels), [1, height, width, channels])
    : new ort.Tensor("float32", data, [1, channels, height, width]);
  const output = (await session.run({ [session.inputNames[0]]: input }))[session.outputNames[0]];
  const made = { channels: card.out_channels, height: height * card.scale, width: width * card.scale };
  const size = made.channels * made.height * made.width;
  if (output.data.length !== size) {
    throw new Error(`The model made ${output.dims.join("x")} of ${input.dims.join("x")}: not what its card promises.`);
  }
  made.data = isBytes ? toPlanes(output.data, made.channels) : output.data.slice();
  output.dispose();
  if (!Number.isFinite(made.data.reduce((sum, value) => sum + value, 0))) {
    throw new Error("The model gave values that are no numbers; try the CPU, or check its weights.");
  }
  return made;
}

/** Planes of floats in [0, 1] as bytes, pixel by pixel. */
function toBytes(planes, channels) {
  const area = planes.length / channels;
  // Which rounds to the nearest, and clips.
  const bytes = new Uint8ClampedArray(planes.length);
  bytes.forEach((_, at) => (bytes[at] = 255 * planes[(at % channels) * area + Math.floor(at / channels)]));
  return new Uint8Array(bytes.buffer);
}

/** The inverse of `toBytes`. */
function toPlanes(bytes, channels) {
  const area = bytes.length / channels;
  return Float32Array.from(bytes, (_, at) => bytes[(at % area) * channels + Math.floor(at / area)] / 255);
}
