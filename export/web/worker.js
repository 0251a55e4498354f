/** The thread for slow work: messages {open} a model or {translate} an image; answers are {done} or {error}. */

import { readCard } from "./card.js";
import { readPixels } from "./pixels.js";
import { encodePng } from "./png.js";
import { sizeSteps } from "./prepare.js";
import { openSession } from "./session.js";
import { translate } from "./translate.js";

let card, session;

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ done: await (data.open ? open(data.open) : translated(data.translate)) });
  } catch (error) {
    self.postMessage({ error: sentence(error) });
  }
};

async function open({ file, device }) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  await session?.close();
  session = null;
  card = readCard(bytes, file.name);
  session = await openSession(bytes, card, device);
  return { card, device: session.device };
}

async function translated({ file, asTrained }) {
  const steps = asTrained ? sizeSteps(card) : [];
  const image = await readPixels(file);
  const start = performance.now();
  const result = await translate(session.network, card, image, (progress) => self.postMessage({ progress }), steps);
  const seconds = (performance.now() - start) / 1000;
  const { height, width } = result;
  return { blob: await encodePng(result), height, width, seconds };
}

function sentence(error) {
  if (error instanceof RangeError) return "Not enough memory for this image; try a smaller one.";
  return error?.message ?? `ONNX Runtime Web stopped (${error}); try the CPU, or a smaller image.`;
}
