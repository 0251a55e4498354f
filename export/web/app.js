/** The page: files are chosen, dropped or pasted, and the newest model translates the newest image. */

import { Engine, Stopped } from "./engine.js";
import { hasPreparation } from "./prepare.js";

const engine = new Engine();
const part = (id) => document.getElementById(id);
const COLOURS = { 1: "grey", 3: "RGB", 4: "RGBA" };

let model = null; // the file
let opened = null; // {card, device} of the model, once it is open
let image = null;

async function openModel(file) {
  model = file;
  opened = null;
  part("model-name").textContent = file.name;
  part("model-name").parentElement.classList.add("chosen");
  part("model-facts").textContent = "";
  await working("Opening the model…", async () => {
    opened = await engine.open(file, part("device").value);
    const { card, device } = opened;
    const colours = `${COLOURS[card.in_channels]} to ${COLOURS[card.out_channels]}`;
    const size = card.scale > 1 ? `${card.scale} times as large` : "same size";
    part("model-facts").textContent = `${card.product}: ${colours}, ${size}; ${card.precision}; ${device}`;
    part("as-trained").parentElement.hidden = !hasPreparation(card);
    say(image ? "" : "Choose an image.");
  });
  if (opened && image) await run();
}

async function showImage(file) {
  image = file;
  hideResult();
  part("image-name").textContent = file.name;
  part("image-name").parentElement.classList.add("chosen");
  show("before", file);
  part("view").hidden = false;
  if (opened) await run();
  else if (!model) say("Choose a model.");
  else if (part("work").hidden) await openModel(model); // opening it was stopped
}

async function run() {
  hideResult();
  await working("Translating…", async () => {
    const { blob, height, width, seconds } = await engine.translate(image, part("as-trained").checked, (done) => {
      // A single tile has no progress.
      if (done > 0 && done < 1) part("progress").value = done;
    });
    part("compare").style.setProperty("--width", width);
    part("compare").style.setProperty("--height", height);
    part("compare").classList.add("both");
    part("download").href = show("after", blob);
    part("download").download = `${image.name.replace(/\.[^.]*$/, "")}.png`;
    for (const id of ["after", "slider", "download"]) part(id).hidden = false;
    const { naturalWidth, naturalHeight } = part("before");
    part("image-facts").textContent = `${naturalWidth}x${naturalHeight} became ${width}x${height}`;
    say(`Done in ${seconds.toFixed(1)} s on the ${opened.device}. Move the line to compare.`);
  });
}

/** Run `task` with a progress bar, and show its error; a task that is still running is stopped. */
async function working(what, task) {
  engine.stop();
  const self = (working.current = Symbol(what));
  say(what);
  part("error").hidden = true;
  part("error").textContent = "";
  part("progress").removeAttribute("value");
  part("work").hidden = false;
  try {
    await task();
  } catch (error) {
    if (self !== working.current) return;
    const isStopped = error instanceof Stopped;
    say(isStopped ? "Stopped." : "");
    part("error").textContent = isStopped ? "" : error.message;
    part("error").hidden = isStopped;
  } finally {
    if (self === working.current) part("work").hidden = true;
  }
}

/** Hide a result of another image or model. */
function hideResult() {
  part("compare").classList.remove("both");
  part("image-facts").textContent = "";
  for (const id of ["after", "slider", "download"]) part(id).hidden = true;
}

function show(id, blob) {
  URL.revokeObjectURL(part(id).src);
  part(id).src = URL.createObjectURL(blob);
  return part(id).src;
}

function say(text) {
  part("status").textContent = text;
}

function take(files) {
  const isModel = (file) => file.name.toLowerCase().endsWith(".onnx");
  const [newModel, newImage] = [files.find(isModel), files.find((file) => !isModel(file))];
  if (newModel) opened = null; // the image waits for it
  if (newImage) showImage(newImage);
  if (newModel) openModel(newModel);
}

/** Open a model beside the page, named in the address: ?model=x4.onnx */
async function fetchModel(name) {
  await working("Fetching the model…", async () => {
    const answer = await fetch(name).catch(() => ({ ok: false }));
    if (!answer.ok) throw new Error(`${name}: no such file beside this page.`);
    model = new File([await answer.blob()], name);
  });
  if (model) await openModel(model);
}

for (const id of ["model", "image"]) {
  part(id).addEventListener("change", ({ target }) => {
    take([...target.files]);
    target.value = ""; // else a file that changed on disk could not be chosen again
  });
}
part("device").addEventListener("change", () => model && openModel(model));
part("as-trained").addEventListener("change", () => opened && image && run());
part("stop").addEventListener("click", () => engine.stop());
part("actual").addEventListener("change", ({ target }) => part("compare").classList.toggle("actual", target.checked));
part("slider").addEventListener("input", ({ target }) => {
  part("compare").style.setProperty("--at", `${target.value}%`);
  target.setAttribute("aria-valuetext", `${Math.round(target.value)} % before`);
});
part("before").addEventListener("error", () => (part("view").hidden = true));
document.addEventListener("paste", ({ clipboardData }) => take([...clipboardData.files]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  take([...event.dataTransfer.files]);
});
const named = new URLSearchParams(location.search).get("model");
if (named) fetchModel(named);
