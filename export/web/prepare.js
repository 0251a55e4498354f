/** Preparation of images as in training, as i2i_runtime/images/prepare.py does: the recipe's steps that resize. */

import { resize } from "./resample.js";

const PARTS = ["crop", "center_crop", "limit", "flip", "quarter_turns"]; // choose a part or a view of an image
const SIZES = { resize: "size", scale_width: "width", scale_short: "size" }; // the option that holds pixels
const INTERPOLATIONS = ["bicubic", "linear", "area", "nearest"];
const MAX_SIDE = 2 ** 16; // pixels
const HELP = "leave “As trained” off, or prepare the image before";

// A table's header, or a key and its value, which may be an array of several lines: TOML as tomli_w writes it
const STATEMENT = /^\[+([^\n\]]+)\]+$|^("[^"\n]*"|\S+) = (\[\n[^]*?^\]|.*)$/gm;

/** True for a card whose images of training were resized, or went through a step that is not known here. */
export function hasPreparation(card) {
  try {
    return sizeSteps(card).length > 0;
  } catch {
    return true;
  }
}

/** The steps {name, size, interpolation} of a card's recipe. Throws a sentence for what cannot be done here. */
export function sizeSteps(card) {
  const steps = [...trainedSteps(card.recipe)].filter(([name]) => !PARTS.includes(name));
  const others = steps.map(([name]) => name).filter((name) => !Object.hasOwn(SIZES, name));
  if (others.length) {
    throw new Error(`Images of training went through ${others.join(", ")}, which this page does not have: ${HELP}.`);
  }
  if (steps.length && card.label_classes) throw new Error(`This page does not resize label maps: ${HELP}.`);
  return steps.map(([name, options]) => sizeStep(name, options));
}

function sizeStep(name, { interpolation = "bicubic", ...options }) {
  const size = [options[SIZES[name]]].flat();
  if (size.length === 1) size.push(size[0]);
  const isValid = size.length === 2 && size.every((side) => Number.isInteger(side) && side > 0 && side <= MAX_SIDE);
  if (!isValid || !INTERPOLATIONS.includes(interpolation)) {
    throw new Error(`The recipe in the model has a step ${name} that cannot be used: ${HELP}.`);
  }
  return { name, size, interpolation };
}

/** Options by name of the steps in `augment.test` of a recipe, in order. */
function trainedSteps(recipe) {
  const steps = new Map();
  let table = [];
  for (const [, header, key, text] of (recipe ?? "").matchAll(STATEMENT)) {
    if (header) table = header.split(".");
    const [first, second, step, option] = key ? [...table, key] : table;
    if (first !== "augment" || (second ?? "test") !== "test") continue;
    if (key && !option && text === "false") continue; // a step that was switched off
    if (key && !option) throw new Error(`The recipe in the model cannot be read: ${HELP}.`);
    if (step && !steps.has(step)) steps.set(step, {});
    if (key) steps.get(step)[option] = value(text);
  }
  return steps;
}

/** A number, text or array of TOML; null for anything else. */
function value(text) {
  try {
    return JSON.parse(text.replace(/,(?=\s*\])/g, ""));
  } catch {
    return null;
  }
}

/** Resize an image {data (RGBA bytes), height, width} by steps, one after another. */
export function prepared(image, steps) {
  return steps.reduce((current, step) => resize(current, resultSize(step, current), step.interpolation), image);
}

function resultSize({ name, size }, { height, width }) {
  if (name === "resize") return size;
  const factor = size[0] / (name === "scale_width" ? width : Math.min(height, width));
  return [height, width].map((side) => Math.max(1, roundHalfEven(side * factor)));
}

/** The nearest whole number, as Python rounds. */
function roundHalfEven(number) {
  const below = Math.floor(number);
  return number - below === 0.5 ? below + (below % 2) : Math.round(number);
}
