// What the person chose, shared by the sheet, the curves and the table: each listens to what it
// draws, so a run picked in one is marked in all.
"use strict";

const state = {
  rows: parameterNamed.get(report.axes.rows) ?? null,
  columns: parameterNamed.get(report.axes.columns) ?? null,
  colour: parameterNamed.get(report.axes.colour) ?? null,
  only: new Map(),   // parameter -> chosen value, or {low, high} of numbers
  status: "",        // a key of STATUSES, or all
  text: "",
  onlyPicked: false,
  picked: new Set(), // runs
  hovered: null,     // a run
};

const listeners = { shown: [], axes: [], colour: [], picked: [], hovered: [], theme: [] };
const on = (what, listener) => listeners[what].push(listener);
const tell = (what) => listeners[what].forEach((listener) => listener());

function matches(run, parameter, wanted) {
  const value = valueOf(run, parameter);
  if (typeof wanted !== "object") return value === wanted;
  const amount = parameter.numbers[value];
  return !(amount < wanted.low) && !(amount > wanted.high);
}

function searchable(run) {
  run.words ??= [describe(run), run.id, run.name, run.status, run.host, run.error?.message]
    .filter(Boolean).join(" ").toLowerCase();
  return run.words;
}

function isShown(run) {
  if (state.status && run.status !== state.status) return false;
  if (state.onlyPicked && state.picked.size && !state.picked.has(run)) return false;
  for (const [parameter, wanted] of state.only)
    if (!matches(run, parameter, wanted)) return false;
  return state.text.split(/\s+/).every((word) => searchable(run).includes(word));
}

let shown = runs;

function refilter() {
  shown = runs.filter(isShown);
  tell("shown");
}

function pick(run, yes = !state.picked.has(run)) {
  if (yes) state.picked.add(run);
  else state.picked.delete(run);
  if (state.onlyPicked) refilter();
  tell("picked");
}

function pickNone() {
  state.picked.clear();
  const narrowed = state.onlyPicked;
  state.onlyPicked = false;
  if (narrowed) refilter();
  tell("picked");
}

function hover(run) {
  if (state.hovered === run) return;
  state.hovered = run;
  tell("hovered");
}

// Marks what stands for a run (a cell, a table row), wherever it is.
function markAll(elements) {
  for (const [run, node] of elements) {
    node.classList.toggle("hovered", state.hovered === run);
    node.classList.toggle("picked", state.picked.has(run));
    const box = node.querySelector("input[type=checkbox]");
    if (box) box.checked = state.picked.has(run);
  }
}

function hoverable(node, run) {
  node.addEventListener("pointerenter", () => hover(run));
  node.addEventListener("pointerleave", () => hover(null));
  node.addEventListener("focusin", () => hover(run));
  node.addEventListener("focusout", () => hover(null));
  return node;
}

function pickBox(run) {
  return el("input", {
    type: "checkbox", "aria-label": `pick ${describe(run)}`, checked: state.picked.has(run),
    onchange: (event) => pick(run, event.target.checked),
  });
}
