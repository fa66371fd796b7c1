// The table of runs: sorted by any column; the filters above apply to it as to everything.
"use strict";

const ROWS_AT_FIRST = 500;

// {title, number?, value(run) to sort by, text(run) to show}
function tableColumns() {
  const parameterColumn = (parameter) => ({
    title: words(parameter.name), number: Boolean(parameter.numbers),
    value: (run) => valueOf(run, parameter), text: (run) => label(parameter, valueOf(run, parameter)),
  });
  const amount = (title, name, format) => ({
    title, number: true, value: (run) => run[name], text: (run) => format(run[name]),
  });
  const lossColumn = (name, i) => ({
    title: lossTitle(name), number: true, value: (run) => run.final?.[i],
    text: (run) => number(run.final?.[i]),
  });
  const plain = (value) => value ?? "–";
  return [
    { title: "status", value: (run) => Object.keys(STATUSES).indexOf(run.status), text: (run) =>
      el("span", { class: `status ${run.status}` }, STATUSES[run.status]) },
    { title: "run", value: (run) => run.name ?? run.id, text: (run) => el("button", {
      type: "button", class: "link", onclick: () => openViewer(run, sortedRuns()),
    }, run.name ?? run.id) },
    ...report.parameters.map(parameterColumn),
    ...report.losses.slice(0, 4).map(lossColumn),
    amount("evaluations", "evaluations", plain),
    amount("time", "seconds", duration),
    amount("predicted", "predicted_seconds", duration),
    amount("memory", "peak_memory_bytes", bytes),
    amount("attempts", "attempts", plain),
    { title: "host", value: (run) => run.host, text: (run) => plain(run.host) },
    { title: "ended", value: (run) => run.stopped ?? run.error?.end,
      text: (run) => run.stopped ?? run.error?.end ?? "–" },
  ].filter((column) => runs.some((run) => column.value(run) !== null && column.value(run) !== undefined));
}

const table = { columns: [], by: null, down: false, limit: ROWS_AT_FIRST, rows: [] };

// What is missing comes last, either way.
function compare(a, b) {
  const x = table.by.value(a), y = table.by.value(b);
  if (x == null || y == null) return (x == null) - (y == null) || a.index - b.index;
  const order = typeof x === "number" ? x - y : String(x).localeCompare(String(y));
  return (table.down ? -order : order) || a.index - b.index;
}

const sortedRuns = () => (table.by ? [...shown].sort(compare) : shown);

function tableRow(run) {
  const row = el("tr", { "data-run": run.id }, el("td", {}, pickBox(run)),
    ...table.columns.map((column) =>
      el("td", { class: column.number ? "number" : null }, column.text(run))));
  return [run, hoverable(row, run)];
}

function drawRows() {
  const sorted = sortedRuns();
  table.rows = sorted.slice(0, table.limit).map(tableRow);
  $("runs-table").tBodies[0].replaceChildren(...table.rows.map(([, row]) => row));
  $("runs-more").hidden = sorted.length <= table.limit;
  $("runs-more").textContent = `show all ${sorted.length}`;
  markAll(table.rows);
}

function sortBy(column) {
  table.down = table.by === column && !table.down;
  table.by = column;
  for (const [i, head] of [...$("runs-table").tHead.rows[0].cells].entries()) {
    const here = table.columns[i - 1] === column;
    if (here) head.setAttribute("aria-sort", table.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  drawRows();
}

function startTable() {
  table.columns = tableColumns();
  const head = table.columns.map((column) =>
    el("th", { scope: "col", class: column.number ? "number" : null },
      el("button", { type: "button", onclick: () => sortBy(column) }, column.title)));
  $("runs-table").replaceChildren(
    el("thead", {}, el("tr", {}, el("th", { scope: "col", "aria-label": "picked" }), ...head)),
    el("tbody"));
  $("runs-more").addEventListener("click", () => { table.limit = Infinity; drawRows(); });
  on("shown", drawRows);
  on("picked", () => markAll(table.rows));
  on("hovered", () => markAll(table.rows));
  drawRows();
}
