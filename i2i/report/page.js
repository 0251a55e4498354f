"use strict";
// Draws curves, and handles sliders and menus. All data are in the page; nothing is loaded.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (name) => document.getElementById(name);
const short = (value) => Math.abs(value) >= 1e5 || (value && Math.abs(value) < 1e-3)
  ? value.toExponential(1).replace("e+", "e") : String(Number(value.toPrecision(3)));

// Cards of held-out images ----------------------------------------------------------------------------------------------------
function setUpCards() {
  const cards = [...document.querySelectorAll(".card")];
  const titles = [...new Set(cards.flatMap((card) => [...card.querySelectorAll("img")].map((img) => img.dataset.title)))];
  const choices = { left: byId("left"), right: byId("right") };
  for (const [side, choice] of Object.entries(choices)) {
    for (const title of titles) choice.add(new Option(title));
    choice.value = cards[0].dataset[side];
    choice.onchange = () => cards.forEach((card) => showPictures(card, choices));
  }
  for (const card of cards) {
    const stack = card.querySelector(".stack");
    card.querySelector("input").oninput = (event) => stack.style.setProperty("--cut", `${event.target.value}%`);
    showPictures(card, choices);
  }
  byId("large").onchange = (event) => byId("cards").classList.toggle("large", event.target.checked);
  if (byId("order")) byId("order").onchange = (event) => sortCards(cards, event.target);
}

function showPictures(card, choices) {
  const images = [...card.querySelectorAll("img")];
  for (const [side, role] of [["left", "before"], ["right", "after"]]) {
    const titled = (title) => images.find((img) => img.dataset.title === title);
    const chosen = titled(choices[side].value) || titled(card.dataset[side]); // a card may lack the chosen picture
    images.forEach((img) => img.classList.toggle(role, img === chosen));
    card.querySelector(`.title.${side}`).textContent = chosen.dataset.title;
  }
}

function sortCards(cards, order) {
  const sign = Number(order.selectedOptions[0].dataset.sign || 0);
  const value = (card) => JSON.parse(card.dataset.measures)[order.value];
  const known = (card) => sign && value(card) !== undefined;
  const sorted = sign ? [...cards].sort((a, b) => known(b) - known(a) || sign * (value(a) - value(b)) || 0) : cards;
  byId("cards").append(...sorted);
}

// Sample sheets ---------------------------------------------------------------------------------------------
function setUpSheets() {
  const steps = [...new Set(data.sheets.flat().map(([step]) => step))].sort((a, b) => a - b);
  const own = data.sheets.filter((sheets) => sheets.length);
  const slider = byId("when");
  let timer = 0;
  slider.max = steps.length - 1;
  slider.oninput = () => {
    const step = steps[slider.value];
    byId("step").textContent = step.toLocaleString("en");
    slider.setAttribute("aria-valuetext", `step ${step}`);
    for (const img of document.querySelectorAll("#sheets img")) {
      const sheets = own[img.dataset.run];
      const [found, url] = sheets.findLast(([each]) => each <= step) || sheets[0];
      if (img.src === url) continue;
      img.src = url;
      img.alt = img.alt.replace(/\d+$/, found);
      img.parentElement.querySelector("span").textContent = `step ${found.toLocaleString("en")}`;
    }
  };
  const stop = () => { clearInterval(timer); timer = 0; byId("play").textContent = "▶"; };
  byId("play").onclick = () => {
    if (timer) return stop();
    if (Number(slider.value) === steps.length - 1) slider.value = 0;
    byId("play").textContent = "❚❚";
    slider.oninput();
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      slider.oninput();
      if (Number(slider.value) === steps.length - 1) stop();
    }, 500);
  };
  byId("full").onchange = (event) => byId("sheets").classList.toggle("full", event.target.checked);
  slider.value = steps.length - 1;
  slider.oninput();
}

// Curves --------------------------------------------------------------------------------------------------------------
const HEIGHT = 180, LEFT = 46, RIGHT = 10, TOP = 10, BOTTOM = 22; // pixels
const view = { log: false, smooth: 0, hidden: new Set(), step: null };
const charts = [];

function tag(name, attributes, parent) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return parent ? parent.appendChild(element) : element;
}

function newGroup(name) {
  byId("charts").append(Object.assign(document.createElement("h3"), { textContent: name }));
  return byId("charts").appendChild(Object.assign(document.createElement("div"), { className: "group" }));
}

function drawCharts() {
  const groups = new Map();
  for (const chart of data.charts) {
    const group = groups.get(chart.group) || newGroup(chart.group);
    groups.set(chart.group, group);
    const figure = group.appendChild(document.createElement("figure"));
    const caption = figure.appendChild(document.createElement("figcaption"));
    caption.append(Object.assign(document.createElement("b"), { textContent: chart.name }));
    const value = caption.appendChild(Object.assign(document.createElement("span"), { className: "value" }));
    const svg = figure.appendChild(tag("svg", { role: "img", tabindex: 0 }));
    svg.setAttribute("aria-label", `${chart.group}: ${chart.name}; the arrow keys move through the steps`);
    const drawn = { ...chart, svg, value };
    svg.onpointermove = svg.onpointerdown = (event) => showStep(stepAt(drawn, event.offsetX));
    svg.onpointerleave = () => showStep(null);
    svg.onkeydown = (event) => moveStep(drawn, event);
    charts.push(drawn);
  }
  byId("smooth").oninput = (event) => {
    view.smooth = Number(event.target.value);
    byId("smoothness").textContent = view.smooth;
    draw();
  };
  byId("log").onchange = (event) => { view.log = event.target.checked; draw(); };
  for (const box of document.querySelectorAll("input.run"))
    box.onchange = () => { view.hidden[box.checked ? "delete" : "add"](Number(box.value)); draw(); };
  new ResizeObserver(draw).observe(byId("charts"));
}

// Exponential moving average with bias correction.
function smoothed(values) {
  let mean = 0, weight = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = view.smooth * mean + (1 - view.smooth) * value;
    weight = view.smooth * weight + (1 - view.smooth);
    return mean / weight;
  });
}

function draw() {
  for (const chart of charts) drawChart(chart);
  showStep(view.step);
}

function drawChart(chart) {
  const { svg } = chart, width = Math.max(svg.clientWidth, 120);
  const lines = chart.lines.filter((line) => !view.hidden.has(line.run)).map((line) => ({ ...line, shown: smoothed(line.values) }));
  const steps = lines.flatMap((line) => [line.steps[0], line.steps.at(-1), ...line.broken]).filter((step) => step !== undefined);
  const values = lines.flatMap((line) => line.values).filter((value) => value !== null);
  const log = view.log && values.every((value) => value > 0);
  const up = log ? Math.log10 : Number;
  let low = Infinity, high = -Infinity, first = Infinity, last = -Infinity;
  for (const value of values) { low = Math.min(low, up(value)); high = Math.max(high, up(value)); }
  for (const step of steps) { first = Math.min(first, step); last = Math.max(last, step); }
  if (!values.length) [low, high] = [0, 1];
  if (!steps.length) [first, last] = [0, 1];
  if (low === high) [low, high] = [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
  const x = (step) => LEFT + (last > first ? (step - first) / (last - first) : 0.5) * (width - LEFT - RIGHT);
  const y = (value) => TOP + (high - up(value)) / (high - low) * (HEIGHT - TOP - BOTTOM);
  Object.assign(chart, { x, y, first, last, width, drawn: lines });
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  for (const value of ticks(low, high, log)) {
    tag("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }, svg);
    tag("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, svg).textContent = short(value);
  }
  for (const [step, anchor] of last > first ? [[first, "start"], [last, "end"]] : [[first, "middle"]])
    tag("text", { x: x(step), y: HEIGHT - 6, "text-anchor": anchor }, svg).textContent = step.toLocaleString("en");
  if (view.log && !log) tag("text", { x: width - RIGHT, y: HEIGHT - 6 - 14, "text-anchor": "end" }, svg).textContent = "linear: not all above 0";
  for (const line of lines) {
    if (view.smooth) drawLine(chart, line, line.values, "line raw");
    drawLine(chart, line, line.shown, "line");
    for (const step of line.broken)
      tag("path", { class: "broken", d: `M${x(step) - 4} ${TOP - 8}h8l-4 7z` }, svg).append(
        Object.assign(tag("title", {}), { textContent: `not finite at step ${step}` }));
  }
  chart.hair = tag("g", {}, svg);
}

function drawLine(chart, line, values, kind) {
  let path = "", open = false, points = 0;
  values.forEach((value, at) => {
    if (value !== null) { path += `${open ? "L" : "M"}${chart.x(line.steps[at]).toFixed(1)} ${chart.y(value).toFixed(1)}`; points += 1; }
    open = value !== null;
  });
  tag("path", { class: `${kind} key${line.run % 8}`, d: path }, chart.svg);
  if (points > 20 || kind !== "line") return;
  values.forEach((value, at) => value !== null &&
    tag("circle", { class: `dot key${line.run % 8}`, cx: chart.x(line.steps[at]), cy: chart.y(value), r: 2.2 }, chart.svg));
}

function ticks(low, high, log) {
  if (log && high - low >= 1) {
    const every = Math.ceil((high - low) / 4);
    return Array.from({ length: Math.floor(high) - Math.ceil(low) + 1 }, (_, at) => Math.ceil(low) + at)
      .filter((power) => power % every === 0).map((power) => 10 ** power);
  }
  const [bottom, top] = log ? [10 ** low, 10 ** high] : [low, high];
  const rough = (top - bottom) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const marks = [];
  for (let at = Math.ceil(bottom / step); at * step <= top * (1 + 1e-12); at += 1) marks.push(Number((at * step).toPrecision(12)));
  return marks;
}

const stepAt = (chart, pixel) => chart.first + (pixel - LEFT) / (chart.width - LEFT - RIGHT) * (chart.last - chart.first);

// Index of the value nearest to a step, or of the last value for no step; -1 where there is none.
function nearest(line, step) {
  if (step === null) return line.shown.findLastIndex((value) => value !== null);
  let best = -1;
  line.steps.forEach((each, at) => {
    if (line.shown[at] !== null && (best < 0 || Math.abs(each - step) < Math.abs(line.steps[best] - step))) best = at;
  });
  return best;
}

// Shows the values at a step in all charts, or the last values for null.
function showStep(step) {
  view.step = step;
  for (const chart of charts) {
    chart.hair.replaceChildren();
    chart.value.replaceChildren();
    for (const line of chart.drawn) {
      const at = nearest(line, step);
      const text = document.createElement("span");
      if (data.runs.length > 1) text.append(Object.assign(document.createElement("i"), { className: `key key${line.run % 8}` }));
      text.append(at < 0 ? "not finite" : step === null ? short(line.shown[at]) : `${line.steps[at].toLocaleString("en")}: ${short(line.shown[at])}`);
      chart.value.append(text);
      if (step === null || at < 0) continue;
      const [x, y] = [chart.x(line.steps[at]), chart.y(line.shown[at])];
      tag("line", { class: "hair", x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }, chart.hair);
      tag("circle", { class: `dot key${line.run % 8}`, cx: x, cy: y, r: 4 }, chart.hair);
    }
  }
}

function moveStep(chart, event) {
  const line = chart.drawn[0], by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!line || !by) return;
  event.preventDefault();
  const at = nearest(line, view.step) + by;
  if (at >= 0 && at < line.steps.length) showStep(line.steps[at]);
  chart.svg.setAttribute("aria-label", `${chart.group}: ${chart.name}: ${chart.value.textContent}`);
}

if (byId("cards")) setUpCards();
if (byId("when")) setUpSheets();
drawCharts();
