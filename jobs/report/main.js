// The filters, the theme, the bar of picked runs; and the start of everything.
"use strict";

function choose(parameter, wanted) {
  if (wanted === null) state.only.delete(parameter);
  else state.only.set(parameter, wanted);
  refilter();
}

// A choice for few values, from-to for many numbers.
function filterControl(parameter) {
  if (parameter.numbers && parameter.values.length > 30) {
    const bound = (name) => el("input", {
      type: "number", step: "any", "aria-label": `${words(parameter.name)} ${name}`,
      oninput: () => {
        const parse = (input, otherwise) => (input.value === "" ? otherwise : Number(input.value));
        choose(parameter, { low: parse(low, -Infinity), high: parse(high, Infinity) });
      },
    });
    const low = bound("from"), high = bound("to");
    return el("div", { class: "range" }, el("span", {}, words(parameter.name)),
      el("span", {}, low, "to", high));
  }
  const select = el("select", {
    "data-filter": parameter.name,
    onchange: () => choose(parameter, select.value === "" ? null : Number(select.value)),
  });
  options(select, [["", "all"], ...parameter.labels.map((text, value) => [value, text])], "");
  return labelled(words(parameter.name), select);
}

function startFilters() {
  const statuses = Object.keys(STATUSES).filter(count);
  const status = options(el("select", {
    id: "filter-status", onchange: () => { state.status = status.value; refilter(); },
  }), [["", "all"], ...statuses.map((name) => [name, STATUSES[name]])], "");
  const text = el("input", {
    type: "search", id: "filter-text", placeholder: "id, name, value, host, reason",
    oninput: () => { state.text = text.value.toLowerCase(); refilter(); },
  });
  $("filters").replaceChildren(...report.parameters.map(filterControl),
    ...(statuses.length > 1 ? [labelled("status", status)] : []), labelled("search", text),
    el("button", { type: "reset" }, "show all"));
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("reset", () => {
    state.only.clear();
    state.status = state.text = "";
    state.onlyPicked = false;
    refilter();
    tell("picked");
  });
  $("filter-box").hidden = runs.length < 2;
  if (matchMedia("(max-width: 46rem)").matches) $("filter-box").open = false;
  const tellShown = () => {
    $("shown").textContent = shown.length === runs.length ? ""
      : `Showing ${shown.length} of ${plural(runs.length, "run")} in pictures, losses and table.`;
  };
  on("shown", tellShown);
  tellShown();
}

function drawPicked() {
  const many = state.picked.size;
  $("picked").hidden = many === 0;
  $("picked").replaceChildren(el("span", {}, `${plural(many, "run")} picked`),
    el("button", { type: "button", id: "only-picked", "aria-pressed": state.onlyPicked, onclick: () => {
      state.onlyPicked = !state.onlyPicked;
      refilter();
      drawPicked();
    } }, state.onlyPicked ? "show the others, too" : "show only these"),
    el("button", { type: "button", id: "pick-none", onclick: pickNone }, "pick none"));
}

// The system's theme until the person says otherwise; remembered where the browser allows it.
function startTheme() {
  const button = $("theme");
  const refresh = () => {
    button.textContent = theme() === "dark" ? "light" : "dark";
    button.setAttribute("aria-label", `switch to the ${button.textContent} theme`);
    tell("theme");
  };
  const remember = (value) => { try { localStorage.setItem("atelier-theme", value); } catch { /* not allowed: fine */ } };
  try { document.documentElement.dataset.theme = localStorage.getItem("atelier-theme") ?? ""; } catch { /* the same */ }
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = theme() === "dark" ? "light" : "dark";
    remember(document.documentElement.dataset.theme);
    refresh();
  });
  darkSystem.addEventListener("change", refresh);
  refresh();
}

startTheme();
tellSummary();
startFilters();
startSheet();
startViewer();
startCurves();
startTable();
tellFailures();
tellTime();
tellProvenance();
on("picked", drawPicked);
