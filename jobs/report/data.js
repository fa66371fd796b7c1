// What the page shows: the JSON that stands in it, and small helpers to find and to write things.
"use strict";

const report = JSON.parse(document.getElementById("data").textContent);
const runs = report.runs;
runs.forEach((run, index) => { run.index = index; });

// A history is a list of columns: these first, then one for each of report.losses.
const ROW = 0, EVALUATION = 1, SECONDS = 2, FIRST_LOSS = 3;

const STATUSES = {
  done: "done", failed: "failed", unreadable: "damaged", running: "running", waiting: "not rendered yet",
};

const $ = (id) => document.getElementById(id);

// Makes an element. Texts become text nodes, so nothing in a sweep can become markup.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) =>
    el("option", { value, selected: String(value) === String(chosen) }, text)));
  return select;
}

function labelled(text, control) { return el("label", {}, el("span", {}, text), control); }

// Numbers and quantities as people read them.

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

function number(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e6) return String(Number(value.toPrecision(digits)));
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  const power = [...exponent.replace("+", "")].map((c) => SUPERSCRIPT[c]).join("");
  const factor = String(Number(mantissa));
  return factor === "1" ? `10${power}` : `${factor} × 10${power}`;
}

function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

function bytes(count) {
  if (!Number.isFinite(count)) return "–";
  if (count < 1e6) return `${Math.round(count / 1e3)} kB`;
  return count < 1e9 ? `${Math.round(count / 1e6)} MB` : `${(count / 1e9).toFixed(1)} GB`;
}

function plural(count, one, many = one + "s") { return `${count} ${count === 1 ? one : many}`; }

// Parameters and losses.

const parameterNamed = new Map(report.parameters.map((parameter) => [parameter.name, parameter]));
report.parameters.forEach((parameter, index) => { parameter.index = index; });

const words = (name) => name.replaceAll("_", " ");
const label = (parameter, value) => parameter.labels[value] ?? "–";
const valueOf = (run, parameter) => run.values[parameter.index];

// "style weight 10 · style scream.jpg": what tells this run from others.
function describe(run, without = []) {
  const parts = report.parameters.filter((parameter) => !without.includes(parameter))
    .map((parameter) => `${words(parameter.name)} ${label(parameter, valueOf(run, parameter))}`);
  return parts.join(" · ") || run.name || run.id;
}

function lossTitle(name) {
  const [, term, layer] = /^(content|style)_(.+)$/.exec(name) ?? [];
  if (layer) return `${term} at ${layer}`;
  return { total: "total", content: "content", style: "style", tv: "total variation" }[name] ?? name;
}

const jpeg = (base64) => `data:image/jpeg;base64,${base64}`;

// A file of the store as an address: relative where the page lies in the store.
function address(path) {
  const whole = report.base ? `${report.base}/${path}` : path;
  return whole.split("/").map(encodeURIComponent).join("/");
}

function fullPicture(run) {
  if (run.full) return `data:image/png;base64,${run.full}`;
  return run.picture ? address(run.picture) : null;
}
