// The contact sheet: one block for each combination of the parameters that are neither rows nor
// columns, so every picture's place says what it is.
"use strict";

let cells = []; // [run, element]

// The inputs are shown beside their names.
function inputPicture(parameter, value) {
  const picture = report.pictures[parameter.pictures?.[value]];
  return picture?.thumb ? el("img", { src: jpeg(picture.thumb), alt: "", loading: "lazy" }) : null;
}

function heading(scope, parameter, value) {
  return el("th", { scope }, inputPicture(parameter, value), label(parameter, value));
}

function whyAbsent(run) {
  if (run.status === "failed")
    return [el("b", {}, "failed"), el("span", {}, run.error?.end ?? ""),
      el("span", {}, run.error?.message ?? "")];
  if (run.status === "unreadable")
    return [el("b", {}, "damaged"), el("span", {}, run.error?.message ?? "")];
  if (run.status === "done") return [el("b", {}, "no picture"), el("span", {}, "its result holds none")];
  if (run.evaluations_most)
    return [el("b", {}, "running"), el("span", {}, `${run.evaluation} of ${run.evaluations_most} evaluations`)];
  return [el("b", {}, STATUSES[run.status])];
}

function cell(run, caption) {
  const inside = run.thumb
    ? [el("img", { src: jpeg(run.thumb), width: run.thumb_width, height: run.thumb_height, alt: "",
      loading: "lazy", decoding: "async" })]
    : [el("span", { class: "absent" }, ...whyAbsent(run))];
  const open = el("button", {
    type: "button", title: describe(run), onclick: () => openViewer(run, displayOrder),
    "aria-label": `${describe(run)}: ${run.thumb ? "open" : STATUSES[run.status]}`,
  }, ...inside);
  const node = el("figure", { class: `cell ${run.status}`, "data-run": run.id }, open,
    el("label", { class: "pick" }, pickBox(run)),
    caption ? el("figcaption", {}, caption) : null);
  cells.push([run, hoverable(node, run)]);
  return node;
}

// Values of the parameter among these runs, in its order.
function valuesAmong(some, parameter) {
  if (!parameter) return [null];
  return [...new Set(some.map((run) => valueOf(run, parameter)))].sort((a, b) => a - b);
}

function grid(some) {
  const { rows, columns } = state;
  const across = valuesAmong(some, columns), down = valuesAmong(some, rows);
  const at = new Map();
  for (const run of some) {
    const key = `${rows ? valueOf(run, rows) : null}/${columns ? valueOf(run, columns) : null}`;
    if (!at.has(key)) at.set(key, []);
    at.get(key).push(run);
  }
  const place = (row, column) => {
    const here = at.get(`${row}/${column}`);
    return el("td", {}, here ? el("div", { class: "stack" }, ...here.map((run) => cell(run)))
      : el("span", { class: "never" }, "not in the sweep"));
  };
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "contact sheet" },
    el("table", { class: "sheet" },
      el("thead", {},
        columns ? el("tr", {}, rows ? el("td") : null,
          el("th", { class: "axis", colspan: across.length }, words(columns.name))) : null,
        el("tr", {}, rows ? el("th", { class: "axis" }, words(rows.name)) : null,
          ...(columns ? across.map((value) => heading("col", columns, value)) : [el("td")]))),
      el("tbody", {}, ...down.map((row) => el("tr", {}, rows ? heading("row", rows, row) : null,
        ...across.map((column) => place(row, column)))))));
}

function flow(some) {
  return el("div", { class: "flow" }, ...some.map((run) => cell(run, describe(run))));
}

// Shown runs by the parameters that are on neither axis: [[heading, runs]].
function blocks() {
  const { rows, columns } = state;
  if (!rows && !columns) return [["", shown]];
  const rest = report.parameters.filter((parameter) => parameter !== rows && parameter !== columns);
  const found = new Map();
  for (const run of shown) {
    const key = rest.map((parameter) => valueOf(run, parameter));
    const text = key.join("/");
    if (!found.has(text)) found.set(text, { key, runs: [] });
    found.get(text).runs.push(run);
  }
  const order = (a, b) => a.key.reduce((so, value, i) => so || value - b.key[i], 0);
  return [...found.values()].sort(order).map(({ runs: some }) => {
    const telling = rest.filter((parameter) => parameter.values.length > 1);
    return [telling.flatMap((parameter, i) => [i ? " · " : "", `${words(parameter.name)} `,
      el("b", {}, label(parameter, valueOf(some[0], parameter)))]), some];
  });
}

let displayOrder = runs; // as the sheet shows them, for the viewer's arrows

function drawSheet() {
  cells = [];
  const parts = blocks();
  $("sheet-blocks").replaceChildren(...parts.map(([title, some]) =>
    el("div", { class: "block" }, title.length ? el("h3", {}, ...title) : null,
      state.rows || state.columns ? grid(some) : flow(some))));
  if (!shown.length)
    $("sheet-blocks").replaceChildren(el("p", { class: "note" }, "No run passes the filters."));
  displayOrder = cells.map(([run]) => run);
  markAll(cells);
}

function axisControl(text, name, other) {
  const select = el("select", {
    id: `axis-${name}`,
    onchange: () => {
      state[name] = report.parameters[select.value] ?? null;
      if (state[name] && state[name] === state[other]) state[other] = null;
      tell("axes");
    },
  });
  const refresh = () => options(select, [["", "none"],
    ...report.parameters.map((parameter) => [parameter.index, words(parameter.name)])],
  state[name]?.index ?? "");
  on("axes", refresh);
  refresh();
  return labelled(text, select);
}

// Few pictures may be large.
function fittingSize() {
  if (matchMedia("(max-width: 46rem)").matches) return runs.length === 1 ? 320 : 112;
  return runs.length === 1 ? 360 : runs.length <= 12 ? 220 : 150;
}

function sizeControl() {
  const resize = (px) => document.documentElement.style.setProperty("--cell", `${px}px`);
  resize(fittingSize());
  const size = el("input", {
    type: "range", min: 72, max: 360, step: 4, id: "cell-size",
    oninput: () => resize(size.value),
  });
  size.value = fittingSize();
  return labelled("size of the pictures", size);
}

function startSheet() {
  const controls = report.parameters.length
    ? [axisControl("rows", "rows", "columns"), axisControl("columns", "columns", "rows")] : [];
  $("sheet-controls").replaceChildren(...controls, sizeControl());
  on("shown", drawSheet);
  on("axes", drawSheet);
  on("picked", () => markAll(cells));
  on("hovered", () => markAll(cells));
  drawSheet();
}
